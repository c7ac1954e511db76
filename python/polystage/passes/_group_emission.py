"""Writes a group of nests as shared tile loops over windows of their arrays (mechanism of ``stage``).

The boxes of all nests and the windows of all arrays come from ``analysis.sweeps``, position by position; equal steps
become loops (``_positions``). In each step a window that slides first moves what it keeps to its beginning, then takes
in what is new; the nests run, each staged by itself on the windows; what is done goes out.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from math import gcd

from torch_mlir import ir

from polystage.analysis.implementation import Implementation
from polystage.analysis.intervals import Bound, Interval, Mask
from polystage.analysis.layouts import Layout
from polystage.analysis.nests import Access, Constant, Gather, Index, Linear, Load, Nest, Node, Store
from polystage.analysis.sweeps import Sweep
from polystage.analysis.swept_nests import Level
from polystage.analysis.tiling import tiling_of
from polystage.analysis.values import array_name
from polystage.analysis.windows import Window
from polystage.dialects import affine
from polystage.dialects.npu import memory_of
from polystage.machine import Machine
from polystage.passes._positions import Action, Place, Run, Start, compress
from polystage.passes._staging import KIND, StagedNest, access_map
from polystage.passes._tile_sizes import Choice, choose

Starts = Sequence[Start]


@dataclass(frozen=True)
class Held:
    """A window as it lies on chip; ``kept``: some step finds part of the one before in it."""

    window: Window
    layout: Layout
    kept: bool


@dataclass(frozen=True)
class GroupPlan:
    """A group to be written: its sweep, how each nest is run and in how much room, and the windows.

    Arrays without a window are used where they are: on chip, or in DRAM through the tile buffers of each nest.
    """

    sweep: Sweep
    implementations: tuple[Implementation, ...]
    rooms: tuple[int, ...]
    windows: Mapping[ir.Value, Held]


def value(bound: Bound, sweep: int, step: int) -> int:
    """A bound at one position."""
    if isinstance(bound, int):
        return bound
    rows, columns = bound.shape
    return int(bound[sweep if rows > 1 else 0, step if columns > 1 else 0])


def box_at(dims: Sequence[Interval], sweep: int, step: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Starts and extents of a box at one position."""
    lows = tuple(value(interval.low, sweep, step) for interval in dims)
    highs = tuple(value(interval.high, sweep, step) for interval in dims)
    return lows, tuple(max(0, high - low) for low, high in zip(lows, highs, strict=True))


def kept_at(window: Window, sweep: int, step: int) -> tuple[int, int]:
    """How many elements along the sliding dimension stay from the step before, and how far they move."""
    if step == 0 or window.sliding is None:
        return 0, 0
    low, high = window.dims[window.sliding]
    base, before = value(low, sweep, step), value(low, sweep, step - 1)
    return max(0, min(value(high, sweep, step - 1), value(high, sweep, step)) - base), base - before


def held(window: Window, layout: Layout, sweeps: int, steps: int) -> Held:
    """The window with that layout."""
    kept = any(kept_at(window, s, t)[0] for s in range(sweeps) for t in range(steps))
    return Held(window, layout, kept)


@dataclass
class GroupWriter:
    """Writes one group; holds the windows that are open."""

    plan: GroupPlan
    machine: Machine
    constant: Callable[[Constant], ir.Value]
    memory: dict[ir.Value, ir.Value] = field(default_factory=dict[ir.Value, ir.Value])
    base: dict[ir.Value, Starts] = field(default_factory=dict[ir.Value, Starts])
    choices: dict[tuple[object, ...], Choice] = field(default_factory=dict[tuple[object, ...], Choice])

    def write(self) -> None:
        """Write the group at the current insertion point."""
        sweep = self.plan.sweep
        for array, each in self.plan.windows.items():
            if each.kept:
                self.alloc(array)
        self.play(Place.of(list(self.before(Level.BEFORE, 0, 0))), [])
        for run in compress([self.row(s) for s in range(sweep.sweeps)], self.sweeps_loop):
            with ExitStack() as stack:
                ivs = [stack.enter_context(affine.loop(run.count))] if run.count > 1 else []
                self.write_row(run, ivs)
        self.play(Place.of(list(self.after(Level.BEFORE, 0))), [])

    # ---- what happens where

    def row(self, s: int) -> Place:
        """A whole sweep as a place."""
        before, after = (Place.of(list(part)) for part in (self.before(Level.OUTER, s, 0), self.after(Level.OUTER, s)))
        steps = [Place.of(list(self.before(Level.STEP, s, t))) for t in range(self.plan.sweep.steps)]
        runs = tuple(compress(steps, lambda run: self.loops(run.first.shape, run.first.starts, run.delta)))
        starts = tuple(start for run in runs for start in run.first.starts)
        shape = (before.shape, tuple(run.shape for run in runs), after.shape)
        return Place(shape, (*before.starts, *starts, *after.starts))

    def before(self, level: Level, s: int, t: int) -> Iterator[Action]:
        """Actions at a position: windows opened as they are needed, nests, windows closed in steps."""
        sweep = self.plan.sweep
        windows = [array for array, each in self.plan.windows.items() if each.window.level == level]
        numbers = [k for k, box in enumerate(sweep.boxes) if box.level == level and _active(box.active, s, t)]
        boxes = {k: box_at(sweep.boxes[k].loops, s, t) for k in numbers}
        numbers = [k for k in numbers if all(boxes[k][1])]
        early = [array for array in windows if level != Level.STEP or self.plan.windows[array].kept]
        for array in early:
            yield from self.opened(array, s, t)
        opened = set(early)
        for at, number in enumerate(numbers):
            touched = [array for array in windows if _touches(sweep.group.nests[number].nest, array)]
            for array in touched:
                if array not in opened:
                    opened.add(array)
                    yield from self.opened(array, s, t)
            lows, extents = boxes[number]
            yield Action("nest", number, extents, lows)
            if level == Level.STEP:
                later = [sweep.group.nests[k].nest for k in numbers[at + 1 :]]
                for array in [a for a in touched if not any(_touches(nest, a) for nest in later)]:
                    yield from self.stored(array, s, t)
        if level == Level.STEP:
            for array in [a for a in windows if self.plan.windows[a].kept]:
                if not any(_touches(sweep.group.nests[k].nest, array) for k in numbers):
                    yield from self.stored(array, s, t)

    def after(self, level: Level, s: int) -> Iterator[Action]:
        """Actions after the loops inside a level."""
        for array, each in self.plan.windows.items():
            if each.window.level == level:
                yield from self.stored(array, s, 0)

    def opened(self, array: ir.Value, s: int, t: int) -> Iterator[Action]:
        """A window comes to its place of this step."""
        each = self.plan.windows[array]
        base, _ = box_at(each.window.dims, s, t)
        if not each.kept:
            yield Action("alloc", array)
        yield Action("base", array, (), base)
        kept = kept_at(each.window, s, t)
        if all(kept):
            yield Action("keep", array, kept)
        if each.window.loaded:
            lows, extents = box_at(each.window.new, s, t)
            if all(extents):
                yield Action("load", array, extents, lows)

    def stored(self, array: ir.Value, s: int, t: int) -> Iterator[Action]:
        """What is done of a window goes out."""
        window = self.plan.windows[array].window
        if window.stored:
            lows, extents = box_at(window.final, s, t)
            if all(extents):
                yield Action("store", array, extents, lows)

    # ---- which runs can be loops

    def sweeps_loop(self, run: Run) -> bool:
        """Whether a run of sweeps can be a loop."""
        assert isinstance(run.first.shape, tuple)
        before, runs, after = run.first.shape
        parts = [before, *(shape for shape, _, _ in runs), after]
        at, legal = 0, True
        for part in parts:
            size = _count(part)
            own = slice(at, at + size)
            legal = legal and self.loops(part, run.first.starts[own], run.delta[own])
            at += size
        return legal

    def loops(self, shape: object, starts: Sequence[int], delta: Sequence[int]) -> bool:
        """Whether nests on arrays of several blocks of lanes stay on their lanes as the places advance."""
        assert isinstance(shape, tuple)
        at = 0
        for kind, key, extents, count in shape:
            lows, steps = starts[at : at + count], delta[at : at + count]
            at += count
            if kind == "nest" and not self.stays(self.plan.sweep.group.nests[key].nest, extents, lows, steps):
                return False
        return True

    def stays(self, nest: Nest, extents: Sequence[int], lows: Sequence[int], steps: Sequence[int]) -> bool:
        """Whether one nest does."""
        stored = [] if nest.store.indirect else [nest.store.access]
        for access in (*nest.loads, *stored):
            type_ = ir.MemRefType(access.array.type)
            if access.array in self.plan.windows or memory_of(type_) == "dram":
                continue
            layout = Layout.of(type_, self.machine.lanes)
            if layout.dim is None or type_.shape[layout.dim] <= layout.block:
                continue
            index = access.indices[layout.dim]
            step = sum(factor * steps[loop] for loop, factor in enumerate(index.dims))
            first = sum(factor * lows[loop] for loop, factor in enumerate(index.dims))
            least, most = Linear(index.const + first, index.dims).span(extents)
            grain = gcd(layout.block, step)
            if step % layout.block and least // grain != most // grain:
                return False
        return True

    # ---- writing

    def write_row(self, row: Run, ivs: list[ir.Value]) -> None:
        """A run of equal sweeps."""
        assert isinstance(row.first.shape, tuple)
        before, runs, after = row.first.shape
        starts = [Start(start) for start in row.first.starts]
        if row.count > 1:
            starts = [start.inside(step) for start, step in zip(starts, row.delta, strict=True)]
        starts = self.play_shape(before, starts, ivs)
        for shape, count, delta in runs:
            size = _count(shape)
            own, starts = starts[:size], starts[size:]
            with ExitStack() as stack:
                inner = [stack.enter_context(affine.loop(count))] if count > 1 else []
                if inner:
                    own = [start.inside(step) for start, step in zip(own, delta, strict=True)]
                self.play_shape(shape, own, [*ivs, *inner])
        self.play_shape(after, starts, ivs)

    def play(self, place: Place, ivs: list[ir.Value]) -> None:
        """Do what happens at one place."""
        self.play_shape(place.shape, [Start(start) for start in place.starts], ivs)

    def play_shape(self, shape: object, starts: list[Start], ivs: list[ir.Value]) -> list[Start]:
        """Do the actions of a place; the starts that it does not use are those of what follows."""
        assert isinstance(shape, tuple)
        for kind, key, extents, count in shape:
            own, starts = starts[:count], starts[count:]
            match kind:
                case "alloc":
                    self.alloc(key)
                case "base":
                    self.base[key] = own
                case "keep":
                    self.keep(key, *extents)
                case "load" | "store":
                    self.move(key, extents, own, ivs, load=kind == "load")
                case _:
                    self.nest(key, extents, own, ivs)
        return starts

    def alloc(self, array: ir.Value) -> None:
        """The memory of a window."""
        each = self.plan.windows[array]
        shape = ir.MemRefType.get(list(each.window.extents), ir.MemRefType(array.type).element_type)
        self.memory[array] = affine.alloc(each.layout.of_type(shape, on_chip=True), f"{array_name(array)}.window")

    def keep(self, array: ir.Value, kept: int, distance: int) -> None:
        """Move the last ``kept`` elements to the beginning, no more at once than they move."""
        each = self.plan.windows[array]
        dim, memory = each.window.sliding, self.memory[array]
        assert dim is not None
        for start in range(0, kept, distance):
            extents = list(each.window.extents)
            extents[dim] = min(distance, kept - start)
            rank = len(extents)
            unit = [Linear(0, tuple(int(k == d) for k in range(rank))) for d in range(rank)]
            target, source = list(unit), list(unit)
            target[dim], source[dim] = (replace(unit[dim], const=const) for const in (start, start + distance))
            load = Load(Access(memory, tuple(source)), ir.MemRefType(memory.type).element_type)
            op = ir.OpResult(memory).owner.operation
            nest = Nest(op, tuple(extents), (), (load,), Store(memory, tuple(target), 0))
            lane = each.layout.dim if each.layout.dim is not None and extents[each.layout.dim] > 1 else None
            self.stage(nest, Implementation("elementwise", lane), self.machine.usable_bytes_per_lane)

    def move(self, array: ir.Value, extents: Sequence[int], lows: Starts, ivs: list[ir.Value], *, load: bool) -> None:
        """A transfer between a window and its array."""
        kept = [k for k, extent in enumerate(extents) if extent > 1]
        with affine.nest([extents[k] for k in kept], {KIND: ir.StringAttr.get("transfer")}) as inner:
            iv = dict(zip(kept, inner, strict=True))
            forms = [low.form(ivs).add(iv.get(k), 1) for k, low in enumerate(lows)]
            local = [
                Start(low.const - base.const, _minus(low.factors, base.factors)).form(ivs).add(iv.get(k), 1)
                for k, (low, base) in enumerate(zip(lows, self.base[array], strict=True))
            ]
            outside, window = (array, *access_map(forms)), (self.memory[array], *access_map(local))
            source, target = (outside, window) if load else (window, outside)
            affine.store(affine.load(*source), *target)

    def nest(self, number: int, extents: tuple[int, ...], lows: Starts, ivs: list[ir.Value]) -> None:
        """One nest over its box of this place."""
        nest = self.plan.sweep.group.nests[number].nest
        shift = _Shift(nest, extents, lows, ivs, self.memory, self.base)
        self.stage(shift.nest(), self.plan.implementations[number], self.plan.rooms[number])

    def stage(self, nest: Nest, implementation: Implementation, room: int) -> None:
        """Write a nest on the windows, tile by tile where its other operands need it."""
        tiling = tiling_of(nest, implementation, self.machine)
        choice = choose(tiling, self.machine, room)
        StagedNest(tiling, choice.sizes, choice.order, self.constant).write()


@dataclass(frozen=True)
class _Shift:
    """A nest restricted to a box, on windows."""

    whole: Nest
    extents: tuple[int, ...]
    lows: Starts
    ivs: Sequence[ir.Value]
    memory: Mapping[ir.Value, ir.Value]
    base: Mapping[ir.Value, Starts]

    def nest(self) -> Nest:
        store = self.whole.store
        if store.indirect:
            target = replace(store, indices=tuple(map(self.indirect, store.indices)))
        else:
            access = self.access(store.access)
            target = replace(store, array=access.array, indices=access.indices)
        return Nest(self.whole.op, self.extents, tuple(self.ivs), tuple(map(self.node, self.whole.nodes)), target)

    def node(self, old: Node) -> Node:
        match old:
            case Load():
                return replace(old, access=self.access(old.access))
            case Gather():
                return replace(old, indices=tuple(map(self.indirect, old.indices)))
            case Index():
                return replace(old, value=self.form(old.value))
            case _:
                return old

    def access(self, access: Access) -> Access:
        indices = [self.form(index) for index in access.indices]
        if access.array not in self.memory:
            return Access(access.array, tuple(indices))
        local = [
            Linear(
                index.const - base.const,
                index.dims,
                _minus(index.symbols, (*base.factors, *(0,) * (len(self.ivs) - len(base.factors)))),
            )
            for index, base in zip(indices, self.base[access.array], strict=True)
        ]
        return Access(self.memory[access.array], tuple(local))

    def indirect(self, index: Linear | int) -> Linear | int:
        return self.form(index) if isinstance(index, Linear) else index

    def form(self, index: Linear) -> Linear:
        const, symbols = index.const, [0] * len(self.ivs)
        for factor, low in zip(index.dims, self.lows, strict=True):
            const += factor * low.const
            for k, step in enumerate(low.factors):
                symbols[k] += factor * step
        return Linear(const, index.dims, tuple(symbols))


def _minus(a: Sequence[int], b: Sequence[int]) -> tuple[int, ...]:
    return tuple(x - y for x, y in zip(a, (*b, *(0,) * (len(a) - len(b))), strict=True))


def _count(shape: object) -> int:
    assert isinstance(shape, tuple)
    return sum(count for _, _, _, count in shape)


def _active(active: Mask | None, s: int, t: int) -> bool:
    if active is None:
        return True
    rows, columns = active.shape
    return bool(active[s if rows > 1 else 0, t if columns > 1 else 0])


def _touches(nest: Nest, array: ir.Value) -> bool:
    return nest.store.array == array or any(access.array == array for access in nest.loads)
