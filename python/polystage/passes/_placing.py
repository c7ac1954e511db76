"""Puts arrays on chip: types, copies of arguments, transfers between memories (mechanism of ``stage``)."""

from collections.abc import Mapping, Sequence

from torch_mlir import ir

from polystage.analysis.nests import Linear, Load, Nest
from polystage.analysis.values import array_name, producer
from polystage.dialects import affine, npu
from polystage.passes._schedule import Box, Resident
from polystage.passes._staging import KIND, Form, access_map


def place(resident: Resident, schedule: Sequence[ir.Operation]) -> None:
    """Give the array its place on chip during its interval.

    An intermediate that nobody uses outside of the interval just lies there; of others the nests of the interval use a
    copy, which is loaded before the first of them and stored after the last where that is asked for.
    """
    type_ = resident.layout.of_type(ir.MemRefType(resident.array.type), on_chip=True)
    own = schedule[resident.first : resident.last + 1]
    first, op = own[0], producer(resident.array)
    uses = [use for use in resident.array.uses if _top(use.owner) in own]
    if op is not None and len(uses) == sum(1 for _ in resident.array.uses):
        resident.array.set_type(type_)
        op.move_before(first)  # lives begin at the alloc
        return
    with ir.InsertionPoint(first), first.location:
        copy = affine.alloc(type_, f"{array_name(resident.array)}.resident")
        for use in uses:
            use.owner.operands[use.operand_number] = copy
        if resident.loaded is not None:
            _copy(resident.array, copy, resident.loaded)
    if resident.stored is not None:
        with ir.InsertionPoint(_after(own[-1])), own[-1].location:
            _copy(copy, resident.array, resident.stored)


def _top(op: ir.Operation | ir.OpView) -> ir.Operation:
    """The outermost loop around an operation."""
    current = op.operation
    while current.parent is not None and current.parent.name == "affine.for":
        current = current.parent.operation
    return current


def _after(op: ir.Operation) -> ir.Operation:
    operations = [each.operation for each in op.block.operations]
    return operations[operations.index(op) + 1]


def _copy(source: ir.Value, target: ir.Value, box: Box) -> None:
    kept = [k for k, (low, high) in enumerate(box) if high > low]
    with affine.nest([box[k][1] - box[k][0] + 1 for k in kept], {KIND: ir.StringAttr.get("transfer")}) as ivs:
        iv = dict(zip(kept, ivs, strict=True))
        access = access_map([Form(low).add(iv.get(k), 1) for k, (low, _) in enumerate(box)])
        affine.store(affine.load(source, *access), target, *access)


def moves_only(nest: Nest) -> bool:
    """Whether the nest only moves an array between memories, so that it is one transfer as it stands."""
    node = nest.nodes[nest.store.value]
    if len(nest.nodes) != 1 or not isinstance(node, Load) or nest.store.indirect:
        return False
    memories = {npu.memory_of(array.type) for array in (node.access.array, nest.store.array)}
    return memories == {"dram", "sbuf"}


def write_move(nest: Nest) -> None:
    """Write a nest that only moves elements as a transfer; its symbols are the loops around."""
    node = nest.nodes[nest.store.value]
    assert isinstance(node, Load)
    kept = [loop for loop, extent in enumerate(nest.extents) if extent > 1]
    with affine.nest([nest.extents[loop] for loop in kept], {KIND: ir.StringAttr.get("transfer")}) as ivs:
        iv = dict(zip(kept, ivs, strict=True))
        source, target = (
            (access.array, *access_map([_form(index, nest.symbols, iv) for index in access.indices]))
            for access in (node.access, nest.store.access)
        )
        affine.store(affine.load(*source), *target)


def _form(index: Linear, symbols: Sequence[ir.Value], iv: Mapping[int, ir.Value]) -> Form:
    form = Form(index.const)
    for symbol, factor in zip(symbols, index.symbols, strict=True):
        form.add(symbol, factor)
    for loop, factor in enumerate(index.dims):
        form.add(iv.get(loop), factor)
    return form


def write_transfer(nest: Nest) -> None:
    """Mark the nest as a transfer: a copy of it, as the caller erases the nest that it has staged."""
    clone = nest.op.clone()
    clone.attributes[KIND] = ir.StringAttr.get("transfer")
    if "npu.implementation" in clone.attributes:
        del clone.attributes["npu.implementation"]
