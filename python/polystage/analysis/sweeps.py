"""Sweeps: which iterations of a group's nests run, and what is on chip, as its sink is executed tile by tile.

A *group* is a run of nests executed under shared tile loops: one or two loops of one of its nests, the *sink*, the
outermost first, parallel or reduced. The iterations of the inner tile loop are the *steps*, those of the outer one
*sweeps*. In each step the sink executes its tile, and every nest that it needs the preimage of what is newly needed::

    need(t) = hull of the elements that later nests of the group refer to in step t
    new(t)  = need(t) beyond what was needed in an earlier step of the sweep

An array may be needed in an interval that changes with the step along one dimension; along the others the need is
fixed during a sweep. What is needed otherwise is made whole before the sweep, or before all sweeps where it does not
depend on the outer loop either (`Level`). Each sweep starts again: what two sweeps need is made twice, and counted.
Steps before the sink's first tile fill the windows of long chains at the pace at which they move on later.

Results of the group that the sink does not need (*side* results) are made as far as what they read is there. Arrays
that live on after the group are made completely: what steps jump over in the step that passes it, the rest in the last.

Not handled (`Refused`, or made whole before the loops, as said): a nest with a gather, a scatter or a recurrence runs
whole before the loops and cannot be the sink; a store index that falls as the window moves on makes its nest whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from torch_mlir import ir

from polystage.analysis.followers import Source, follow
from polystage.analysis.groups import Group, Refused, Tile
from polystage.analysis.intervals import (
    FAR,
    Form,
    Interval,
    Mask,
    ahead,
    intersection,
    matrix,
    maximum,
    over_all,
    over_inner,
    positions,
    preimage,
    previous,
    reached,
    remaining,
)
from polystage.analysis.sweep_legality import problem_of
from polystage.analysis.swept_nests import Box, Footprint, Level, Reference, SweptNest, together
from polystage.analysis.windows import Window, extent, window_of

MAX_FILL = 64  # steps before the first tile


class Sweeping:
    """Finds the boxes of all nests for given tiles; a class because they depend on one another."""

    def __init__(self, group: Group, tiles: Sequence[Tile], fill: int = 0) -> None:
        self.group, self.nests, self.tiles = group, group.nests, tuple(tiles)
        sink = group.nests[group.sink]
        self.inner = tiles[-1]
        self.outer = tiles[0] if len(tiles) == 2 else None
        self.fill = fill
        self.steps = -(-sink.extents[self.inner.loop] // self.inner.size) + fill
        self.sweeps = 1 if self.outer is None else -(-sink.extents[self.outer.loop] // self.outer.size)
        self.boxes = {number: self._whole(number) for number, nest in enumerate(self.nests) if nest.whole is not None}
        wanted = self._sink_box()
        self.asked: dict[int, Box] = {group.sink: wanted}
        self.boxes[group.sink] = self._executed(wanted)
        self._footprints: dict[tuple[int, Reference], Footprint] = {}

    def run(self) -> "Sweep | Refused":
        """The whole sweep."""
        if self._goes_on:
            for user, _ in self.group.uses[self.group.sink]:
                return Refused(user, "uses sums that later sweeps go on with")
        boxes = self._boxes()
        problem = problem_of(self.group, boxes, self.footprint, self.sweeps)
        if problem is not None:
            return problem
        windows = {array: self._window(array) for array in self.group.references}
        return Sweep(self.group, self.tiles, self.sweeps, self.steps, boxes, windows)

    def _window(self, array: ir.Value) -> Window:
        group = self.group
        footprints = [self.footprint(number, reference) for number, reference in group.references[array]]
        writers = [(self.nests[number], self.boxes[number]) for number in group.writers.get(array, ())]
        outside, lives = array in group.from_outside, array in group.live_out and array in group.writers
        return window_of(array, footprints, writers, loaded=outside, stored=lives)

    def _boxes(self) -> tuple[Box, ...]:
        """First what the sink needs, backwards; then what follows operands, forwards; then what those need."""
        count = len(self.nests)
        for number in range(count - 1, -1, -1):
            if number in self.group.main and number not in self.boxes:
                self.boxes[number] = self._box(number, self._needs(number))
        for number in range(count):
            if number not in self.boxes:
                followed = follow(self.nests[number], self._sources(number), self.steps)
                if followed is not None:
                    self.boxes[number] = followed
        for number in range(count - 1, -1, -1):
            if number not in self.boxes:
                needs = [*self._needs(number), *self._siblings(number)]
                self.boxes[number] = self._box(number, needs)
        return tuple(self.boxes[number] for number in range(count))

    def footprint(self, number: int, reference: Reference) -> Footprint:
        """What a nest refers to; an accumulator that each sweep goes on with is held from the beginning."""
        key = (number, reference)
        if key not in self._footprints:
            footprint = Footprint.of(self.asked.get(number, self.boxes[number]), reference)
            if number == self.group.sink and self._goes_on and reference.array == self.nests[number].store.array:
                footprint = Footprint(Level.BEFORE, tuple(map(over_all, footprint.dims)), None, None)
            self._footprints[key] = footprint
        return self._footprints[key]

    @cached_property
    def _goes_on(self) -> bool:
        """Whether the outer loop is reduced by the sink."""
        return self.outer is not None and self.outer.loop not in self.nests[self.group.sink].nest.parallel

    def _sink_box(self) -> Box:
        """What the sink asks for, also in the steps before its first tile."""
        extents = self.nests[self.group.sink].extents
        loops = [Interval(0, extent) for extent in extents]
        for tile, starts in ((self.inner, positions(self.steps) - self.fill), (self.outer, positions(self.sweeps).T)):
            if tile is not None and starts.size > 1:
                starts = starts * tile.size
                loops[tile.loop] = Interval(starts, np.minimum(starts + tile.size, extents[tile.loop]))
        return Box(Level.STEP, tuple(loops), None, self.inner.loop if self.steps > 1 else None)

    def _executed(self, wanted: Box) -> Box:
        """What the sink executes: nothing in the steps before its first tile."""
        if not self.fill:
            return wanted
        low, high = wanted.loops[self.inner.loop]
        loops = list(wanted.loops)
        loops[self.inner.loop] = Interval(maximum(low, 0), maximum(high, 0))
        return replace(wanted, loops=tuple(loops), active=positions(self.steps) >= self.fill)

    def _needs(self, number: int) -> Iterator[Footprint]:
        """Footprints of later nests on what a nest writes, of those that have a box."""
        for user, reference in self.group.uses[number]:
            if user in self.boxes:
                yield self.footprint(user, reference)

    def _siblings(self, number: int) -> Iterator[Footprint]:
        """Footprints of the nests that write other parts of the same array."""
        for other in self.group.writers[self.nests[number].store.array]:
            if other in self.boxes:
                yield self.footprint(other, self.nests[other].store)

    def _whole(self, number: int) -> Box:
        return Box(Level.BEFORE, tuple(Interval(0, extent) for extent in self.nests[number].extents))

    def _box(self, number: int, needs: Iterator[Footprint] | Sequence[Footprint]) -> Box:
        """The iterations of a nest that make what is needed."""
        nest, footprints = self.nests[number], list(needs)
        if not footprints:
            return self._whole(number)
        level = min(footprint.level for footprint in footprints)
        dims, moving = together(footprints)
        slides = level == Level.STEP and len(moving) == 1 and _can_slide(nest, moving[0])
        sliding = moving[0] if slides else None
        fixed = {d: over_inner(interval) for d, interval in enumerate(dims) if d != sliding}
        if level == Level.BEFORE:
            fixed = {d: over_all(interval) for d, interval in fixed.items()}
        complete = number in self.group.complete
        if complete:
            varying = sum(not _is_fixed(interval) for interval in fixed.values())
            if varying > 1:
                return self._whole(number)
            fixed = {d: _completed(interval) for d, interval in fixed.items()}
        restriction = _Restriction(nest)
        for d, interval in fixed.items():
            restriction.fix(d, interval)
        if sliding is not None:
            restriction.slide(sliding, _advance(dims[sliding], complete=complete))
            box = restriction.box(Level.STEP)
            if self.fill:
                self.asked[number] = restriction.virtual(box)
            return box
        return restriction.box(Level.BEFORE if all(map(_is_fixed, fixed.values())) else Level.OUTER)

    def _sources(self, number: int) -> Iterator[Source]:
        """What a side nest reads that nests with a box write, or refer to."""
        for reference in self.nests[number].reads:
            writers = [k for k in self.group.writers.get(reference.array, ()) if self.nests[k].store.meets(reference)]
            writers = [k for k in writers if k < number]
            placed = tuple((self.nests[k], self.boxes[k]) for k in writers if k in self.boxes)
            if writers:
                footprints = [self.footprint(k, self.nests[k].store) for k in writers if k in self.boxes]
            else:
                references = self.group.references[reference.array]
                footprints = [self.footprint(k, other) for k, other in references if k in self.boxes]
            if footprints:
                yield Source(reference, placed, tuple(footprints))


class _Restriction:
    """The box of a nest under construction: its loops are cut to what stores the wanted elements."""

    def __init__(self, nest: SweptNest) -> None:
        self.nest = nest
        self.loops = [Interval(0, extent) for extent in nest.extents]
        self.masks: list[Mask] = []
        self.slides: int | None = None
        self.asked: Interval | None = None
        self.given = 0

    def fix(self, dim: int, wanted: Interval) -> None:
        """Keep what stores elements of an interval that does not change during a sweep."""
        form = self.nest.store.forms[dim]
        leading = form.leading()
        if leading is None:
            self._only(form, wanted)
            return
        loop = leading[0]
        self.loops[loop] = intersection(self.loops[loop], preimage(form, loop, self.nest.extents, wanted))

    def slide(self, dim: int, wanted: Interval) -> None:
        """Keep what stores elements of an interval that moves on, and was not executed in an earlier step."""
        form = self.nest.store.forms[dim]
        leading = form.leading()
        if leading is None:
            self._only(form, wanted)
            return
        loop = leading[0]
        low, high = preimage(form, loop, self.nest.extents, wanted)
        executed = previous(matrix(high), 0)
        self.loops[loop] = Interval(maximum(low, executed), high)  # no other dimension restricts it: _can_slide
        self.slides = loop
        self.asked = _paced(ahead(form, loop, self.nest.extents, wanted))

    def virtual(self, real: Box) -> Box:
        """The box as it would be if iterations went on before the first one: what is wanted of operands early."""
        if self.slides is None or self.asked is None:
            return real
        loops = list(real.loops)
        loops[self.slides] = self.asked
        active: Mask | None = None
        for mask in self.masks[: self.given]:
            active = mask if active is None else active & mask
        return replace(real, loops=tuple(loops), active=active)

    def box(self, level: Level) -> Box:
        """The box, active where no interval is empty."""
        self.given = len(self.masks)
        for low, high in self.loops:
            if not (isinstance(low, int) and isinstance(high, int) and low < high):
                self.masks.append(matrix(low) < matrix(high))
        active: Mask | None = None
        for mask in self.masks:
            active = mask if active is None else active & mask
        if active is not None and active.all():
            active = None
        return Box(level, tuple(self.loops), active, self.slides)

    def _only(self, form: Form, wanted: Interval) -> None:
        if not (
            isinstance(wanted.low, int) and isinstance(wanted.high, int) and wanted.low <= form.least < wanted.high
        ):
            self.masks.append((matrix(wanted.low) <= form.least) & (form.least < matrix(wanted.high)))


def _paced(asked: Interval) -> Interval:
    """An interval that moves on, each part beyond the one before.

    The first one is as long as the second, but begins no later than the iterations do.
    """
    high = matrix(asked.high)
    first = np.minimum(2 * high[:, :1] - high[:, 1:2] if high.shape[1] > 1 else high[:, :1] - 1, 0)
    before = np.concatenate([first, high[:, :-1]], axis=1)
    return Interval(maximum(asked.low, before), high)


def _can_slide(nest: SweptNest, dim: int) -> bool:
    """Whether the store moves on with the window along that dimension, and along no other."""
    leading = nest.store.forms[dim].leading()
    if leading is None:
        return True
    loop, factor = leading
    return factor > 0 and sum(loop == other for form in nest.store.forms for other, _ in form.terms) == 1


def _is_fixed(interval: Interval) -> bool:
    return isinstance(interval.low, int) and isinstance(interval.high, int)


def _advance(needed: Interval, *, complete: bool) -> Interval:
    """What is new in each step; if all has to be made, also what is jumped over and what is left in the end."""
    high = reached(needed.high)
    low = previous(high, -FAR)
    if complete:
        high = high.copy()
        high[:, -1] = FAR
        return Interval(low, high)
    return Interval(np.maximum(low, remaining(needed.low)), high)


def _completed(needed: Interval) -> Interval:
    """A need by sweeps, with what is jumped over and what is left in the end."""
    if _is_fixed(needed):
        return Interval(-FAR, FAR)
    low, high = matrix(needed.low), matrix(needed.high).copy()
    high = np.broadcast_to(high, (max(len(low), len(high)), 1)).copy()
    before = np.maximum.accumulate(np.vstack(([[-FAR]], high[:-1])), axis=0)
    high[-1] = FAR
    return Interval(np.minimum(low, before), high)


@dataclass(frozen=True)
class Sweep:
    """A group executed tile by tile: ``sweeps`` times ``steps`` steps; a box for each nest, a window for each array."""

    group: Group
    tiles: tuple[Tile, ...]
    sweeps: int
    steps: int
    boxes: tuple[Box, ...]
    windows: Mapping[ir.Value, Window]

    def iterations(self, nest: int) -> int:
        """Iterations of a nest that are executed, those that are executed again in a later sweep included."""
        box = self.boxes[nest]
        counts = np.ones((1, 1), np.int64) if box.active is None else box.active.astype(np.int64)
        for interval in box.loops:
            counts = counts * extent(interval)
        rows = self.sweeps // len(counts) if box.level > Level.BEFORE else 1
        columns = self.steps // counts.shape[1] if box.level == Level.STEP else 1
        return int(counts.sum()) * rows * columns

    def extents(self, nest: int) -> tuple[int, ...]:
        """Iterations of each loop of a nest at one position at most."""
        return tuple(int(extent(interval).max()) for interval in self.boxes[nest].loops)

    @cached_property
    def repeated(self) -> int:
        """Iterations that are executed more than once, of all nests together."""
        return sum(max(0, self.iterations(k) - nest.iterations) for k, nest in enumerate(self.group.nests))

    def loaded(self, array: ir.Value) -> int:
        """Elements of an array that come from outside, over all."""
        window = self.windows[array]
        return window.moved(window.new, self.sweeps) if window.loaded else 0

    def stored(self, array: ir.Value) -> int:
        """Elements of an array that go outside, over all."""
        window = self.windows[array]
        return window.moved(window.final, self.sweeps) if window.stored else 0

    def covered(self, array: ir.Value) -> bool:
        """Whether all that is stored of an array was written or loaded before; sure only if it says so.

        The hull of what several nests write may hold elements that none of them does.
        """
        writers = self.group.apart.get(array, ())
        if self.windows[array].loaded or any(self.group.nests[number].whole is not None for number in writers):
            return self.windows[array].loaded
        return self.written(array) == self.stored(array)

    def filled(self, array: ir.Value) -> bool:
        """Whether what a sliding window keeps was written or loaded before; sure only if it says so."""
        window = self.windows[array]
        return window.loaded or self.written(array) >= window.moved(window.new, self.sweeps)

    def written(self, array: ir.Value) -> int:
        """Elements that the group writes of an array, over all."""
        written = 0
        for number in self.group.apart.get(array, ()):
            nest = self.group.nests[number]
            written += self.iterations(number) * nest.elements // nest.iterations
        return written


def sweep(group: Group, tiles: Sequence[Tile]) -> Sweep | Refused:
    """Execute a group by tiles of its sink, the outermost first.

    One or two different loops of the sink, each with a size of at least one (ValueError). 0.1 ms a nest.
    """
    loops = [tile.loop for tile in tiles]
    if not 1 <= len(loops) <= 2 or len(set(loops)) < len(loops) or any(tile.size < 1 for tile in tiles):
        raise ValueError(f"one or two tile loops with positive sizes, not {tiles}")
    if group.problem is not None:
        return group.problem
    plain = Sweeping(group, tiles).run()
    fill = 0 if isinstance(plain, Refused) else _filling(plain)
    filled = Sweeping(group, tiles, fill).run() if fill else plain
    if isinstance(plain, Refused) or isinstance(filled, Refused) or filled.repeated > plain.repeated:
        return plain
    return filled


def _filling(swept: Sweep) -> int:
    """Steps before the first tile in which producers advance at their steady pace, so that no window is filled at once.

    The most that a nest has to do in the first step, in terms of what it does in later ones.
    """
    fill = 0
    for box in swept.boxes:
        if box.level < Level.STEP or box.slides is None:
            continue
        counts = extent(box.loops[box.slides])
        if counts.shape[1] > 1 and counts[:, 1:].max() > 0:
            fill = max(fill, -int(-counts[:, 0].max() // counts[:, 1:].max()) - 1)
    return min(fill, MAX_FILL)
