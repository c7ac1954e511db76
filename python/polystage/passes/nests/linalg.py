"""Reading and building ``linalg.generic``."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch_mlir import ir

from polystage.passes.nests.ir import defining_op


def segments(op: ir.Operation) -> tuple[int, int]:
    """How many inputs and how many outputs a structured operation has."""
    inputs, outputs = list(ir.DenseI32ArrayAttr(op.attributes["operandSegmentSizes"]))
    return inputs, outputs


def maps_of(op: ir.Operation) -> list[ir.AffineMap]:
    """The indexing maps of a generic."""
    return [ir.AffineMapAttr(attribute).value for attribute in ir.ArrayAttr(op.attributes["indexing_maps"])]


def generic(
    operands: tuple[Sequence[ir.Value], Sequence[ir.Value]],
    maps: Sequence[ir.AffineMap],
    iterators: ir.Attribute,
    body: Callable[[Sequence[ir.Value]], Sequence[ir.Value]],
) -> ir.Operation:
    """A ``linalg.generic`` at the insertion point; ``operands`` are (inputs, outputs), on tensors it has results.

    ``body`` gets the block arguments and returns what is yielded.
    """
    inputs, outputs = operands
    attributes = {
        "indexing_maps": ir.ArrayAttr.get([ir.AffineMapAttr.get(m) for m in maps]),
        "iterator_types": iterators,
        "operandSegmentSizes": ir.DenseI32ArrayAttr.get([len(inputs), len(outputs)]),
    }
    every = [*inputs, *outputs]
    results = [v.type for v in outputs if isinstance(v.type, ir.RankedTensorType)]
    op = ir.Operation.create("linalg.generic", results, every, attributes, regions=1)
    elements = [ir.ShapedType(v.type).element_type if isinstance(v.type, ir.ShapedType) else v.type for v in every]
    block = op.regions[0].blocks.append(*elements, arg_locs=[op.location] * len(every))
    with ir.InsertionPoint(block):
        ir.Operation.create("linalg.yield", [], body(list(block.arguments)))
    return op


def parallel(rank: int) -> ir.Attribute:
    """The iterator types of ``rank`` parallel loops."""
    return ir.ArrayAttr.get([ir.Attribute.parse("#linalg.iterator_type<parallel>")] * rank)


def clone_slice(values: Sequence[ir.Value], block: ir.Block, mapping: Mapping[Any, ir.Value]) -> list[ir.Value]:
    """``values``, computed in ``block``, computed again at the insertion point with its arguments mapped."""
    known: dict[ir.Value, ir.Value] = dict(mapping)

    def cloned(value: ir.Value) -> ir.Value:
        if value in known:
            return known[value]
        op = defining_op(value)
        if op is None or op.block != block:
            return value
        operands = [cloned(operand) for operand in op.operands]
        attributes = dict(op.attributes.items())
        with op.location:
            new = ir.Operation.create(op.name, [r.type for r in op.results], operands, attributes)
        known.update(zip(op.results, new.results, strict=True))
        return known[value]

    return [cloned(value) for value in values]


def needed_arguments(value: ir.Value, block: ir.Block) -> set[int]:
    """Which arguments of ``block`` the computation of ``value`` uses."""
    pending, seen, used = [value], set[ir.Value](), set[int]()
    while pending:
        current = pending.pop()
        if current in seen:
            continue
        seen.add(current)
        op = defining_op(current)
        if op is not None:
            pending.extend(op.operands if op.block == block else ())
        elif current.owner == block:
            used.add(ir.BlockArgument(current).arg_number)
    return used


def yielded(op: ir.Operation) -> Sequence[ir.Value]:
    """What the body of a generic yields."""
    return list(op.regions[0].blocks[0].operations)[-1].operation.operands


def is_parallel(op: ir.Operation) -> bool:
    """Whether all loops of a generic are parallel."""
    return not reduced_dims(op)


def reduced_dims(op: ir.Operation) -> list[int]:
    """The loops of a generic that are not parallel."""
    types = ir.ArrayAttr(op.attributes["iterator_types"])
    return [k for k, type_ in enumerate(types) if "parallel" not in str(type_)]


def extents_of(op: ir.Operation) -> dict[int, int]:
    """Trip counts of the loops of a generic that some operand shows plainly (a dim alone as index)."""
    extents: dict[int, int] = {}
    for operand, affine_map in zip(op.operands, maps_of(op), strict=True):
        for position, expr in enumerate(affine_map.results):
            if isinstance(expr, ir.AffineDimExpr):
                extents[expr.position] = ir.ShapedType(operand.type).get_dim_size(position)
    return extents


def filled(type_: ir.Type, value: ir.Value) -> ir.Value:
    """A tensor of ``type_`` with ``value`` everywhere."""
    empty = ir.Operation.create("tensor.empty", [type_]).result
    attributes = {"operandSegmentSizes": ir.DenseI32ArrayAttr.get([1, 1])}
    op = ir.Operation.create("linalg.fill", [type_], [value, empty], attributes, regions=1)
    block = op.regions[0].blocks.append(value.type, value.type, arg_locs=[op.location] * 2)
    with ir.InsertionPoint(block):
        ir.Operation.create("linalg.yield", [], [block.arguments[0]])
    return op.result


def fill_value(value: ir.Value) -> ir.Attribute | None:
    """The constant that a tensor was filled with."""
    op = defining_op(value)
    if op is None:
        return None
    if op.name == "linalg.fill":
        scalar = defining_op(op.operands[0])
    elif op.name == "linalg.generic" and segments(op) == (0, 1):
        scalar = defining_op(yielded(op)[0])
    else:
        return None
    return scalar.attributes["value"] if scalar is not None and scalar.name == "arith.constant" else None
