"""How many elements of an array several nests have written, none counted twice: after each step of a sweep, or all."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from polystage.analysis.intervals import FAR, Form, Interval, Mask, Matrix, matrix
from polystage.analysis.swept_nests import Box, SweptNest

Stored = tuple[tuple[int, int], ...]
"""``[low, high)`` along each dimension of an array."""


def written_after(writers: Sequence[tuple[SweptNest, Box]], steps: int) -> Matrix:
    """Elements that nests of one sweep have written after each step, those in doubt left out: one row."""
    columns = list(zip(*(_stored_after(nest, box, steps) for nest, box in writers), strict=True))
    known: dict[tuple[Stored | None, ...], int] = {}
    for boxes in columns:
        if boxes not in known:
            known[boxes] = _union([box for box in boxes if box is not None])
    return np.array([[known[boxes] for boxes in columns]], np.int64)


def _stored_after(nest: SweptNest, box: Box, steps: int) -> list[Stored | None]:
    """The box that a nest has written after each step; None where it is not sure that there is no hole in it."""
    executed = np.broadcast_to(box.counts[:1], (1, steps))
    there, total = executed > 0, executed.cumsum(axis=1)[0]
    bounds = [
        (
            np.minimum.accumulate(np.where(there, matrix(low)[:1], FAR), axis=1)[0],
            np.maximum.accumulate(np.where(there, matrix(high)[:1], -FAR), axis=1)[0],
        )
        for low, high in box.loops
    ]
    apart = _is_product(nest)
    found = list[Stored | None]()
    for step in range(steps):
        hull = [Interval(int(low[step]), int(high[step])) for low, high in bounds]
        extents = [int(high) - int(low) for low, high in hull]
        if not total[step]:
            found.append(None)
        elif apart and _product(extents) == total[step] and all(form.dense(extents) for form in nest.store.forms):
            images = [form.image(hull) for form in nest.store.forms]
            found.append(tuple((int(low), int(high)) for low, high in images))
        else:
            found.append(None)
    return found


def _product(extents: Sequence[int]) -> int:
    return int(np.prod(np.array(extents, np.int64)))


def written_by(nests: Sequence[SweptNest]) -> int:
    """Elements that nests which write one array have written in the end, those in doubt left out."""
    sure = [nest for nest in nests if not nest.nest.store.indirect and _is_product(nest)]
    indices = [[_values(form, nest.extents) for form in nest.store.forms] for nest in sure]
    members, counts = list[Mask](), np.ones((), np.int64)
    for along in zip(*indices, strict=True):
        every = np.unique(np.concatenate(along))
        alike, times = np.unique(np.array([np.isin(every, each) for each in along]), axis=1, return_counts=True)
        members.append(alike)
        counts = np.multiply.outer(counts, times)
    inside: Mask = np.zeros(counts.shape, np.bool_)
    for number in range(len(sure)):
        inside[np.ix_(*(each[number] for each in members))] = True
    return int(counts[inside].sum()) if sure else 0


def _is_product(nest: SweptNest) -> bool:
    """Whether what a nest stores is every combination of indices along its dimensions."""
    loops = [loop for form in nest.store.forms for loop, _ in form.terms]
    return len(set(loops)) == len(loops)


def _values(form: Form, extents: Sequence[int]) -> NDArray[np.int64]:
    """The values that a form takes, in order."""
    found = np.array([form.const], np.int64)
    for loop, factor in form.terms:
        found = np.unique(np.add.outer(found, factor * np.arange(extents[loop], dtype=np.int64)))
    return found


def _union(boxes: Sequence[Stored]) -> int:
    """Elements in at least one of some boxes."""
    if not boxes:
        return 0
    cuts = [sorted({bound for pair in pairs for bound in pair}) for pairs in zip(*boxes, strict=True)]
    inside: Mask = np.zeros([len(cut) - 1 for cut in cuts], np.bool_)
    for box in boxes:
        inside[_cells(cuts, box)] = True
    counts = np.ones((), np.int64)
    for cut in cuts:
        counts = np.multiply.outer(counts, np.diff(cut))
    return int(counts[inside].sum())


def _cells(cuts: Sequence[Sequence[int]], box: Stored) -> tuple[slice, ...]:
    return tuple(slice(cut.index(low), cut.index(high)) for cut, (low, high) in zip(cuts, box, strict=True))
