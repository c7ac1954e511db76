"""Runs: the steps of a sweep as few regular loops, so that they are written as loops and not one by one.

Consecutive steps form a *run* if every region that they work on keeps its extents and advances by constants; so do
consecutive sweeps if they have the same runs, and every region of those advances by constants too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch_mlir import ir

from polystage.analysis.intervals import Interval, Mask, Matrix, matrix
from polystage.analysis.sweeps import Sweep
from polystage.analysis.swept_nests import Level
from polystage.analysis.windows import extent


@dataclass(frozen=True)
class Span:
    """``extent`` places from ``start + step * i + outer * j`` on, in step i of a run and sweep j of a run of sweeps."""

    start: int
    extent: int
    step: int = 0
    outer: int = 0


Region = tuple[Span, ...]
"""A box: a span for each loop of a nest, or each dimension of an array."""


@dataclass(frozen=True)
class Motion:
    """What happens to an array.

    ``window`` is on chip, ``new`` the part of it that was not there before (if the array comes from outside, to be
    loaded), ``final`` what may be stored afterwards if it lives on; None where that is nothing.
    """

    window: Region
    new: Region | None
    final: Region | None


@dataclass(frozen=True)
class Run:
    """``count`` steps from ``first`` on: nests that do something, by number, in order; and arrays.

    An array whose window is made on a level above is not among them.
    """

    first: int
    count: int
    nests: Mapping[int, Region]
    windows: Mapping[ir.Value, Motion]


@dataclass(frozen=True)
class SweepRun:
    """``count`` sweeps from ``first`` on: what is done before the steps, and the runs of steps."""

    first: int
    count: int
    prologue: Run
    steps: tuple[Run, ...]


@dataclass(frozen=True)
class Schedule:
    """A whole sweep: what is done before the loops, and the runs of sweeps."""

    prologue: Run
    sweeps: tuple[SweepRun, ...]


@dataclass(frozen=True)
class _Key:
    """What a region belongs to: nest ``nest``, or part ``part`` of the window of ``array``; ``rank`` spans."""

    rank: int
    nest: int | None = None
    array: ir.Value | None = None
    part: str = ""


@dataclass(frozen=True)
class _Table:
    """Regions of one level at all positions: ``starts`` and ``extents`` are [spans, sweeps, steps]."""

    keys: tuple[_Key, ...]
    starts: Matrix
    extents: Matrix

    def line(self, sweep: int) -> "_Line":
        """The regions of one sweep."""
        return _Line(self.keys, self.starts[:, sweep], self.extents[:, sweep])


@dataclass(frozen=True)
class _Line:
    """Regions at the positions of one sweep, [spans, steps], cut into runs: (first, count)."""

    keys: tuple[_Key, ...]
    starts: Matrix
    extents: Matrix
    runs: list[tuple[int, int]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "runs", list(self._cut()))

    def _cut(self) -> Iterator[tuple[int, int]]:
        same = (self.extents[:, 1:] == self.extents[:, :-1]).all(axis=0).tolist()
        deltas = np.diff(self.starts, axis=1)
        alike = (deltas[:, 1:] == deltas[:, :-1]).all(axis=0).tolist()
        first, steps = 0, self.starts.shape[1]
        while first < steps:
            last = first
            while last + 1 < steps and same[last] and (last == first or alike[last - 1]):
                last += 1
            yield first, last + 1 - first
            first = last + 1

    def deltas(self, first: int, count: int) -> Matrix:
        """What every span of a run advances by in a step."""
        return self.starts[:, first + 1] - self.starts[:, first] if count > 1 else np.zeros_like(self.starts[:, 0])

    def repeats(self, other: "_Line") -> bool:
        """Whether another sweep does the same at other places."""
        if self.runs != other.runs or not np.array_equal(self.extents, other.extents):
            return False
        return all(np.array_equal(self.deltas(*run), other.deltas(*run)) for run in self.runs)

    def firsts(self) -> Matrix:
        """Starts at the beginning of each run, [spans, runs]."""
        return self.starts[:, [first for first, _ in self.runs]]


def schedule_of(sweep: Sweep) -> Schedule:
    """A sweep as runs of runs of steps."""
    (before,) = _sweep_runs([_table(sweep, Level.BEFORE, 1, 1)], 1)
    tables = [_table(sweep, Level.OUTER, sweep.sweeps, 1), _table(sweep, Level.STEP, sweep.sweeps, sweep.steps)]
    return Schedule(before.prologue, tuple(_sweep_runs(tables, sweep.sweeps)))


def _sweep_runs(tables: Sequence[_Table], sweeps: int) -> Iterator[SweepRun]:
    """Sweeps that do the same one after the other at places that advance by constants."""
    lines = [[table.line(k) for table in tables] for k in range(sweeps)]
    first = 0
    while first < sweeps:
        last, outer = first, [np.zeros_like(line.firsts()) for line in lines[first]]
        while last + 1 < sweeps and all(a.repeats(b) for a, b in zip(lines[first], lines[last + 1], strict=True)):
            ahead = [b.firsts() - a.firsts() for a, b in zip(lines[last], lines[last + 1], strict=True)]
            if last > first and not all(map(np.array_equal, ahead, outer)):
                break
            last, outer = last + 1, ahead
        runs = [tuple(_runs(line, advance)) for line, advance in zip(lines[first], outer, strict=True)]
        yield SweepRun(first, last + 1 - first, runs[0][0], runs[1] if len(runs) > 1 else ())
        first = last + 1


def _runs(line: _Line, outer: Matrix) -> Iterator[Run]:
    for number, (first, count) in enumerate(line.runs):
        steps = line.deltas(first, count)
        columns = line.starts[:, first], line.extents[:, first], steps, outer[:, number]
        spans = iter([Span(*map(int, each)) for each in zip(*columns, strict=True)])
        nests: dict[int, Region] = {}
        parts: dict[ir.Value, dict[str, Region | None]] = {}
        for key in line.keys:
            region = tuple(next(spans) for _ in range(key.rank))
            something = all(span.extent for span in region)
            if key.nest is not None and something:
                nests[key.nest] = region
            elif key.array is not None:
                parts.setdefault(key.array, {})[key.part] = region if something else None
        windows = {
            array: Motion(window, found["new"], found["final"])
            for array, found in parts.items()
            if (window := found["window"]) is not None
        }
        yield Run(first, count, nests, windows)


def _table(sweep: Sweep, level: Level, rows: int, columns: int) -> _Table:
    keys: list[_Key] = []
    starts: list[Matrix] = []
    extents: list[Matrix] = []
    for key, region, active in _regions(sweep, level):
        shape = (rows, columns)
        something: Mask = np.ones(shape, np.bool_) if active is None else np.broadcast_to(active, shape)
        for interval in region:
            something = something & (extent(interval) > 0)
        keys.append(key)
        for interval in region:
            starts.append(np.where(something, matrix(interval.low), 0))
            extents.append(np.where(something, extent(interval), 0))
    nothing = np.zeros((0, rows, columns), np.int64)
    return _Table(tuple(keys), np.array(starts) if starts else nothing, np.array(extents) if extents else nothing)


def _regions(sweep: Sweep, level: Level) -> Iterator[tuple[_Key, tuple[Interval, ...], Mask | None]]:
    """All regions of one level: (what it belongs to, intervals, where it is)."""
    for number, box in enumerate(sweep.boxes):
        if box.level == level:
            yield _Key(len(box.loops), nest=number), box.loops, box.active
    for array, window in sweep.windows.items():
        if window.level == level:
            for part, dims in (("window", window.dims), ("new", window.new), ("final", window.final)):
                yield _Key(len(dims), array=array, part=part), dims, None
