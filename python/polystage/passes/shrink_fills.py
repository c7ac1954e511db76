"""Fill only what is read, and no later nest overwrites before; what different nests write is filled apart."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch_mlir import ir

from polystage.analysis.index_boxes import Box, common, without
from polystage.analysis.nests import (
    Constant,
    Gather,
    Linear,
    Nest,
    main_function,
)
from polystage.analysis.values import producer
from polystage.dialects import affine
from polystage.passes.nests.array_uses import readable_nests
from polystage.passes.nests.seams import seam_of
from polystage.pipeline import Pass, PassContext


@dataclass(frozen=True)
class ShrinkFills(Pass):
    """Fill only what is read, and no later nest overwrites before; what different nests write is filled apart.

    A padded input is a fill of the whole array and a copy into its interior; what remains of the fill is the border,
    and of that what the windows of later nests reach. The border of a concat is filled for each operand by itself.

    Before:

    ```mlir
    affine.for %i = 0 to 10 { affine.store %zero, %t[%i] : memref<10xf32> }
    affine.for %i = 0 to 8 { affine.store %x, %t[%i + 1] : memref<10xf32> }
    ```

    After: two nests that fill `%t[0]` and `%t[9]`, and the copy.

    Requires: affine normal form with linear accesses (`refine-domains`).

    Refuses: nothing; what it cannot read stays for `map-banks` to report.

    Statistics:
        shrunk: fills that became smaller
        removed: fills of which nothing remained
    """

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Shrink every fill."""
        nests = list(readable_nests(main_function(op)))
        for position, nest in enumerate(nests):
            box = _filled(nest)
            if box is None:
                continue
            read = _read(nest.store.array, nests[position + 1 :])
            inside = box if read is None else common(box, read)
            left = [] if inside is None else [inside]
            for cover in _covers(nest.store.array, nests[position + 1 :]):
                left = [piece for each in left for piece in without(each, cover)]
            if len(left) > 2 * len(box):
                left = [box]
            seam = seam_of(nest.store.array, nests)
            if seam is not None:
                left = [part for each in left for part in seam.parts(each)]
            if left != [box]:
                _refill(nest, left)
                ctx.statistic("shrunk" if left else "removed", 1)


def _filled(nest: Nest) -> Box | None:
    """The box that a nest fills with a constant, None for another nest."""
    return _stored(nest) if len(nest.nodes) == 1 and isinstance(nest.nodes[0], Constant) else None


def _stored(nest: Nest) -> Box | None:
    """The box whose every element the nest stores, None where it is no box."""
    if nest.store.indirect:
        return None
    indices = nest.store.access.indices
    loops = [loop for index in indices for loop in index.support]
    if any(not _is_plain(index) for index in indices) or len(set(loops)) < len(loops):
        return None
    return tuple(index.span(nest.extents) for index in indices)


def _read(array: ir.Value, later: Sequence[Nest]) -> Box | None:
    """The hull of what later nests read of an array; None where it cannot be told, as of results."""
    if producer(array) is None or any(
        isinstance(node, Gather) and node.array == array for nest in later for node in nest.nodes
    ):
        return None
    boxes = [
        tuple(index.span(nest.extents) for index in access.indices)
        for nest in later
        for access in nest.loads
        if access.array == array
    ]
    if not boxes:
        return None
    return tuple((min(low for low, _ in spans), max(high for _, high in spans)) for spans in zip(*boxes, strict=True))


def _is_plain(index: Linear) -> bool:
    factors = [factor for factor in index.dims if factor]
    return len(factors) <= 1 and all(abs(factor) == 1 for factor in factors)


def _covers(array: ir.Value, later: Sequence[Nest]) -> Iterator[Box]:
    """The boxes that the nests after a fill store, up to the first that may read the array."""
    for nest in later:
        gathered = any(isinstance(node, Gather) and node.array == array for node in nest.nodes)
        if gathered or any(access.array == array for access in nest.loads):
            return
        if nest.store.array == array and (box := _stored(nest)) is not None:
            yield box


def _refill(nest: Nest, left: Sequence[Box]) -> None:
    """Write fills of ``left`` in the place of the nest."""
    value = _value(nest.op)
    for box in left:
        extents = [high - low + 1 for low, high in box]
        kept = [k for k, extent in enumerate(extents) if extent > 1]
        with ir.InsertionPoint(nest.op), nest.op.location, affine.nest([extents[k] for k in kept]) as ivs:
            dims = {k: ir.AffineExpr.get_dim(number) for number, k in enumerate(kept)}
            results = [
                dims[k] + low if k in dims else ir.AffineExpr.get_constant(low) for k, (low, _) in enumerate(box)
            ]
            affine.store(value, nest.store.array, ir.AffineMap.get(len(kept), 0, results), ivs)
    nest.op.erase()


def _value(loop: ir.Operation) -> ir.Value:
    """The constant that a fill stores, made outside of its nest."""
    body = [view.operation for view in loop.regions[0].blocks[0].operations]
    if body[0].name == "affine.for":
        return _value(body[0])
    store = next(op for op in body if op.name == "affine.store")
    return store.operands[0]
