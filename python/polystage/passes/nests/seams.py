"""Seams: where an array falls into parts that different nests write, as the operands of a concat do.

What initialises several parts at once makes them depend on one another: the border of all of them is there, and has to
be held or stored, as soon as one part is. Cut at the seams, each part is initialised where it is written.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch_mlir import ir

from polystage.analysis.index_boxes import Box
from polystage.analysis.nests import Nest

MAX_PARTS = 8  # an array of more parts is initialised as it is


@dataclass(frozen=True)
class Seam:
    """Parts of an array along dimension ``dim``; ``cuts`` are the first indices of all parts but the first."""

    dim: int
    cuts: tuple[int, ...]

    def parts(self, box: Box) -> Iterator[Box]:
        """What of a box lies in each part."""
        low, high = box[self.dim]
        inside = [cut for cut in self.cuts if low < cut <= high]
        for first, end in pairwise((low, *inside, high + 1)):
            yield (*box[: self.dim], (first, end - 1), *box[self.dim + 1 :])


def seam_of(array: ir.Value, nests: Sequence[Nest]) -> Seam | None:
    """The seam of an array that these nests use; None where nests that compute do not write parts of it."""
    writers = [nest for nest in nests if nest.store.array == array and nest.loads]
    if any(nest.store.indirect for nest in writers):
        return None
    spans = [tuple(index.span(nest.extents) for index in nest.store.access.indices) for nest in writers]
    for dim in range(len(spans[0]) if spans else 0):
        parts = sorted({span[dim] for span in spans})
        if 1 < len(parts) <= MAX_PARTS and all(high < low for (_, high), (low, _) in pairwise(parts)):
            return Seam(dim, tuple(low for low, _ in parts[1:]))
    return None
