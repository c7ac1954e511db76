"""Split array dimensions that hold several digits, so that each digit may lie across the lanes by itself."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch_mlir import ir

from polystage.analysis.nests import Access, Linear, Nest, main_function
from polystage.passes.nests.array_uses import accesses_of_allocs
from polystage.passes.nests.ir import reindex
from polystage.pipeline import Pass, PassContext


@dataclass(frozen=True)
class SplitDimensions(Pass):
    """Split array dimensions that hold several digits, so that each digit may lie across the lanes by itself.

    A transposed convolution stores `t[16 * c + phase]`: no instruction writes every 16th lane. As `t[c][phase]` the
    channels can lie across the lanes. A dimension is split where all accesses of the array keep the digits apart, so
    that no nest falls into pieces; a fill that runs over all of it in one loop may have it split.

    Before:

    ```mlir
    %t = memref.alloc() : memref<1280xf32>
    affine.for %c = 0 to 80 { affine.for %p = 0 to 16 { affine.store %0, %t[16 * %c + %p] : memref<1280xf32>
    ```

    After (and `refine-domains`):

    ```mlir
    %t = memref.alloc() : memref<80x16xf32>
    affine.for %c = 0 to 80 { affine.for %p = 0 to 16 { affine.store %0, %t[%c, %p] : memref<80x16xf32>
    ```

    Requires: affine normal form with linear accesses (`refine-domains`, which has to run again afterwards).

    Refuses: nothing; what it cannot read stays for `map-banks` to report.

    Statistics:
        split: array dimensions that were split
    """

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Split what can be split."""
        uses = accesses_of_allocs(main_function(op))
        for array, found in uses.items():
            rank = ir.MemRefType(array.type).rank
            for dim in reversed(range(rank)):
                radices = radices_of(ir.MemRefType(array.type).shape[dim], dim, found)
                for radix in radices:
                    _split(array, dim, radix)
                ctx.statistic("split", int(bool(radices)))


def radices_of(extent: int, dim: int, accesses: Sequence[tuple[Nest, Access]]) -> list[int]:
    """Radices that set loops free along a dimension and whose digits all accesses keep apart, each of what the ones
    before it leave of the high digit.
    """
    radices, whole = list[int](), 1
    for step in _steps(dim, accesses):
        if extent % step == step % whole == 0 and all(_apart(a.indices[dim], nest, step) for nest, a in accesses):
            radices.append(step // whole)
            whole = step
    return radices


def _steps(dim: int, accesses: Sequence[tuple[Nest, Access]]) -> list[int]:
    """Coefficients of loops along a dimension, other than one, ascending."""
    forms = [(nest, access.indices[dim]) for nest, access in accesses]
    steps = {abs(factor) for nest, form in forms for k, factor in enumerate(form.dims) if nest.extents[k] > 1}
    return sorted(steps - {0, 1})


def _apart(form: Linear, nest: Nest, radix: int) -> bool:
    """Whether the low digit of an index has loops of its own, or the nest is a fill whose loop can be split."""
    low = Linear(form.const % radix, tuple(0 if factor % radix == 0 else factor for factor in form.dims))
    least, greatest = low.span(nest.extents)
    if least // radix == greatest // radix:
        return True
    loops = [(nest.extents[k], factor) for k, factor in enumerate(form.dims) if factor and nest.extents[k] > 1]
    if nest.loads or form.const % radix or len(loops) != 1:
        return False
    extent, factor = loops[0]
    return factor == 1 and extent % radix == 0


def _split(array: ir.Value, dim: int, radix: int) -> None:
    """Give the array two dimensions for one, and every access two indices."""
    type_ = ir.MemRefType(array.type)
    shape = [*type_.shape[:dim], type_.shape[dim] // radix, radix, *type_.shape[dim + 1 :]]
    array.set_type(ir.MemRefType.get(shape, type_.element_type))

    def digits(indices: list[ir.AffineExpr]) -> list[ir.AffineExpr]:
        index = indices[dim]
        two = [ir.AffineExpr.get_floor_div(index, radix), ir.AffineExpr.get_mod(index, radix)]
        return [*indices[:dim], *two, *indices[dim + 1 :]]

    for use in list(array.uses):
        reindex(use.owner.operation, digits)
