"""Parts of arrays on chip, and how what moves between an array and its windows divides among them and DRAM."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch_mlir import ir

from polystage.analysis.index_boxes import Box
from polystage.analysis.layouts import Layout


@dataclass(frozen=True)
class Slice:
    """The part ``low`` to ``high`` (exclusive) of dimension ``dim``, on chip for the nests ``first`` to ``last``.

    What windows and residents of these nests would move between the array and DRAM, they move to and from the slice.
    ``through``: DRAM gets it too, as it is used after them. ``loaded`` comes from DRAM before the first of them.
    """

    array: ir.Value
    layout: Layout
    dim: int
    low: int
    high: int
    bytes_per_lane: int
    first: int
    last: int
    loaded: Box | None
    through: bool

    @property
    def shape(self) -> list[int]:
        """Extents of the slice."""
        extents = list(ir.MemRefType(self.array.type).shape)
        extents[self.dim] = self.high - self.low
        return extents

    def during(self, first: int, last: int) -> bool:
        """Whether it is on chip for all nests from ``first`` to ``last``."""
        return self.first <= first and last <= self.last

    def local(self, box: Box) -> Box:
        """A box of the array as a box of the slice."""
        return _moved(box, self.dim, -self.low)


Piece = tuple[Slice | None, Box]
"""A box of an array, and the slice that it is in; without one it is in DRAM."""


def pieces(box: Box, slices: Sequence[Slice], *, load: bool) -> Iterator[Piece]:
    """What a transfer of a box consists of. Slices of one array are along one dimension, and apart."""
    if not slices:
        yield None, box
        return
    dim = slices[0].dim
    low, high = box[dim]
    at = low
    for each in sorted(slices, key=lambda each: each.low):
        first, last = max(low, each.low), min(high, each.high - 1)
        if first > last:
            continue
        yield each, _cut(box, dim, first, last)
        if load or not each.through:
            if at < first:
                yield None, _cut(box, dim, at, first - 1)
            at = last + 1
    if at <= high:
        yield None, _cut(box, dim, at, high)


def _cut(box: Box, dim: int, low: int, high: int) -> Box:
    return (*box[:dim], (low, high), *box[dim + 1 :])


def _moved(box: Box, dim: int, by: int) -> Box:
    low, high = box[dim]
    return _cut(box, dim, low + by, high + by)
