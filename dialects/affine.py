"""Builders for the affine code that passes write: loops with constant bounds, loads, stores, scalars.

Operations are made through ``ir.Operation.create`` (about 1 us each, against 8 us through the op classes).
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

from torch_mlir import ir


@contextmanager
def loop(extent: int, attributes: Mapping[str, ir.Attribute] | None = None) -> Generator[ir.Value]:
    """``affine.for %iv = 0 to extent``: the body is built inside the ``with``; yields the induction variable."""
    index = ir.IndexType.get()
    op = ir.Operation.create(
        "affine.for",
        regions=1,
        attributes={
            "lowerBoundMap": ir.AffineMapAttr.get(ir.AffineMap.get_constant(0)),
            "upperBoundMap": ir.AffineMapAttr.get(ir.AffineMap.get_constant(extent)),
            "step": ir.IntegerAttr.get(index, 1),
            "operandSegmentSizes": ir.DenseI32ArrayAttr.get([0, 0, 0]),
            **(attributes or {}),
        },
    )
    block = op.regions[0].blocks.append(index)
    with ir.InsertionPoint(block):
        yield block.arguments[0]
        ir.Operation.create("affine.yield")


@contextmanager
def nest(extents: Sequence[int], attributes: Mapping[str, ir.Attribute] | None = None) -> Generator[list[ir.Value]]:
    """A perfect nest of loops, outermost first; ``attributes`` go to the outermost.

    A rank-0 nest has one loop of one trip.
    """
    if not extents:
        with loop(1, attributes):
            yield []
    elif len(extents) == 1:
        with loop(extents[0], attributes) as iv:
            yield [iv]
    else:
        with loop(extents[0], attributes) as iv, nest(extents[1:]) as inner:
            yield [iv, *inner]


def load(array: ir.Value, access: ir.AffineMap, operands: Sequence[ir.Value]) -> ir.Value:
    """``affine.load array[access(operands)]``."""
    element = ir.MemRefType(array.type).element_type
    attributes: dict[str, ir.Attribute] = {"map": ir.AffineMapAttr.get(access)}
    return ir.Operation.create("affine.load", [element], [array, *operands], attributes).result


def store(value: ir.Value, array: ir.Value, access: ir.AffineMap, operands: Sequence[ir.Value]) -> None:
    """``affine.store value, array[access(operands)]``."""
    ir.Operation.create("affine.store", [], [value, array, *operands], {"map": ir.AffineMapAttr.get(access)})


def apply(access: ir.AffineMap, operands: Sequence[ir.Value]) -> ir.Value:
    """``affine.apply access(operands)``: one index value."""
    return ir.Operation.create(
        "affine.apply", [ir.IndexType.get()], list(operands), {"map": ir.AffineMapAttr.get(access)}
    ).result


def alloc(type_: ir.MemRefType, name: str) -> ir.Value:
    """``memref.alloc`` of a named array."""
    attributes: dict[str, ir.Attribute] = {
        "operandSegmentSizes": ir.DenseI32ArrayAttr.get([0, 0]),
        "polystage.name": ir.StringAttr.get(name),
    }
    return ir.Operation.create("memref.alloc", [type_], [], attributes).result
