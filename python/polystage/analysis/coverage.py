"""How many elements of an array several nests of a sweep write together, none counted twice."""

from collections.abc import Iterable, Sequence

import numpy as np

from polystage.analysis.intervals import Mask, over_all
from polystage.analysis.swept_nests import Box, SweptNest

Stored = tuple[tuple[int, int], ...]
"""``[low, high)`` along each dimension of an array."""


def stored_box(nest: SweptNest, box: Box, iterations: int) -> Stored | None:
    """What a nest writes over all steps of a sweep with so many iterations, if that surely fills a box."""
    if not iterations:
        return ((0, 0),) * len(nest.store.forms)
    hulls = [over_all(interval) for interval in box.loops]
    extents = [int(high) - int(low) for low, high in hulls]
    loops = [loop for form in nest.store.forms for loop, _ in form.terms]
    once = int(np.prod(extents)) == iterations and len(set(loops)) == len(loops)
    if not once or not all(form.dense(extents) for form in nest.store.forms):
        return None
    images = [form.image(hulls) for form in nest.store.forms]
    return tuple((int(low), int(high)) for low, high in images)


def union(boxes: Iterable[Stored]) -> int:
    """Elements in at least one of some boxes."""
    real = [box for box in boxes if all(low < high for low, high in box)]
    if not real:
        return 0
    cuts = [sorted({bound for pair in pairs for bound in pair}) for pairs in zip(*real, strict=True)]
    inside: Mask = np.zeros([len(cut) - 1 for cut in cuts], np.bool_)
    for box in real:
        inside[_cells(cuts, box)] = True
    counts = np.ones((), np.int64)
    for cut in cuts:
        counts = np.multiply.outer(counts, np.diff(cut))
    return int(counts[inside].sum())


def _cells(cuts: Sequence[Sequence[int]], box: Stored) -> tuple[slice, ...]:
    return tuple(slice(cut.index(low), cut.index(high)) for cut, (low, high) in zip(cuts, box, strict=True))
