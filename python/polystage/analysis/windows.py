"""Windows: the part of an array that a sweep keeps on chip, step by step, and what moves in and out of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
from torch_mlir import ir

from polystage.analysis.intervals import (
    FAR,
    Bound,
    Interval,
    Mask,
    Matrix,
    extent,
    intersection,
    matrix,
    maximum,
    minimum,
    over_all,
    over_inner,
    positions,
    previous,
    reached,
    remaining,
)
from polystage.analysis.swept_nests import Box, Footprint, Level, SweptNest, together

Region = tuple[tuple[int, int], ...]
"""Least and greatest index along each dimension of an array."""


@dataclass(frozen=True)
class Window:
    """What of an array must be on chip at each position: an interval for each dimension of the array.

    ``level`` says how long one window lasts: for ever, for a sweep, or for a step, from which to the next it moves on
    along dimension ``sliding``; what is used in one step only has nothing in the others. ``deepest`` is the last level
    with a nest that refers to the array (a window that is used before the loops only is free in them). ``loaded``:
    elements come from outside; ``stored``: they live on. ``done`` bounds what may be stored after each step: all nests
    have written the elements below it.
    """

    array: ir.Value
    level: Level
    deepest: Level
    sliding: int | None
    dims: tuple[Interval, ...]
    loaded: bool
    stored: bool
    done: Matrix | None = None

    @cached_property
    def extents(self) -> tuple[int, ...]:
        """Elements that must be on chip at most, by dimension."""
        return tuple(int(extent(interval).max()) for interval in self.dims)

    @cached_property
    def elements(self) -> int:
        """Elements that must be on chip at most."""
        return prod(self.extents)

    @cached_property
    def transient(self) -> bool:
        """Whether no element stays from one step to the next.

        Then its place is free in every step before the first nest that refers to it and after the last one.
        """
        if self.sliding is None:
            return False
        low, high = (matrix(bound) for bound in self.dims[self.sliding])
        return bool((previous(high, 0)[:, 1:] <= low[:, 1:]).all())

    @cached_property
    def new(self) -> tuple[Interval, ...]:
        """What was not in the window of the step before, its end; all of it where the window does not slide.

        What the window has below was kept from that step.
        """
        if self.sliding is None:
            return self.dims
        low, high = (matrix(bound) for bound in self.dims[self.sliding])
        return _replaced(self.dims, self.sliding, Interval(np.maximum(low, previous(high, -FAR)), high))

    @cached_property
    def final(self) -> tuple[Interval, ...]:
        """What every nest has written after this step, and had not before; all where the window does not slide."""
        if self.sliding is None or self.done is None:
            return self.dims
        low, high = (matrix(bound) for bound in self.dims[self.sliding])
        final = Interval(np.maximum(previous(self.done, -FAR), low), np.minimum(self.done, high))
        return _replaced(self.dims, self.sliding, final)

    @cached_property
    def hull(self) -> Region:
        """All elements that are on chip at some time."""
        return tuple((int(matrix(low).min()), int(matrix(high).max()) - 1) for low, high in self.dims)

    def entering(self, sweeps: int, region: Region | None = None) -> int:
        """Elements of ``new``, or of what it shares with a region, over all times that it is taken in."""
        counted = self._entering if region is None else _count(shared(self.new, region))
        return self._moved(counted, sweeps)

    def leaving(self, sweeps: int, region: Region | None = None) -> int:
        """Elements of ``final``, or of what it shares with a region, over all times that it goes out."""
        counted = self._leaving if region is None else _count(shared(self.final, region))
        return self._moved(counted, sweeps)

    @cached_property
    def _entering(self) -> tuple[int, int]:
        return _count(self.new)

    @cached_property
    def _leaving(self) -> tuple[int, int]:
        return _count(self.final)

    def _moved(self, counted: tuple[int, int], sweeps: int) -> int:
        count, rows = counted
        return count * (sweeps // rows if self.level > Level.BEFORE else 1)


def typical(part: Sequence[Interval]) -> tuple[int, ...]:
    """Extents of a box in the middle of all positions; where nothing is there, the most."""
    found = [matrix(extent(interval)) for interval in part]
    middle = (int(each[each.shape[0] // 2, each.shape[1] // 2]) for each in found)
    return tuple(size if size > 0 else int(each.max()) for size, each in zip(middle, found, strict=True))


def counts(part: Sequence[Interval]) -> Matrix:
    """Elements of a box at each position."""
    found = np.ones((1, 1), np.int64)
    for interval in part:
        found = found * extent(interval)
    return found


def shared(part: Sequence[Interval], region: Region) -> tuple[Interval, ...]:
    """What a box shares with a region at each position."""
    return tuple(
        intersection(interval, Interval(least, most + 1)) for interval, (least, most) in zip(part, region, strict=True)
    )


def _count(part: Sequence[Interval]) -> tuple[int, int]:
    """Elements of a box at all positions together, and of how many sweeps these are."""
    found = counts(part)
    return int(found.sum()), len(found)


def window_of(
    array: ir.Value,
    footprints: Sequence[Footprint],
    writers: Sequence[tuple[SweptNest, Box]],
    deepest: Level,
    *,
    loaded: bool,
    stored: bool,
) -> Window:
    """The window of an array that the footprints refer to, and ``writers`` write; nests up to ``deepest`` do."""
    level = min(footprint.level for footprint in footprints)
    dims, moving = together(footprints)
    region = _region(array, [nest for nest, _ in writers], loaded=loaded)
    dims = [
        Interval(maximum(low, least), minimum(high, most + 1))
        for (low, high), (least, most) in zip(dims, region, strict=True)
    ]
    sliding = moving[0] if level == Level.STEP and len(moving) == 1 else None
    fold = over_all if level == Level.BEFORE else over_inner
    fixed = tuple(interval if d == sliding else _real(fold(interval)) for d, interval in enumerate(dims))
    one_step = None if sliding is not None else _one_step(footprints)
    if one_step is not None:
        dims = [Interval(low, np.where(one_step, matrix(high), matrix(low))) for low, high in fixed]
        return Window(array, Level.STEP, deepest, None, tuple(dims), loaded, stored)
    if sliding is None:
        lasts = Level.BEFORE if all(isinstance(bound, int) for interval in fixed for bound in interval) else Level.OUTER
        return Window(array, lasts, deepest, None, fixed, loaded, stored)
    low, high = remaining(fixed[sliding].low), reached(fixed[sliding].high)
    done: Matrix | None = None
    if stored:
        done = high
        for nest, box in writers:
            done = np.minimum(done, ready(nest, box, sliding))
        done = np.maximum(done, low[:, :1])  # nests may have begun in an earlier sweep: that is not kept
        done = np.where(positions(done.shape[1]) == done.shape[1] - 1, high, done)
        unsaved = previous(done, FAR)
        low = np.minimum(low, np.where(unsaved < previous(high, -FAR), unsaved, FAR))
    return Window(array, level, deepest, sliding, _replaced(fixed, sliding, _sliding(low, high)), loaded, stored, done)


def _region(array: ir.Value, writers: Sequence[SweptNest], *, loaded: bool) -> Region:
    """What of an array there is: all of it, or what nests write. Operands that are wanted early may lie beside that."""
    if loaded or not writers:
        return tuple((0, extent - 1) for extent in ir.MemRefType(array.type).shape)
    forms = zip(*(nest.store.forms for nest in writers), strict=True)
    return tuple((min(form.least for form in own), max(form.most for form in own)) for own in forms)


def _one_step(footprints: Sequence[Footprint]) -> Mask | None:
    """The step of each sweep in which all runs that refers to an array; None where that is not one and the same."""
    active: Mask | None = None
    for footprint in footprints:
        if footprint.level < Level.STEP or footprint.active is None or footprint.active.shape[1] == 1:
            return None
        active = footprint.active if active is None else active | footprint.active
    return active if active is not None and (active.sum(axis=1) <= 1).all() else None


def _sliding(low: Matrix, high: Matrix) -> Interval:
    """Bounds as they are where there is something; where nothing is needed yet, or any more, an empty interval."""
    last = np.maximum(high[:, -1:], 0)
    low = np.minimum(low, last)
    return Interval(low, np.maximum(high, low))


def _real(interval: Interval) -> Interval:
    """An empty interval at zero where there is nothing."""
    if isinstance(interval.low, int) and isinstance(interval.high, int):
        return interval if interval.low < interval.high else Interval(0, 0)
    low, high = np.broadcast_arrays(matrix(interval.low), matrix(interval.high))
    something = low < high
    return Interval(np.where(something, low, 0), np.where(something, high, 0))


def _replaced(dims: tuple[Interval, ...], position: int, interval: Interval) -> tuple[Interval, ...]:
    return (*dims[:position], interval, *dims[position + 1 :])


def ready(nest: SweptNest, box: Box, dim: int) -> Matrix:
    """The element along a dimension of what a nest stores up to which it is done after each step of a sweep.

    ``FAR`` when it has nothing more to do in the sweep; that the last step ends all need not be told.
    """
    form = nest.store.forms[dim]
    factor = next((factor for loop, factor in form.terms if loop == box.slides), None)
    if box.level < Level.STEP:
        return matrix(FAR)
    at: Bound = form.least
    if box.slides is not None and factor is not None:
        executed = matrix(box.loops[box.slides].high)
        ended: Mask = executed >= executed[:, -1:]
        if factor > 0:
            at = form.rest(box.slides, nest.extents)[0] + factor * executed
    elif box.active is None:
        return matrix(at)
    else:
        steps = positions(box.active.shape[1])
        last: Matrix = np.maximum.reduce(np.where(box.active, steps, 0), axis=1, keepdims=True)
        ended = steps >= last
    return np.where(ended if box.rows is None else ended | ~box.rows, FAR, at)
