"""What a group of nests takes and moves with given tiles (shared by the policies of ``stage``)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate
from math import ceil, prod
from operator import add
from types import MappingProxyType

from torch_mlir import ir

from polystage.analysis.descriptors import Order, box_run, excess_bytes
from polystage.analysis.groups import Group, Refused, Tile
from polystage.analysis.index_boxes import Box, common, hull
from polystage.analysis.intervals import extent, matrix
from polystage.analysis.layouts import Layout
from polystage.analysis.sweeps import Memory, Sweep, sweep
from polystage.analysis.swept_nests import Box as SweptBox
from polystage.analysis.swept_nests import swept_nest
from polystage.analysis.values import argument_text, array_name, producer
from polystage.analysis.windows import typical
from polystage.dialects.npu import element_bytes
from polystage.machine import Machine
from polystage.passes.staging.borders import Border
from polystage.passes.staging.held import Held, held
from polystage.passes.staging.schedule import Resident, Step, Uses, layout_of, uses_of, written


@dataclass(frozen=True)
class Live:
    """A buffer of a group, by the numbers of the nests during which it is on chip."""

    array: ir.Value
    bytes_per_lane: int
    first: int
    last: int


@dataclass(frozen=True)
class Frame:
    """Nests ``first`` to ``last`` of the schedule as a group whose tile loops are those of ``sink``.

    Of its nests those that run ``once`` for each sweep, before its steps, are given by their numbers in the group.
    """

    first: int
    last: int
    sink: int
    once: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Share:
    """What of a window is in PSUM: so many ``banks``, which hold the first ``rows`` across lanes; all without ``rows``.

    The others take ``rest`` bytes of each lane of SBUF.
    """

    banks: int
    rows: int | None = None
    rest: int = 0


@dataclass(frozen=True)
class Outline:
    """Nests ``first`` to ``last`` of the schedule under shared tile loops: what they take and move.

    ``moved`` are the bytes of each array that move between its window and DRAM, ``stored`` those of them that go there,
    ``excess`` those that could move besides if the descriptors of these tiles were long ones (`analysis/descriptors`).
    Arrays that are ``streamed`` have no window: tiles of a nest bring them. ``needs`` are the bytes per lane that the
    tiles of each nest take at least, so that what is streamed moves once. ``shares`` are what of windows is in PSUM.
    ``sink`` and ``once`` are those of its frame. Boxes of arrays that are ``windowed`` start at lanes where no
    instruction can: there are windows for them, even where there is room for all of the array. From nest ``tail`` on
    nests run behind all steps.
    """

    first: int
    last: int
    tiles: tuple[Tile, ...]
    lives: tuple[Live, ...]
    moved: Mapping[ir.Value, int]
    stored: Mapping[ir.Value, int]
    needs: tuple[int, ...] = ()
    streamed: frozenset[ir.Value] = frozenset()
    shares: Mapping[ir.Value, Share] = field(default_factory=dict[ir.Value, Share])
    sink: int = 0
    once: frozenset[int] = frozenset()
    windowed: frozenset[ir.Value] = frozenset()
    tail: int = 0
    excess: Mapping[ir.Value, int] = field(default_factory=dict[ir.Value, int])

    @property
    def frame(self) -> Frame:
        """Its nests and how they run."""
        return Frame(self.first, self.last, self.sink, self.once)

    @cached_property
    def demands(self) -> tuple[int, ...]:
        """Bytes per lane that each nest takes with everything in windows."""
        change = [0] * (len(self.needs) + 1)
        for live in self.lives:
            change[live.first - self.first] += live.bytes_per_lane
            change[live.last + 1 - self.first] -= live.bytes_per_lane
        return tuple(map(add, self.needs, accumulate(change[:-1])))

    def stay(self, touched: Iterable[int], *, comes: bool, goes: bool) -> range:
        """The nests for which an array is on chip as a whole that ``touched`` nests of the schedule use.

        One that ``comes`` holds nothing before, one that ``goes`` is not used any more: then steps need room for it
        only if one of their nests uses it.
        """
        own = [at for at in touched if self.first <= at <= self.last]
        first = min(own) if comes and min(own) >= self.tail else self.first
        return range(first, max(*own, self.tail - 1) + 1 if goes else self.last + 1)

    @property
    def dram_bytes(self) -> int:
        """All bytes that move between windows and DRAM."""
        return sum(self.moved.values())

    @property
    def excess_bytes(self) -> int:
        """All bytes that could move besides."""
        return sum(self.excess.values())

    def on(self, first: int, arrays: Mapping[ir.Value, ir.Value]) -> "Outline":
        """The same for a group alike that begins at ``first`` and uses other arrays."""
        shift = first - self.first
        lives = tuple(
            replace(live, array=arrays[live.array], first=live.first + shift, last=live.last + shift)
            for live in self.lives
        )
        moved, stored, excess = (
            {arrays[array]: size for array, size in part.items()} for part in (self.moved, self.stored, self.excess)
        )
        shares = {arrays[array]: share for array, share in self.shares.items()}
        streamed, windowed = (frozenset(arrays[array] for array in part) for part in (self.streamed, self.windowed))
        return replace(
            self, first=first, last=self.last + shift, lives=lives, moved=moved, stored=stored, streamed=streamed,
            shares=shares, sink=self.sink + shift, windowed=windowed, tail=self.tail + shift,
            excess=excess,
        )  # fmt: skip


@dataclass(frozen=True)
class Candidate:
    """A group with its sweep and windows."""

    outline: Outline
    sweep: Sweep
    windows: Mapping[ir.Value, Held]


def group_of(arrays_used: "Arrays", first: int, last: int, sink: int) -> Group:
    """The group of nests ``first`` to ``last``, all numbers those of the schedule."""
    nests, outside = tuple(arrays_used.nests[first : last + 1]), arrays_used.outside
    arrays = dict.fromkeys(nest.store.array for nest in nests)
    live_out = frozenset(array for array in arrays if outside(array, last, 1))
    live_in = frozenset(array for array in arrays if outside(array, first, -1))
    return Group(nests, sink - first, live_out, live_in)


class Arrays:
    """Where in the schedule each array is used; what is in ``borders`` does not move.

    ``residents`` have their places: what is stored from there when they leave has to be there by then.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        machine: Machine,
        residents: Mapping[Resident, ir.Value] = MappingProxyType({}),
        borders: Iterable[Border] = (),
    ) -> None:
        self.steps, self.machine = steps, machine
        self.borders = {each.array: each for each in borders}
        self.uses = uses_of(steps, machine.lanes)
        self.nests = [swept_nest(step.nest) for step in steps]
        self.groups: dict[tuple[int, int, int], Group] = {}
        self.types: dict[ir.Value, tuple[int, Layout | None]] = {}
        self.stores: dict[ir.Value, list[tuple[int, Box]]] = {}
        for k, step in enumerate(steps):
            array = step.nest.store.array
            self.stores.setdefault(array, []).extend((k, box) for box in written([step], array))
        self.runs: dict[tuple[ir.Value, Layout, tuple[int, ...]], int] = {}
        self.wanted: dict[tuple[int, int], Mapping[ir.Value, Uses]] = {}
        for each, place in residents.items():
            uses = self.uses.setdefault(each.array, Uses())
            if each.loaded is not None:
                uses.reads.append(each.first)
            if each.stored is not None:
                uses.writes.append(each.last)
                if place != each.array:
                    self.uses.setdefault(place, Uses()).reads.append(each.last + 1)

    def group(self, first: int, last: int, sink: int) -> Group:
        """The group of nests ``first`` to ``last``."""
        key = (first, last, sink)
        if key not in self.groups:
            self.groups[key] = group_of(self, *key)
        return self.groups[key]

    def lie(self, array: ir.Value, first: int, last: int) -> tuple[int, Layout]:
        """Bytes of an element, and the layout of an array in the group of nests ``first`` to ``last``."""
        type_ = ir.MemRefType(array.type)
        if array not in self.types:
            plain = type_.affine_map == ir.AffineMap.get_identity(type_.rank)
            layout = None if plain else Layout.of(type_, self.machine.lanes)
            self.types[array] = element_bytes(type_.element_type), layout
        size, layout = self.types[array]
        if layout is None:
            if (first, last) not in self.wanted:
                self.wanted[first, last] = uses_of(self.steps[first : last + 1], self.machine.lanes)
            layout = layout_of(type_, self.wanted[first, last][array], self.machine)
        return size, layout

    def excess(self, array: ir.Value, layout: Layout, extents: tuple[int, ...], moved: int) -> int:
        """What would move besides so many bytes of an array if descriptors of its boxes were long ones."""
        key = (array, layout, extents)
        if key not in self.runs:
            type_ = ir.MemRefType(array.type)
            run = box_run(Order.of(type_, self.machine.lanes), layout, extents)
            self.runs[key] = run * element_bytes(type_.element_type)
        return excess_bytes(moved, self.runs[key], self.machine)

    def before(self, array: ir.Value, first: int) -> Box | None:
        """What nests before ``first`` wrote of an array; None for an argument."""
        return hull(box for k, box in self.stores.get(array, []) if k < first)

    def outside(self, array: ir.Value, position: int, direction: int) -> bool:
        """Whether an array is used after a position (direction 1), or written before it (-1)."""
        uses = self.uses[array]
        if direction > 0:
            op = producer(array)
            is_result = op is None and argument_text(ir.BlockArgument(array), "polystage.kind") == "output"
            return is_result or any(at > position for at in (*uses.reads, *uses.writes))
        return any(at < position for at in uses.writes)


def candidate(
    arrays: Arrays,
    frame: Frame,
    tiles: Sequence[Tile],
    in_place: frozenset[ir.Value],
    memory: Memory | None = None,
) -> Candidate | Refused:
    """The group with these tiles; arrays ``in_place`` have no windows and are used where they are."""
    alignment, first, last = arrays.machine.alignment, frame.first, frame.last
    group = arrays.group(first, last, frame.sink)
    swept = sweep(group, tiles, memory, frame.once)
    if isinstance(swept, Refused):
        return swept
    windowed = frozenset(_windowed(arrays, swept, first, last))
    if not windowed.isdisjoint(in_place):
        return Refused(0, "starts at lanes where no instruction can on an array in its place")
    windows: dict[ir.Value, Held] = {}
    lives, moved, stored, excess = list[Live](), dict[ir.Value, int](), dict[ir.Value, int](), dict[ir.Value, int]()
    for array, window in swept.windows.items():
        if array in in_place or array in group.indirect:
            continue
        size, layout = arrays.lie(array, first, last)
        each = held(window, layout)
        windows[array] = each
        given = arrays.before(array, first) if window.loaded else None
        if given is not None and common(given, window.hull) == window.hull:
            given = None
        if (window.stored and not swept.covered(array, given)) or (each.kept and not swept.filled(array, given)):
            return Refused(0, f"leaves holes in '{array_name(array)}'")
        inside = arrays.borders[array].inside if array in arrays.borders else None
        stored[array] = swept.stored(array, inside) * size
        entering = given if inside is None else inside if given is None else common(given, inside)
        nothing = entering is None and inside is not None
        moved[array] = (0 if nothing else swept.loaded(array, entering)) * size + stored[array]
        loads, stores = moved[array] - stored[array], stored[array]
        excess[array] = (arrays.excess(array, layout, typical(window.new), loads) if loads else 0) + (
            arrays.excess(array, layout, typical(window.final), stores) if stores else 0
        )
        lane_bytes = prod(layout.physical_shape(window.extents)[1:]) * size
        aligned = ceil(lane_bytes / alignment) * alignment
        lives.append(Live(array, aligned, *_life(swept, each, array, first)))
    outline = Outline(
        first, last, swept.tiles, tuple(lives), moved, stored, sink=frame.sink, once=frame.once, windowed=windowed,
        tail=first + swept.tail, excess=excess,
    )  # fmt: skip
    return Candidate(outline, swept, windows)


def _windowed(arrays: Arrays, swept: Sweep, first: int, last: int) -> Iterator[ir.Value]:
    """Arrays across the lanes whose boxes start at lanes where no instruction of their nests can."""
    for number, step in enumerate(arrays.steps[first : last + 1]):
        if not on_lanes(step, swept.boxes[number], arrays.machine):
            for reference in swept.group.nests[number].references:
                if arrays.lie(reference.array, first, last)[1].dim is not None:
                    yield reference.array


def on_lanes(step: Step, box: SweptBox, machine: Machine) -> bool:
    """Whether the boxes of a nest start where its instructions may, also on arrays that have no window."""
    for loop in (step.implementation.lane, step.implementation.rows):
        if loop is not None:
            multiple = machine.start_multiple(min(machine.lanes, int(extent(box.loops[loop]).max())))
            if multiple > 1 and (matrix(box.loops[loop].low) % multiple).any():
                return False
    return True


def _life(swept: Sweep, each: Held, array: ir.Value, first: int) -> tuple[int, int]:
    """The nests during which a window is on chip: all, unless nothing of it stays.

    The nests of a level run one after another, those of a deeper level behind them. A window that they use too opens
    with the first nest of its own level that uses it, or behind those.
    """
    if each.kept:
        return first, first + len(swept.group.nests) - 1
    levels = [box.level for box in swept.boxes]
    users = [number for number, _ in swept.group.references[array]]
    if each.window.level < each.window.deepest:
        begin = min((number for number in users if levels[number] == each.window.level), default=len(levels))
        users = [
            k for k, own in enumerate(levels) if own > each.window.level or (own == each.window.level and k >= begin)
        ]
    return first + min(users), first + max(users)


def rooms(candidate: Outline, capacity: Sequence[int]) -> Iterator[int]:
    """What is left for the tiles of each nest."""
    for position in range(candidate.first, candidate.last + 1):
        taken = sum(live.bytes_per_lane for live in candidate.lives if live.first <= position <= live.last)
        yield capacity[position] - taken
