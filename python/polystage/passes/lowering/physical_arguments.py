"""Arguments with a layout become arrays of the shape in which they lie in DRAM (mechanism of ``lower-to-npu``)."""

from torch_mlir import ir

from polystage.analysis.layouts import Layout
from polystage.analysis.values import array_name
from polystage.dialects import affine
from polystage.machine import Machine
from polystage.passes.nests.ir import reindex
from polystage.passes.nests.load_function import Argument, entries_of, load_function, text_of, with_arguments


def physical_arguments(main: ir.Operation, machine: Machine) -> dict[ir.Value, ir.Value]:
    """Give `@main` physical arguments; for each what stands for the logical one until its nests are lowered."""
    body = main.regions[0].blocks[0]
    placed = [array for array in body.arguments if _is_placed(array)]
    if not placed:
        return {}
    logical: dict[str, ir.Value] = {}
    for array in placed:
        name = array_name(array)
        with ir.InsertionPoint.at_block_begin(body), array.location:
            logical[name] = affine.alloc(ir.MemRefType(array.type), name)
        array.replace_all_uses_with(logical[name])
    arguments = [
        Argument(_physical(array, machine), entry) if array in placed else Argument(array.type, entry, array)
        for array, entry in entries_of(main).items()
    ]
    entries = entries_of(with_arguments(main, arguments))
    return {logical[name]: array for array, entry in entries.items() if (name := text_of(entry, "name")) in logical}


def physical_results(module: ir.Operation, machine: Machine) -> None:
    """Have `@load` store what it returns in the order of their layouts."""
    load = load_function(module)
    if load is None or not any(map(_is_placed, load.regions[0].blocks[0].arguments)):
        return
    arguments: list[Argument] = []
    for array, entry in entries_of(load).items():
        type_: ir.Type = array.type
        if _is_placed(array):
            type_ = _physical(array, machine)
            for use in array.uses:
                _compose(use.owner.operation, ir.MemRefType(array.type), machine)
        arguments.append(Argument(type_, entry, array))
    with_arguments(load, arguments)


def _is_placed(array: ir.Value) -> bool:
    type_ = ir.MemRefType(array.type)
    return type_.affine_map != ir.AffineMap.get_identity(type_.rank)


def _physical(array: ir.Value, machine: Machine) -> ir.MemRefType:
    type_ = ir.MemRefType(array.type)
    shape = Layout.of(type_, machine.lanes).physical_shape(type_.shape)
    return ir.MemRefType.get(shape, type_.element_type)


def _compose(op: ir.Operation, type_: ir.MemRefType, machine: Machine) -> None:
    """Apply a layout to an affine access."""
    layout = Layout.of(type_, machine.lanes)

    def physical(indices: list[ir.AffineExpr]) -> list[ir.AffineExpr]:
        assert layout.dim is not None
        index = indices.pop(layout.dim)
        digits = [ir.AffineExpr.get_mod(index, layout.block), ir.AffineExpr.get_floor_div(index, layout.block)]
        return [*digits, *indices]

    reindex(op, physical)
