"""Boxes of elements of an array, by the least and greatest index along each dimension."""

from collections.abc import Iterable, Iterator

from torch_mlir import ir

from polystage.analysis.nests import Access, Nest

Box = tuple[tuple[int, int], ...]
"""Least and greatest index along each dimension of an array."""


def whole(array: ir.Value) -> Box:
    """All of an array."""
    return tuple((0, extent - 1) for extent in ir.MemRefType(array.type).shape)


def hull(boxes: Iterable[Box]) -> Box | None:
    """The smallest box around all; None around nothing."""
    all_boxes = list(boxes)
    if not all_boxes:
        return None
    return tuple((min(a for a, _ in dim), max(b for _, b in dim)) for dim in zip(*all_boxes, strict=True))


def span(access: Access, nest: Nest) -> Box:
    """The hull of what an access touches."""
    return tuple(index.span(nest.extents) for index in access.indices)


def common(a: Box | None, b: Box | None) -> Box | None:
    """What two boxes share, if anything."""
    if a is None or b is None:
        return None
    both = tuple((max(x, u), min(y, v)) for (x, y), (u, v) in zip(a, b, strict=True))
    return both if all(low <= high for low, high in both) else None


def without(box: Box, cover: Box) -> Iterator[Box]:
    """Disjoint boxes that make up ``box`` but for ``cover``: two slabs along each dimension."""
    inside = tuple((max(a, c), min(b, d)) for (a, b), (c, d) in zip(box, cover, strict=True))
    if any(low > high for low, high in inside):
        yield box
        return
    for dim, ((low, high), (first, last)) in enumerate(zip(box, inside, strict=True)):
        for slab in ((low, first - 1), (last + 1, high)):
            if slab[0] <= slab[1]:
                yield (*inside[:dim], slab, *box[dim + 1 :])
