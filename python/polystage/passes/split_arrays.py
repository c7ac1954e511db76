"""Split arrays into parts that no access crosses, so that each part is placed, and comes and goes, by itself."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from torch_mlir import ir

from polystage.analysis.nests import Access, Nest, main_function
from polystage.analysis.values import array_name, producer
from polystage.dialects import affine
from polystage.passes.nests.array_uses import accesses_of_allocs
from polystage.passes.nests.ir import reindex
from polystage.passes.nests.relayouts import innermost
from polystage.pipeline import Pass, PassContext

Span = tuple[int, int]
"""Least and greatest index along a dimension."""


@dataclass(frozen=True)
class SplitArrays(Pass):
    """Split arrays into parts that no access crosses, so that each part is placed, and comes and goes, by itself.

    A concat is one array whose operands are parts of it. Where every nest that reads it takes one operand, as the
    contractions do that a contraction over a concat became, the operands may as well be arrays of their own: one may
    wait on chip while the other is not there yet.

    Before:

    ```mlir
    affine.for %i = 0 to 32 { affine.store %x, %t[%i] : memref<64xf32> }
    affine.for %i = 0 to 32 { affine.store %y, %t[%i + 32] : memref<64xf32> }
    affine.for %i = 0 to 32 { affine.load %t[%i + 32] : memref<64xf32> }
    ```

    After:

    ```mlir
    affine.for %i = 0 to 32 { affine.store %x, %t.0[%i] : memref<32xf32> }
    affine.for %i = 0 to 32 { affine.store %y, %t.1[%i] : memref<32xf32> }
    affine.for %i = 0 to 32 { affine.load %t.1[%i] : memref<32xf32> }
    ```

    Requires: affine normal form with linear accesses (`refine-domains`), and fills of each part by itself
    (`shrink-fills`).

    Refuses: nothing; what it cannot read stays for `map-banks` to report.

    Statistics:
        split: arrays that were split
        parts: arrays that they became
    """

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Split every array along the first dimension where it falls apart."""
        for array, found in accesses_of_allocs(main_function(op)).items():
            divided = {dim: parts_of(dim, found) for dim in range(ir.MemRefType(array.type).rank)}
            dim = next((dim for dim, parts in divided.items() if len(parts) > 1), None)
            if dim is not None:
                _split(array, dim, divided[dim], {nest.op: nest for nest, _ in found}.values())
                ctx.statistic("split", 1)
                ctx.statistic("parts", len(divided[dim]))


def parts_of(dim: int, accesses: Sequence[tuple[Nest, Access]]) -> list[Span]:
    """Spans along a dimension of which every access touches one, ascending."""
    found = list[Span]()
    for low, high in sorted(access.indices[dim].span(nest.extents) for nest, access in accesses):
        if found and low <= found[-1][1]:
            found[-1] = found[-1][0], max(high, found[-1][1])
        else:
            found.append((low, high))
    return found


def _split(array: ir.Value, dim: int, parts: Sequence[Span], nests: Iterable[Nest]) -> None:
    """Make an array of each part, and let every access use its own."""
    alloc = producer(array)
    assert alloc is not None
    with ir.InsertionPoint(alloc), alloc.location:
        new = [_part(array, dim, span, f"{array_name(array)}.{number}") for number, span in enumerate(parts)]
    for nest in nests:
        for op, access in _operations(nest):
            if access.array == array:
                low, _ = access.indices[dim].span(nest.extents)
                number = next(number for number, (_, end) in enumerate(parts) if low <= end)
                op.operands[0 if op.name == "affine.load" else 1] = new[number]
                reindex(op, partial(_shifted, dim, parts[number][0]))
    alloc.erase()


def _part(array: ir.Value, dim: int, span: Span, name: str) -> ir.Value:
    """An array for one part of another."""
    type_ = ir.MemRefType(array.type)
    shape = [span[1] - span[0] + 1 if d == dim else extent for d, extent in enumerate(type_.shape)]
    return affine.alloc(ir.MemRefType.get(shape, type_.element_type), name)


def _operations(nest: Nest) -> Iterator[tuple[ir.Operation, Access]]:
    """The affine accesses of a nest, each with its operation."""
    body = innermost(nest.op)
    yield from zip([op for op in body if op.name == "affine.load"], nest.loads, strict=True)
    yield from ((op, nest.store.access) for op in body if op.name == "affine.store")


def _shifted(dim: int, offset: int, indices: list[ir.AffineExpr]) -> list[ir.AffineExpr]:
    """Indices that begin so much lower along a dimension."""
    return [index - offset if d == dim else index for d, index in enumerate(indices)]
