"""Nests as sweeps see them: what they read and write as index forms, and whether they can run box by box.

Nothing here depends on tile sizes or on the group that a nest is in, so a planner makes it once for each nest.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from math import prod

import numpy as np
from torch_mlir import ir

from polystage.analysis.intervals import Form, Interval, Mask, Matrix, extent, hull, moves, over_inner, where
from polystage.analysis.nests import Access, Gather, Nest
from polystage.analysis.reductions import recurrence, sequential


class Level(IntEnum):
    """Where in the loops something happens: before all, before each sweep of the inner loop, or in its steps."""

    BEFORE = 0
    OUTER = 1
    STEP = 2


@dataclass(frozen=True)
class Reference:
    """An access: one form for each index of the array."""

    array: ir.Value
    forms: tuple[Form, ...]

    def __hash__(self) -> int:
        return self._hash  # asked for a hundred times for each group that is tried

    @cached_property
    def _hash(self) -> int:
        return hash((self.array, self.forms))

    def meets(self, other: "Reference") -> bool:
        """Whether two references to one array may name the same element."""
        return all(a.may_equal(b) for a, b in zip(self.forms, other.forms, strict=True))


@dataclass(frozen=True)
class SweptNest:
    """A nest with its references; ``whole`` says why it runs at once, before the loops, or is None.

    ``gathered`` are arrays that it reads at computed indices. A scatter refers to the whole of the array it writes.
    """

    nest: Nest
    reads: tuple[Reference, ...]
    store: Reference
    gathered: tuple[ir.Value, ...]
    whole: str | None

    @property
    def extents(self) -> tuple[int, ...]:
        """Trip counts of its loops."""
        return self.nest.extents

    @property
    def iterations(self) -> int:
        """Iterations of the whole nest."""
        return prod(self.nest.extents)

    @cached_property
    def accumulates(self) -> bool:
        """Whether it reads the element that it writes."""
        return self.store in self.reads

    @cached_property
    def elements(self) -> int:
        """Elements that it writes, if its iterations write different ones."""
        return prod(extent for loop, extent in enumerate(self.extents) if loop in self.nest.parallel)

    @cached_property
    def references(self) -> tuple[Reference, ...]:
        """All that it reads, and what it stores."""
        return tuple(dict.fromkeys((*self.reads, self.store)))

    @cached_property
    def whole_box(self) -> "Box":
        """All its iterations before the loops."""
        return Box(Level.BEFORE, tuple(Interval(0, extent) for extent in self.extents))


def swept_nest(nest: Nest) -> SweptNest:
    """The nest as sweeps see it; there are no loops around it (ValueError)."""
    if nest.symbols:
        raise ValueError("a nest in a group has no loops around it")
    store = _everything(nest.store.array) if nest.store.indirect else _reference(nest.store.access, nest.extents)
    reads = dict.fromkeys(_reference(access, nest.extents) for access in nest.loads)
    gathered = tuple(dict.fromkeys(node.array for node in nest.nodes if isinstance(node, Gather)))
    return SweptNest(nest, tuple(reads), store, gathered, _why_whole(nest))


def _why_whole(nest: Nest) -> str | None:
    if nest.store.indirect:
        return "scatters"
    if any(isinstance(node, Gather) for node in nest.nodes):
        return "gathers"
    if recurrence(nest):
        return "reads what its own earlier iterations wrote"
    if sequential(nest) - set(nest.reduced):
        return "writes elements several times"
    return None


def _reference(access: Access, extents: tuple[int, ...]) -> Reference:
    return Reference(access.array, tuple(Form.of(index, extents) for index in access.indices))


def _everything(array: ir.Value) -> Reference:
    shape = ir.MemRefType(array.type).shape
    return Reference(array, tuple(Form(0, (), 0, extent - 1, 1) for extent in shape))


@dataclass(frozen=True)
class Box:
    """The iterations of one nest at each position: an interval for each loop, nothing where ``active`` is false.

    ``active`` None: everywhere. ``slides`` is the loop whose interval changes with the inner tile loop.
    """

    level: Level
    loops: tuple[Interval, ...]
    active: Mask | None = None
    slides: int | None = None

    @cached_property
    def rows(self) -> Mask | None:
        """Outer positions at which something runs; None: all."""
        if self.active is None:
            return None
        rows: Mask = np.logical_or.reduce(self.active, axis=1, keepdims=True)
        return None if rows.all() else rows

    def runs_in(self, sweeps: int) -> Level:
        """How often it runs: its level, unless it is active in one step of each sweep, or of the only one."""
        level = self.level
        steps = None if self.active is None or self.active.shape[1] == 1 else self.active.sum(axis=1)
        if level == Level.STEP and steps is not None and steps.max() <= 1:
            level = Level.OUTER
        return Level.BEFORE if level == Level.OUTER and sweeps == 1 else level

    @cached_property
    def _footprints(self) -> "dict[Reference, Footprint]":
        return {}

    def footprint(self, reference: Reference) -> "Footprint":
        """The elements that it refers to through a reference."""
        if reference not in self._footprints:
            self._footprints[reference] = Footprint.of(self, reference)
        return self._footprints[reference]

    @cached_property
    def counts(self) -> Matrix:
        """Iterations at each position."""
        counts = np.ones((1, 1), np.int64) if self.active is None else self.active.astype(np.int64)
        for interval in self.loops:
            counts = counts * extent(interval)
        return counts

    @cached_property
    def _total(self) -> int:
        return int(self.counts.sum())

    def iterations(self, sweeps: int, steps: int) -> int:
        """Iterations over so many sweeps of so many steps."""
        rows, columns = self.counts.shape
        return (
            self._total
            * (sweeps // rows if self.level > Level.BEFORE else 1)
            * (steps // columns if self.level == Level.STEP else 1)
        )

    @cached_property
    def crowding(self) -> int:
        """How many steps earlier it would have to begin for its first step to do no more than the later ones."""
        if self.level < Level.STEP or self.slides is None:
            return 0
        counts = extent(self.loops[self.slides])
        later = int(counts[:, 1:].max()) if counts.shape[1] > 1 else 0
        return -int(-counts[:, 0].max() // later) - 1 if later else 0

    def extents(self, sweeps: int, steps: int) -> Counter[tuple[int, ...]]:
        """Trip counts of the boxes that are executed, and how often each of them is."""
        shape = (1 if self.level == Level.BEFORE else sweeps, steps if self.level == Level.STEP else 1)
        active = np.broadcast_to(True if self.active is None else self.active, shape)
        sizes = [np.broadcast_to(extent(interval), shape)[active].tolist() for interval in self.loops]
        return Counter(row for row in zip(*sizes, strict=True) if min(row) > 0)


@dataclass(frozen=True)
class Footprint:
    """The elements that a box refers to through one reference: an interval for each dimension of the array."""

    level: Level
    dims: tuple[Interval, ...]
    active: Mask | None
    rows: Mask | None

    @classmethod
    def of(cls, box: Box, reference: Reference) -> "Footprint":
        """The footprint of a box."""
        return cls(box.level, tuple(form.image(box.loops) for form in reference.forms), box.active, box.rows)

    @property
    def is_steady(self) -> bool:
        """Whether it is the same in all steps of a sweep."""
        return not any(map(_has_columns, self.dims))

    @property
    def over_sweep(self) -> "Footprint":
        """All that it refers to in a sweep, as one that does not change with the steps."""
        dims = tuple(over_inner(self.dim(d, by_steps=_has_columns(each))) for d, each in enumerate(self.dims))
        return Footprint(min(self.level, Level.OUTER), dims, self.rows, self.rows)

    def dim(self, position: int, *, by_steps: bool) -> Interval:
        """One dimension, with nothing in the sweeps, or in the steps, where the box has nothing."""
        mask = self.active if by_steps else self.rows
        return self.dims[position] if mask is None else where(mask, self.dims[position])


def _has_columns(interval: Interval) -> bool:
    low, high = interval
    return (not isinstance(low, int) and low.shape[1] > 1) or (not isinstance(high, int) and high.shape[1] > 1)


def together(footprints: Sequence[Footprint]) -> tuple[list[Interval], list[int]]:
    """The hull of footprints on one array by dimension, and the dimensions along which it moves on with the steps.

    Along a dimension where none of them moves it is the hull of what they refer to in any step of a sweep.
    """
    dims: list[Interval] = []
    moving: list[int] = []
    for d in range(len(footprints[0].dims)):
        by_steps = any(_has_columns(footprint.dims[d]) for footprint in footprints)
        dims.append(hull(footprint.dim(d, by_steps=by_steps) for footprint in footprints))
        if by_steps and moves(dims[d]):
            moving.append(d)
    return dims, moving
