"""Writes a group of nests as shared tile loops over windows of their arrays (mechanism of ``stage``).

The boxes of all nests and the windows of all arrays come from ``analysis.sweeps``, position by position; equal steps
become loops (``staging/positions``). In each step a window that slides first moves what it keeps to its beginning, then
takes in what is new; the nests run, each staged by itself on the windows; what is done goes out.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from math import gcd

from torch_mlir import ir

from polystage.analysis.implementation import Implementation
from polystage.analysis.index_boxes import Box, common
from polystage.analysis.layouts import Layout
from polystage.analysis.nests import Access, Constant, Linear, Load, Nest, Store
from polystage.analysis.sweeps import Sweep
from polystage.analysis.swept_nests import Level
from polystage.analysis.tiling import tiling_of
from polystage.analysis.values import array_name
from polystage.dialects import affine
from polystage.dialects.npu import memory_of, psum
from polystage.dialects.npu.planned import plan_offset
from polystage.machine import Machine
from polystage.passes.staging.borders import Border, around
from polystage.passes.staging.groups import Share
from polystage.passes.staging.held import Held, box_at, clipped, extents_of, is_active, kept_at
from polystage.passes.staging.placing import write_move
from polystage.passes.staging.positions import (
    Action,
    Alloc,
    Base,
    Compute,
    Fill,
    Keep,
    Place,
    Repeat,
    Row,
    Run,
    Shape,
    Start,
    Transfer,
    compress,
    joined,
    place_of,
)
from polystage.passes.staging.shares import Part, parts_of
from polystage.passes.staging.shift import Shift
from polystage.passes.staging.slices import Slice, pieces
from polystage.passes.staging.tile_sizes import choose
from polystage.passes.staging.tiled_nests import KIND, StagedNest, access_map

Starts = Sequence[Start]
Corner = tuple[ir.Value, Starts]
"""Where a box begins in an array."""


@dataclass(frozen=True)
class GroupPlan:
    """A group to be written: its sweep, how each nest is run and in how much room, and the windows.

    Arrays without a window are used where they are: on chip, or in DRAM through the tile buffers of each nest. Of the
    intermediates that it loads ``given`` is what was written before. ``relayouts`` are nests that only bring what is on
    chip into another layout. ``slices`` are on chip throughout, with their memory.
    ``borders`` do not move. ``shares`` are what of windows is in PSUM, ``offsets`` where the rest is planned to lie.
    """

    sweep: Sweep
    implementations: tuple[Implementation, ...]
    rooms: tuple[int, ...]
    windows: Mapping[ir.Value, Held]
    given: Mapping[ir.Value, Box]
    relayouts: frozenset[int]
    slices: Mapping[Slice, ir.Value]
    borders: Mapping[ir.Value, Border]
    shares: Mapping[ir.Value, Share]
    offsets: Mapping[ir.Value, int]


@dataclass
class GroupWriter:
    """Writes one group; holds the windows that are open."""

    plan: GroupPlan
    machine: Machine
    constant: Callable[[Constant], ir.Value]
    memory: dict[ir.Value, ir.Value] = field(default_factory=dict[ir.Value, ir.Value])
    base: dict[ir.Value, Starts] = field(default_factory=dict[ir.Value, Starts])
    rest: dict[ir.Value, ir.Value] = field(default_factory=dict[ir.Value, ir.Value])  # of windows partly in PSUM

    def write(self) -> None:
        """Write the group at the current insertion point."""
        sweep = self.plan.sweep
        for array, each in self.plan.windows.items():
            if each.kept:
                self.alloc(array)
        self.play(place_of(self.before(Level.BEFORE, 0, 0)))
        for run in compress([self.row(s) for s in range(sweep.sweeps)], self.sweeps_loop):
            self.write_row(run)
        self.play(place_of(self.after(Level.BEFORE, 0)))

    # ---- what happens where

    def row(self, s: int) -> Place[Row]:
        """A whole sweep as a place."""
        before, after = place_of(self.before(Level.OUTER, s, 0)), place_of(self.after(Level.OUTER, s))
        steps = [place_of(self.before(Level.STEP, s, t)) for t in range(self.plan.sweep.steps)]
        runs = list(compress(steps, lambda run: self.loops(run.first.shape, run.first.starts, run.delta), joined))
        repeats = tuple(Repeat(run.first.shape, run.count, run.delta if run.count > 1 else ()) for run in runs)
        starts = tuple(start for run in runs for start in run.first.starts)
        return Place(Row(before.shape, repeats, after.shape), (*before.starts, *starts, *after.starts))

    def before(self, level: Level, s: int, t: int) -> Iterator[Action]:
        """Actions at a position: windows opened as they are needed, nests, windows closed that no deeper level uses."""
        sweep = self.plan.sweep
        windows = [array for array, each in self.plan.windows.items() if each.window.level == level]
        numbers = [k for k, box in enumerate(sweep.boxes) if box.level == level and is_active(box.active, s, t)]
        boxes = {k: box_at(sweep.boxes[k].loops, s, t) for k in numbers}
        numbers = [k for k in numbers if all(boxes[k][1])]
        opened = {array for array in windows if self.plan.windows[array].kept}
        for array in [array for array in windows if array in opened]:
            yield from self.opened(array, s, t)
        ending = [array for array in windows if self.plan.windows[array].window.deepest == level]
        for at, number in enumerate(numbers):
            touched = [array for array in windows if _touches(sweep.group.nests[number].nest, array)]
            for array in touched:
                if array not in opened:
                    opened.add(array)
                    yield from self.opened(array, s, t)
            lows, extents = boxes[number]
            yield from self.computed(number, lows, extents)
            later = [sweep.group.nests[k].nest for k in numbers[at + 1 :]]
            for array in [a for a in touched if a in ending and not any(_touches(nest, a) for nest in later)]:
                yield from self.stored(array, s, t)
        for array in windows:
            if array not in ending and array not in opened:
                yield from self.opened(array, s, t)
            kept = array in ending and self.plan.windows[array].kept
            if kept and not any(_touches(sweep.group.nests[k].nest, array) for k in numbers):
                yield from self.stored(array, s, t)

    def computed(self, number: int, lows: tuple[int, ...], extents: tuple[int, ...]) -> Iterator[Action]:
        """A nest runs over a box, cut where it goes from what is in PSUM of a window to the rest."""
        nest = self.plan.sweep.group.nests[number].nest
        for part in parts_of(nest, Part(lows, extents), self.plan.shares, self.plan.windows):
            yield Action(Compute(number, part.extents, part.rest), part.lows)

    def after(self, level: Level, s: int) -> Iterator[Action]:
        """Actions after the loops inside a level."""
        for array, each in self.plan.windows.items():
            if each.window.level == level < each.window.deepest:
                yield from self.stored(array, s, 0)

    def opened(self, array: ir.Value, s: int, t: int) -> Iterator[Action]:
        """A window comes to its place of this step."""
        each = self.plan.windows[array]
        base, _ = box_at(each.window.dims, s, t)
        if not each.kept:
            yield Action(Alloc(array))
        yield Action(Base(array), base)
        kept = kept_at(each.window, s, t)
        if all(kept):
            yield Action(Keep(array, *kept))
        if each.window.loaded:
            lows, extents = box_at(each.window.new, s, t)
            if array in self.plan.given:
                lows, extents = clipped(lows, extents, self.plan.given[array])
            yield from self.transfers(array, lows, extents, load=True)

    def stored(self, array: ir.Value, s: int, t: int) -> Iterator[Action]:
        """What is done of a window goes out."""
        window = self.plan.windows[array].window
        if window.stored:
            yield from self.transfers(array, *box_at(window.final, s, t), load=False)

    def transfers(
        self, array: ir.Value, lows: Sequence[int], extents: Sequence[int], *, load: bool
    ) -> Iterator[Action]:
        """A box of an array moves, each part of it where it is."""
        if not all(extents):
            return
        box: Box | None = tuple((low, low + extent - 1) for low, extent in zip(lows, extents, strict=True))
        if array in self.plan.borders:
            inside = self.plan.borders[array].inside
            for part in around(box, inside) if load else ():
                yield Action(Fill(array, extents_of(part)), tuple(low for low, _ in part))
            box = common(box, inside)
            if box is None:
                return
        for each, part in pieces(box, [s for s in self.plan.slices if s.array == array], load=load):
            kind = Transfer(array, extents_of(part), load, each)
            yield Action(kind, tuple(low for low, _ in part))

    # ---- which runs can be loops

    def sweeps_loop(self, run: Run[Row]) -> bool:
        """Whether a run of sweeps can be a loop."""
        row = run.first.shape
        parts = zip(row.shared(run.first.starts), row.shared(run.delta), strict=True)
        return all(self.loops(shape, starts, delta) for (shape, starts), (_, delta) in parts)

    def loops(self, shape: Shape, starts: Sequence[int], delta: Sequence[int]) -> bool:
        """Whether nests on arrays of several blocks of lanes stay on their lanes as the places advance."""
        return all(
            self.stays(self.plan.sweep.group.nests[kind.number].nest, kind.extents, lows, steps)
            for (kind, lows), (_, steps) in zip(shape.shared(starts), shape.shared(delta), strict=True)
            if isinstance(kind, Compute)
        )

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

    def write_row(self, run: Run[Row]) -> None:
        """A run of equal sweeps, one after another or as a loop."""
        row, starts = run.first.shape, [Start(start) for start in run.first.starts]
        with ExitStack() as stack:
            ivs = [stack.enter_context(affine.loop(run.count))] if run.count > 1 else []
            if ivs:
                starts = [start.inside(step) for start, step in zip(starts, run.delta, strict=True)]
            (before, first), *steps, (after, last) = row.shared(starts)
            self.play_shape(before, first, ivs)
            for repeat, (_, own) in zip(row.repeats, steps, strict=True):
                self.write_steps(repeat, own, ivs)
            self.play_shape(after, last, ivs)

    def write_steps(self, repeat: Repeat, starts: Starts, ivs: Sequence[ir.Value]) -> None:
        """A run of equal steps, or one step."""
        if repeat.count == 1:
            self.play_shape(repeat.shape, starts, ivs)
            return
        with affine.loop(repeat.count) as iv:
            inside = [start.inside(step) for start, step in zip(starts, repeat.delta, strict=True)]
            self.play_shape(repeat.shape, inside, [*ivs, iv])

    def play(self, place: Place[Shape]) -> None:
        """Do what happens outside of all loops."""
        self.play_shape(place.shape, [Start(start) for start in place.starts], [])

    def play_shape(self, shape: Shape, starts: Starts, ivs: Sequence[ir.Value]) -> None:
        """Do the actions of a place."""
        for kind, own in shape.shared(starts):
            match kind:
                case Alloc():
                    self.alloc(kind.array)
                case Base():
                    self.base[kind.array] = own
                case Keep():
                    self.keep(kind)
                case Transfer():
                    self.move(kind, own, ivs)
                case Fill():
                    self.fill(kind, own, ivs)
                case Compute():
                    self.compute(kind, own, ivs)

    def alloc(self, array: ir.Value) -> None:
        """The memory of a window."""
        each = self.plan.windows[array]
        extents, share, dim = list(each.window.extents), self.plan.shares.get(array), each.layout.dim
        if share is not None and share.rows is not None and dim is not None:
            rest = [extent - share.rows if d == dim else extent for d, extent in enumerate(extents)]
            self.rest[array] = self.window(array, self.window_type(array, rest))
            extents[dim] = share.rows
        type_ = self.window_type(array, extents)
        if share is not None:
            type_ = ir.MemRefType.get(type_.shape, type_.element_type, type_.layout, psum())
        self.memory[array] = self.window(array, type_)

    def window(self, array: ir.Value, type_: ir.MemRefType) -> ir.Value:
        """Memory of this type, where it is planned to lie."""
        memory = affine.alloc(type_, f"{array_name(array)}.window")
        if memory_of(type_) == "sbuf":
            plan_offset(ir.OpResult(memory).owner.operation, self.plan.offsets[array])
        return memory

    def window_type(self, array: ir.Value, extents: Sequence[int]) -> ir.MemRefType:
        """The type of so much of a window in SBUF."""
        type_ = ir.MemRefType.get(list(extents), ir.MemRefType(array.type).element_type)
        return self.plan.windows[array].layout.of_type(type_, on_chip=True)

    def keep(self, kind: Keep) -> None:
        """Move what stays to the beginning, no more at once than it moves; from lane to lane that takes transfers."""
        each = self.plan.windows[kind.array]
        dim, memory = each.window.sliding, self.memory[kind.array]
        assert dim is not None
        for start in range(0, kind.count, kind.distance):
            extents = list(each.window.extents)
            extents[dim] = min(kind.distance, kind.count - start)
            source, target = (
                [Start(const if k == dim else 0) for k in range(len(extents))]
                for const in (start + kind.distance, start)
            )
            if dim == each.layout.dim:
                self.transfer(extents, (memory, source), (memory, target), [])
            else:
                self.shift(each.layout, extents, (memory, source), (memory, target))

    def shift(self, layout: Layout, extents: Sequence[int], source: Corner, target: Corner) -> None:
        """Copy a box on its lanes."""
        read, written = (
            Access(array, tuple(Linear(at.const, _unit(d, extents)) for d, at in enumerate(starts)))
            for array, starts in (source, target)
        )
        load = Load(read, ir.MemRefType(read.array.type).element_type)
        op = ir.OpResult(read.array).owner.operation
        nest = Nest(op, tuple(extents), (), (load,), Store(written.array, written.indices, 0))
        lane = layout.dim if layout.dim is not None and extents[layout.dim] > 1 else None
        how = Implementation("elementwise", lane, replicated=layout.replicated)
        self.stage(nest, how, self.machine.usable_bytes_per_lane)

    def fill(self, kind: Fill, lows: Starts, ivs: Sequence[ir.Value]) -> None:
        """A part of a border in a window."""
        rank, lane = len(kind.extents), self.plan.windows[kind.array].layout.dim
        indices = tuple(Linear(0, tuple(int(k == d) for k in range(rank))) for d in range(rank))
        op, value = ir.OpResult(kind.array).owner.operation, self.plan.borders[kind.array].value
        nest = Nest(op, kind.extents, (), (value,), Store(kind.array, indices, 0))
        shifted = Shift(nest, kind.extents, lows, ivs, self.memory, self.base).nest()
        self.stage(shifted, Implementation("elementwise", lane), self.machine.usable_bytes_per_lane)

    def move(self, kind: Transfer, lows: Starts, ivs: Sequence[ir.Value]) -> None:
        """A transfer between a window and its array."""
        array = kind.array
        local = [low.beyond(base) for low, base in zip(lows, self.base[array], strict=True)]
        outside, window = (array, lows), (self.memory[array], local)
        if kind.slice is not None:
            first = [Start(kind.slice.low if d == kind.slice.dim else 0) for d in range(len(lows))]
            there = [low.beyond(start) for low, start in zip(lows, first, strict=True)]
            outside = self.plan.slices[kind.slice], there
        source, target = (outside, window) if kind.load else (window, outside)
        self.transfer(kind.extents, source, target, ivs)

    def transfer(self, extents: Sequence[int], source: Corner, target: Corner, ivs: Sequence[ir.Value]) -> None:
        """Copy a box between arrays, or from place to place in one."""
        kept = [k for k, extent in enumerate(extents) if extent > 1]
        with affine.nest([extents[k] for k in kept], {KIND: ir.StringAttr.get("transfer")}) as inner:
            iv = dict(zip(kept, inner, strict=True))
            there, here = (
                (array, *access_map([start.form(ivs).add(iv.get(k), 1) for k, start in enumerate(starts)]))
                for array, starts in (source, target)
            )
            affine.store(affine.load(*there), *here)

    def compute(self, kind: Compute, lows: Starts, ivs: Sequence[ir.Value]) -> None:
        """One nest over its box of this place."""
        nest, memory, base = self.plan.sweep.group.nests[kind.number].nest, dict(self.memory), dict(self.base)
        for array in kind.rest:
            memory[array], rows, dim = (
                self.rest[array],
                self.plan.shares[array].rows,
                self.plan.windows[array].layout.dim,
            )
            base[array] = [
                replace(at, const=at.const + (rows or 0)) if d == dim else at for d, at in enumerate(base[array])
            ]
        shifted = Shift(nest, kind.extents, lows, ivs, memory, base).nest()
        if kind.number in self.plan.relayouts:
            write_move(shifted)
        else:
            self.stage(shifted, self.plan.implementations[kind.number], self.plan.rooms[kind.number])

    def stage(self, nest: Nest, implementation: Implementation, room: int) -> None:
        """Write a nest on the windows, tile by tile where its other operands need it."""
        tiling = tiling_of(nest, implementation, self.machine)
        choice = choose(tiling, self.machine, room)
        StagedNest(tiling, choice.sizes, choice.order, self.constant).write()


def _unit(dim: int, extents: Sequence[int]) -> tuple[int, ...]:
    """The factors of an index that runs along one loop, if that has several trips."""
    return tuple(int(k == dim and extent > 1) for k, extent in enumerate(extents))


def _touches(nest: Nest, array: ir.Value) -> bool:
    return nest.store.array == array or any(access.array == array for access in nest.loads)
