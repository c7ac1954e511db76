"""Sweeps: which iterations of a group's nests run, and what is on chip, as its sink is executed tile by tile.

A *group* is a run of nests executed under shared tile loops: one or two loops of one of its nests, the *sink*, the
outermost first, parallel or reduced. The iterations of the inner tile loop are the *steps*, those of the outer one
*sweeps*. In each step the sink executes its tile, and every nest that it needs the preimage of what is newly needed::

    need(t) = hull of the elements that later nests of the group refer to in step t
    new(t)  = need(t) beyond what was needed in an earlier step of the sweep

An array may be needed in an interval that changes with the step along one dimension; along the others the need is
fixed during a sweep. What is needed otherwise is made whole before the sweep, or before all sweeps where it does not
depend on the outer loop either (`Level`); so is what nests make that run `once` for each sweep. Each sweep starts
again: what two sweeps need is made twice, and counted.
Steps before the sink's first tile fill the windows of long chains at the pace at which they move on later.

Results of the group that the sink does not need (*side* results) are made as far as what they read is there. Arrays
that live on after the group are made completely: what steps jump over in the step that passes it, the rest in the last.

Not handled (`Refused`, or made whole before the loops, as said): a nest with a gather, a scatter or a recurrence runs
whole before the loops and cannot be the sink; a store index that falls as the window moves on makes its nest whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from torch_mlir import ir

from polystage.analysis.coverage import written_after
from polystage.analysis.followers import Source, follow
from polystage.analysis.groups import Group, Refused, Tile
from polystage.analysis.intervals import Form, Interval, Matrix, extent, maximum, over_all, positions
from polystage.analysis.memory import Known
from polystage.analysis.preimages import Made, made
from polystage.analysis.sweep_legality import problem_of
from polystage.analysis.swept_nests import Box, Footprint, Level, Reference
from polystage.analysis.windows import Region, Window, counts, shared, window_of

MAX_FILL = 64  # steps before the first tile


@dataclass(frozen=True)
class Memory:
    """What groups share that end with the same nest and have the same tiles: most of what a longer one needs."""

    boxes: Known[Made] = field(default_factory=Known[Made])
    followers: Known[Box | None] = field(default_factory=Known["Box | None"])
    held: Known[Footprint] = field(default_factory=Known[Footprint])
    windows: Known[Window] = field(default_factory=Known[Window])


class Sweeping:
    """Finds the boxes of all nests for given tiles; a class because they depend on one another."""

    def __init__(
        self, group: Group, tiles: Sequence[Tile], memory: Memory, once: frozenset[int], fill: int = 0
    ) -> None:
        self.group, self.nests, self.tiles, self.memory, self.once = group, group.nests, tuple(tiles), memory, once
        sink = group.nests[group.sink]
        self.inner = tiles[-1]
        self.outer = tiles[0] if len(tiles) == 2 else None
        self.fill = fill
        self.steps = -(-sink.extents[self.inner.loop] // self.inner.size) + fill
        self.sweeps = 1 if self.outer is None else -(-sink.extents[self.outer.loop] // self.outer.size)
        made = memory.boxes.get([sink], self._sink_boxes, self.tiles, fill)
        self.boxes = {number: nest.whole_box for number, nest in enumerate(self.nests) if nest.whole is not None}
        self.boxes[group.sink] = made.executed
        self.asked = {group.sink: made.asked}

    @cached_property
    def problem(self) -> Refused | None:
        """Why these boxes will not do."""
        if self._goes_on:
            for user, _ in self.group.uses[self.group.sink]:
                return Refused(user, "uses sums that later sweeps go on with")
        sink = self.nests[self.group.sink]
        if any(_interleaves(form, tile.loop) for form in sink.store.forms for tile in self.tiles):
            return Refused(self.group.sink, "would store between what other tiles store")
        return problem_of(self.group, self.placed, self.footprint, self.sweeps)

    @cached_property
    def repeated(self) -> int:
        """Iterations that are executed more than once, of all nests together."""
        return sum(
            max(0, box.iterations(self.sweeps, self.steps) - nest.iterations)
            for box, nest in zip(self.placed, self.nests, strict=True)
        )

    @property
    def swept(self) -> "Sweep":
        """The whole sweep, if there is no problem."""
        windows = {array: self._window(array) for array in self.group.references}
        return Sweep(self.group, self.tiles, self.sweeps, self.steps, self.placed, windows, self.repeated)

    def _window(self, array: ir.Value) -> Window:
        group = self.group
        footprints = [self.footprint(number, reference) for number, reference in group.references[array]]
        writers = [(self.nests[number], self.boxes[number]) for number in group.writers.get(array, ())]
        outside = array in group.from_outside and not self._overwrites(array)
        lives = array in group.live_out and array in group.writers
        deepest = max(self.boxes[number].level for number, _ in group.references[array])
        parts = [*footprints, *(part for writer in writers for part in writer)]
        return self.memory.windows.get(
            parts,
            lambda: window_of(array, footprints, writers, deepest, loaded=outside, stored=lives),
            outside, lives, deepest,
        )  # fmt: skip

    def _overwrites(self, array: ir.Value) -> bool:
        """Whether one nest alone uses an array, and writes all elements of the boxes that it refers to."""
        references = self.group.references[array]
        number, store = references[0]
        nest, box = self.nests[number], self.boxes[number]
        if len(references) > 1 or store != nest.store or nest.accumulates or nest.whole is not None:
            return False
        written = box.counts * nest.elements // nest.iterations
        return bool((written == counts(box.footprint(store).dims)).all())

    @cached_property
    def placed(self) -> tuple[Box, ...]:
        """First what the sink needs, backwards; then what follows operands, forwards; then what those need."""
        count = len(self.nests)
        for number in range(count - 1, -1, -1):
            if number in self.group.main and number not in self.boxes:
                self._place(number, [*self._needs(number)])
        for number in range(count):
            if number in self.boxes and self._initialises(number):
                self._place(number, [*self._needs(number), *self._siblings(number)])
        for number in range(count):
            if number not in self.boxes:
                followed = self._follow(number)
                if followed is not None:
                    self.boxes[number] = followed
        for number in range(count - 1, -1, -1):
            if number not in self.boxes:
                self._place(number, [*self._needs(number), *self._siblings(number)])
        return tuple(self.boxes[number] for number in range(count))

    def _initialises(self, number: int) -> bool:
        """Whether a nest reads nothing, so that it may run ahead with the nests that write the rest of its array."""
        nest = self.nests[number]
        return not nest.reads and nest.whole is None and number != self.group.sink

    def _place(self, number: int, needs: Sequence[Footprint]) -> None:
        """The iterations of a nest that make what is needed."""
        nest, complete, fill = self.nests[number], number in self.group.complete, self.fill
        if number in self.once:
            needs = [footprint.over_sweep for footprint in needs]
        found = self.memory.boxes.get(
            [nest, *needs], lambda: made(nest, needs, complete=complete, fill=fill), complete, fill
        )
        self.boxes[number], self.asked[number] = found.executed, found.asked

    def _follow(self, number: int) -> Box | None:
        nest, sources = self.nests[number], [*self._sources(number)]
        parts = [part for source in sources for part in source.parts]
        return self.memory.followers.get(
            [nest, *parts], lambda: follow(nest, sources, self.steps), self.steps, tuple(len(s.parts) for s in sources)
        )

    def footprint(self, number: int, reference: Reference) -> Footprint:
        """What a nest refers to; an accumulator that each sweep goes on with is held from the beginning.

        What nobody in the group makes need not be there before iterations that use it.
        """
        box = self.boxes[number]
        asked = self.asked.get(number, box) if reference.array in self.group.writers else box
        footprint = asked.footprint(reference)
        if number == self.group.sink and self._goes_on and reference.array == self.nests[number].store.array:
            dims = footprint.dims
            return self.memory.held.get(
                [footprint], lambda: Footprint(Level.BEFORE, tuple(map(over_all, dims)), None, None)
            )
        return footprint

    @cached_property
    def _goes_on(self) -> bool:
        """Whether the outer loop is reduced by the sink."""
        return self.outer is not None and self.outer.loop not in self.nests[self.group.sink].nest.parallel

    def _sink_boxes(self) -> Made:
        """What the sink asks for, also in the steps before its first tile; it executes nothing in these."""
        extents = self.nests[self.group.sink].extents
        loops = [Interval(0, extent) for extent in extents]
        for tile, starts in ((self.inner, positions(self.steps) - self.fill), (self.outer, positions(self.sweeps).T)):
            if tile is not None and starts.size > 1:
                starts = starts * tile.size
                loops[tile.loop] = Interval(starts, np.minimum(starts + tile.size, extents[tile.loop]))
        wanted = Box(Level.STEP, tuple(loops), None, self.inner.loop if self.steps > 1 else None)
        if not self.fill:
            return Made(wanted, wanted)
        low, high = wanted.loops[self.inner.loop]
        loops[self.inner.loop] = Interval(maximum(low, 0), maximum(high, 0))
        return Made(replace(wanted, loops=tuple(loops), active=positions(self.steps) >= self.fill), wanted)

    def _needs(self, number: int) -> Iterator[Footprint]:
        """Footprints of later nests on what a nest writes, of those that have a box."""
        for user, reference in self.group.uses[number]:
            if user in self.boxes:
                yield self.footprint(user, reference)

    def _siblings(self, number: int) -> Iterator[Footprint]:
        """Footprints of the nests that write other parts of the same array."""
        for other in self.group.writers[self.nests[number].store.array]:
            if other in self.boxes and other != number:
                yield self.footprint(other, self.nests[other].store)

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


@dataclass(frozen=True)
class Sweep:
    """A group executed tile by tile: ``sweeps`` times ``steps`` steps; a box for each nest, a window for each array.

    ``repeated`` are the iterations that are executed more than once, of all nests together.
    """

    group: Group
    tiles: tuple[Tile, ...]
    sweeps: int
    steps: int
    boxes: tuple[Box, ...]
    windows: Mapping[ir.Value, Window]
    repeated: int

    @cached_property
    def tail(self) -> int:
        """The first of the nests that run behind all others, in the last step of the only sweep; else their number.

        What only nests before it use is no longer needed by then, and what only these use not before.
        """
        number = len(self.boxes)
        while self.sweeps == 1 and number and self._ends(self.boxes[number - 1]):
            number -= 1
        return number

    def _ends(self, box: Box) -> bool:
        """Whether a nest of the only sweep does all its work in the last step."""
        return box.level == Level.STEP and self.steps == box.counts.shape[1] and not box.counts[:, :-1].any()

    def iterations(self, nest: int) -> int:
        """Iterations of a nest that are executed, those that are executed again in a later sweep included."""
        return self.boxes[nest].iterations(self.sweeps, self.steps)

    def extents(self, nest: int) -> tuple[int, ...]:
        """Iterations of each loop of a nest at one position at most."""
        return tuple(int(extent(interval).max()) for interval in self.boxes[nest].loops)

    @cached_property
    def laborious(self) -> frozenset[int]:
        """Nests that need more in every step, from outside and always the same, than they make in all steps of a sweep.

        Run once for each sweep they would take less room, or move less.
        """
        return frozenset(number for number in self.group.main if number != self.group.sink and self._laborious(number))

    def _laborious(self, number: int) -> bool:
        nest, box = self.group.nests[number], self.boxes[number]
        if box.level < Level.STEP or box.slides is None:
            return False
        made = counts(box.footprint(nest.store).over_sweep.dims).max()
        reads = [box.footprint(reference) for reference in nest.reads if reference.array not in self.group.writers]
        return any(read.is_steady and counts(read.dims).max() > made for read in reads)

    def loaded(self, array: ir.Value, given: Region | None = None) -> int:
        """Elements of an array that come from outside, over all; only those ``given`` do."""
        window = self.windows[array]
        return window.entering(self.sweeps, given) if window.loaded else 0

    def stored(self, array: ir.Value, inside: Region | None = None) -> int:
        """Elements of an array that go outside, over all; only those ``inside`` of a region do."""
        window = self.windows[array]
        return window.leaving(self.sweeps, inside) if window.stored else 0

    def covered(self, array: ir.Value, given: Region | None = None) -> bool:
        """Whether all that is stored of an array was written or loaded before; sure only if it says so.

        The hull of what several nests write may hold elements that none of them does. ``given``: only so much comes
        from outside.
        """
        writers = self.group.apart.get(array, ())
        loaded = self.windows[array].loaded
        if (loaded and given is None) or any(self.group.nests[number].whole is not None for number in writers):
            return loaded
        missing = self.stored(array) - self.loaded(array, given)
        return self._apart_from(array, given) and (self._apart(array) == missing or self.written(array) == missing)

    def filled(self, array: ir.Value, given: Region | None = None) -> bool:
        """Whether what a sliding window keeps was written or loaded before; sure only if it says so.

        Counted step by step, as elements that a nest writes later than others would be kept before they are there.
        ``given``: only so much comes from outside.
        """
        window = self.windows[array]
        if window.loaded and given is None:
            return True
        there = np.zeros((self.sweeps, self.steps), np.int64)
        for number in self.group.apart.get(array, ()):
            nest = self.group.nests[number]
            there += self.boxes[number].counts * nest.elements // nest.iterations
        if window.loaded and given is not None:
            there += counts(shared(window.new, given))
        missing = (counts(window.new) - there).cumsum(axis=1)
        if (missing > 0).any() and self._overlapping(array) and not window.loaded:
            missing = np.minimum(missing, counts(window.new).cumsum(axis=1) - self._together(array))
        return self._apart_from(array, given) and bool((missing <= 0).all())

    def written(self, array: ir.Value) -> int:
        """Elements that the group writes of an array, over all; perhaps less where nests write the same ones."""
        if self._overlapping(array) and all(self.boxes[k].level == Level.STEP for k in self.group.writers[array]):
            return max(self._apart(array), int(self._together(array)[0, -1]))
        return self._apart(array)

    def _overlapping(self, array: ir.Value) -> bool:
        """Whether nests that write the same elements have to be counted, and can be."""
        return self.sweeps == 1 and len(self.group.writers.get(array, ())) > len(self.group.apart.get(array, ()))

    def _together(self, array: ir.Value) -> Matrix:
        """Elements that all writers of an array have written after each step."""
        return written_after([(self.group.nests[k], self.boxes[k]) for k in self.group.writers[array]], self.steps)

    def _apart(self, array: ir.Value) -> int:
        """Elements that nests write that have none in common."""
        written = 0
        for number in self.group.apart.get(array, ()):
            nest = self.group.nests[number]
            written += self.iterations(number) * nest.elements // nest.iterations
        return written

    def _apart_from(self, array: ir.Value, given: Region | None) -> bool:
        """Whether the group writes nothing of a region."""
        stores = [self.group.nests[number].store for number in self.group.apart.get(array, ())]
        return given is None or not any(
            all(form.least <= most and least <= form.most for form, (least, most) in zip(s.forms, given, strict=True))
            for s in stores
        )


def sweep(
    group: Group, tiles: Sequence[Tile], memory: Memory | None = None, once: frozenset[int] = frozenset()
) -> Sweep | Refused:
    """Execute a group by tiles of its sink, the outermost first.

    One or two different loops of the sink, each with a size of at least one (ValueError). ``memory`` is that of other
    groups of the same nests. ``once`` are nests that make what a sweep needs before its steps. 0.1 ms a nest, less for
    nests that are remembered.
    """
    loops = [tile.loop for tile in tiles]
    if not 1 <= len(loops) <= 2 or len(set(loops)) < len(loops) or any(tile.size < 1 for tile in tiles):
        raise ValueError(f"one or two tile loops with positive sizes, not {tiles}")
    if group.problem is not None:
        return group.problem
    memory = memory or Memory()
    plain = Sweeping(group, tiles, memory, once)
    if plain.problem is not None:
        return plain.problem
    fill = _filling(plain)
    filled = Sweeping(group, tiles, memory, once, fill) if fill else plain
    return filled.swept if filled.problem is None and filled.repeated <= plain.repeated else plain.swept


def _interleaves(form: Form, loop: int) -> bool:
    """Whether what one iteration of a loop names lies between what others name."""
    leading = form.leading()
    return leading is not None and leading[0] != loop and any(loop == other for other, _ in form.terms)


def _filling(plain: Sweeping) -> int:
    """Steps before the first tile in which producers advance at their steady pace, so that no window is filled at once.

    The most that a nest has to do in the first step, in terms of what it does in later ones.
    """
    return min(max(box.crowding for box in plain.placed), MAX_FILL)
