"""Writes a plan: arrays to their places, nests and groups one after another, in rooms that can be packed.

(mechanism of ``stage``)
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from torch_mlir import ir

from polystage.alloc import Buffer, Infeasible, Problem, Solution, Solver, solve
from polystage.analysis.groups import Refused, Tile
from polystage.analysis.index_boxes import Box
from polystage.analysis.layouts import Layout
from polystage.analysis.nest_reader import read_nest
from polystage.analysis.nests import Constant, Nest, signature
from polystage.analysis.tiling import NestTiling, tiling_of
from polystage.dialects import npu
from polystage.dialects.npu.planned import plan_offset
from polystage.machine import Machine
from polystage.passes.staging.group_emission import GroupPlan, GroupWriter
from polystage.passes.staging.group_search import larger_tiles
from polystage.passes.staging.groups import Arrays, Candidate, Outline, candidate, rooms
from polystage.passes.staging.outlines import Tiles
from polystage.passes.staging.placing import moves_only, place, place_slice, put_late, write_transfer
from polystage.passes.staging.plan import Plan, Segment
from polystage.passes.staging.schedule import Resident, Step
from polystage.passes.staging.sums import Sums, in_psum
from polystage.passes.staging.tile_sizes import Choice, choose, smallest
from polystage.passes.staging.tiled_nests import StagedNest

QUICK = 3000  # nodes of the search for a packing while smaller tiles are left to try
EIGHTHS = (8, 7, 6, 4, 2)  # parts of the room that is left which units take, tried one after the other


@dataclass(frozen=True)
class Unit:
    """A segment with the tiles that were decided: a group with a room for each nest, a nest with tiles, a transfer."""

    segment: Segment
    nest: Nest
    tiling: NestTiling | None = None
    choice: Choice | None = None
    group: Candidate | None = None
    rooms: tuple[int, ...] = ()


@dataclass(frozen=True)
class Decided:
    """All units, and the offset of each buffer of their packing by its name."""

    units: Sequence[Unit]
    offsets: Mapping[str, int]


class PlanWriter:
    """Decides on tiles for every nest so that all of it can be packed, and writes the nests."""

    def __init__(self, plan: Plan, steps: Sequence[Step], machine: Machine) -> None:
        self.plan, self.machine = plan, machine
        schedule = [step.nest.op for step in steps]
        self.borders = {each.array: each for each in plan.borders}
        self.slices = {each: place_slice(each, schedule) for each in plan.slices}
        self.places: dict[Resident, ir.Value] = {}
        for resident in plan.residents:
            border = self.borders.get(resident.array)
            inside = None if border is None else border.inside
            self.places[resident] = place(resident, schedule, self.slices, inside)
        self.steps = [replace(step, nest=read_nest(step.nest.op)) for step in steps]
        self.arrays = Arrays(self.steps, machine, self.places, plan.borders)
        self.on_chip = frozenset(
            array for array in self.arrays.uses if npu.memory_of(ir.MemRefType(array.type)) != "dram"
        )
        self.free = [machine.usable_bytes_per_lane] * len(steps)
        for each in (*plan.residents, *plan.slices):
            for k in range(each.first, each.last + 1):
                self.free[k] -= each.bytes_per_lane
        self.room = self.free
        self.least = [least for segment in plan.segments for least in self.least_room(segment)]
        self.sums = Sums(self.steps, machine)
        self.chosen: dict[tuple[object, ...], Choice] = {}
        self.groups: dict[int, Candidate] = {}
        self.tried: dict[tuple[int, Tiles, frozenset[ir.Value]], Candidate | Refused] = {}
        self.tilings: dict[tuple[object, ...], tuple[NestTiling, list[int]]] = {}

    def decide(self) -> Decided | Infeasible:
        """Tiles of every nest: as large as there is room for, smaller where the packing would have gaps."""
        quick = Solver(nodes=QUICK, blame=False)
        for eighths in EIGHTHS:
            units = self.units(eighths)
            solution = quick.solve(self.problem(units))
            if isinstance(solution, Solution):
                return self.grown(units, eighths, solution)
        units = self.units(0)
        solution = solve(self.problem(units))
        return self.grown(units, 0, solution) if isinstance(solution, Solution) else solution

    def grown(self, units: list[Unit], eighths: int, solution: Solution) -> Decided:
        """Units that take so much of the room, larger where those can be packed beside what stays where it is."""
        quick, small = Solver(nodes=QUICK, blame=False), set(range(len(units)))
        offsets = dict(solution.offsets)
        for more in [each for each in EIGHTHS if each > eighths]:
            larger = self.units(more)
            for k in sorted(small):
                found = quick.solve(self.around(larger[k], solution))
                if isinstance(found, Solution):
                    units[k] = larger[k]
                    small.remove(k)
                    offsets |= found.offsets
        return Decided(units, offsets)

    def around(self, unit: Unit, solution: Solution) -> Problem:
        """The packing of what only one unit has beside what is on chip all the time, which has its place."""
        span = range(unit.segment.first, unit.segment.last + 1)
        live = [
            replace(each, pin=solution.offsets[each.name])
            for each in self.stays()
            if each.lower <= span[-1] and span[0] < each.upper
        ]
        return Problem(self.machine.usable_bytes_per_lane, (*live, *self.buffers(unit)))

    def units(self, eighths: int) -> list[Unit]:
        """Units whose nests take so much of the room beyond what they take at least."""
        self.groups.clear()
        self.room = [
            least + max(0, free - least) * eighths // 8 for least, free in zip(self.least, self.free, strict=True)
        ]
        return [self.unit(segment) for segment in self.plan.segments]

    def least_room(self, segment: Segment) -> Iterator[int]:
        """Bytes per lane that each nest of a segment takes at least, with windows as they are planned."""
        group = segment.group
        if group is None:
            yield self.least_of(self.steps[segment.first])
            return
        on_chip = {each.array for each in self.plan.residents if each.during(segment.first)}
        lives = [live for live in group.lives if live.array not in on_chip]
        for k, need in enumerate(group.needs, group.first):
            yield need + sum(live.bytes_per_lane for live in lives if live.first <= k <= live.last)

    def least_of(self, step: Step) -> int:
        """Bytes per lane of the smallest tile of a nest by itself."""
        if moves_only(step.nest):
            return 0
        tiling = tiling_of(step.nest, step.implementation, self.machine)
        return tiling.demand(smallest(tiling))

    def unit(self, segment: Segment) -> Unit:
        """One segment in the rooms that there are."""
        step = self.steps[segment.first]
        if segment.group is not None:
            group = self.group(segment)
            return Unit(segment, step.nest, group=group, rooms=tuple(self.group_rooms(group)))
        if moves_only(step.nest) or (step.relayout and self.both_on_chip(step.nest)):
            return Unit(segment, step.nest)
        tiling = tiling_of(step.nest, step.implementation, self.machine)
        room = self.room[segment.first]
        key = (tiling.implementation, room, *signature(step.nest))
        if key not in self.chosen:
            self.chosen[key] = choose(tiling, self.machine, room)
        return Unit(segment, step.nest, tiling, self.chosen[key])

    def both_on_chip(self, nest: Nest) -> bool:
        """Whether a nest reads and writes arrays that are on chip."""
        return {nest.store.array, *(access.array for access in nest.loads)} <= self.on_chip

    def group(self, segment: Segment) -> Candidate:
        """The group anew on the arrays as they now lie, with the largest tiles that fit and move no more."""
        if segment.first not in self.groups:
            assert segment.group is not None
            *outer, tile = segment.group.tiles
            step = self.steps[segment.group.sink]
            for size in [*larger_tiles(step, tile.loop, self.machine), tile.size]:
                found = self.with_windows(segment.group, (*outer, Tile(tile.loop, size)), last=size == tile.size)
                if found is not None:
                    self.groups[segment.first] = found
                    break
        return self.groups[segment.first]

    def candidate(self, planned: Outline, tiles: Tiles, gone: frozenset[ir.Value]) -> Candidate | Refused:
        """The group with these tiles, without windows for what is ``gone``; remembered, as rooms do not matter."""
        key = (planned.first, tiles, gone)
        if key not in self.tried:
            self.tried[key] = candidate(self.arrays, planned.frame, tiles, self.on_chip | gone)
        return self.tried[key]

    def with_windows(self, planned: Outline, tiles: Tiles, *, last: bool) -> Candidate | None:
        """The group with these tiles if it fits, if need be without windows for what is streamed; the last one does."""
        streamed = planned.streamed - self.on_chip
        for gone in dict.fromkeys((frozenset[ir.Value](), streamed)):
            found = self.candidate(planned, tiles, gone)
            if isinstance(found, Refused) or found.outline.tail > planned.tail:
                continue
            moves_more = any(moved > planned.moved.get(array, 0) for array, moved in found.outline.moved.items())
            shares = self.sums.those(planned.shares, found)
            if shares is None:
                continue
            outline = replace(found.outline, needs=planned.needs, streamed=streamed)
            found = replace(found, outline=in_psum(outline, shares))
            if (last and gone == streamed) or (self.fits(found) and not moves_more):
                return found
        return None

    def given(self, group: Candidate) -> Iterator[tuple[ir.Value, Box]]:
        """What nests before a group wrote of the intermediates and results that it loads."""
        for array, each in group.windows.items():
            box = self.arrays.before(array, group.outline.first)
            if each.window.loaded and box is not None:
                yield array, box

    def relayouts(self, group: Candidate) -> Iterator[int]:
        """Nests of a group, by their numbers in it, that only bring what is on chip into another layout."""
        for number, step in enumerate(self.steps[group.outline.first : group.outline.last + 1]):
            if step.relayout and {step.nest.store.array, *(a.array for a in step.nest.loads)} <= (
                self.on_chip | group.windows.keys()
            ):
                yield number

    def fits(self, group: Candidate) -> bool:
        """Whether there is room for the smallest tiles of all nests of a group, and as much again."""
        return all(room >= min(2 * least, whole) for least, whole, room in self.needs(group))

    def needs(self, group: Candidate) -> Iterator[tuple[int, int, int]]:
        """The demand of each nest of a group with its smallest tile, with its whole box in one, and the room for it."""
        placed = {array: held.layout for array, held in group.windows.items()}
        outline, relayouts = group.outline, frozenset(self.relayouts(group))
        for number, room in enumerate(rooms(outline, self.room)):
            if number in relayouts:
                yield 0, 0, room
                continue
            tiling, least = self.tiling(outline.first + number, placed, outline.shares.keys())
            whole = [1 if loop in tiling.single else size for loop, size in enumerate(group.sweep.extents(number))]
            need = max(tiling.demand(least), outline.needs[number])
            yield need, max(need, tiling.demand(list(map(max, least, whole)))), room

    def tiling(
        self, k: int, placed: Mapping[ir.Value, Layout], sums: Collection[ir.Value]
    ) -> tuple[NestTiling, list[int]]:
        """The tiling of a nest on windows of these layouts, those of ``sums`` in PSUM, and its smallest tile."""
        nest = self.steps[k].nest
        arrays = dict.fromkeys([*(access.array for access in nest.loads), nest.store.array])
        key = (k, nest.store.array in sums, *map(placed.get, arrays))
        if key not in self.tilings:
            tiling = tiling_of(nest, self.steps[k].implementation, self.machine, placed, sums)
            self.tilings[key] = tiling, smallest(tiling)
        return self.tilings[key]

    def group_rooms(self, group: Candidate) -> Iterator[int]:
        """Room for the tiles of each nest of a group: what there is, but no more than its whole box takes."""
        for least, whole, room in self.needs(group):
            yield max(least, min(room, whole))

    def problem(self, units: Sequence[Unit]) -> Problem:
        """The packing of what is on chip and of all tiles."""
        own = (buffer for unit in units for buffer in self.buffers(unit))
        return Problem(self.machine.usable_bytes_per_lane, (*self.stays(), *own))

    def stays(self) -> list[Buffer]:
        """What is on chip from one unit to the next."""
        return [
            Buffer(f"r.{k}", each.first, each.last + 1, each.bytes_per_lane, self.machine.alignment)
            for k, each in enumerate((*self.plan.residents, *self.plan.slices))
        ]

    def buffers(self, unit: Unit) -> Iterator[Buffer]:
        """The windows and tiles of a unit."""
        first, alignment = unit.segment.first, self.machine.alignment
        if unit.group is not None:
            for i, live in enumerate(unit.group.outline.lives):
                yield Buffer(f"w.{first}.{i}", live.first, live.last + 1, live.bytes_per_lane, alignment)
            for i, room in enumerate(unit.rooms):
                yield Buffer(f"t.{first + i}.g", first + i, first + i + 1, room, alignment)
        elif unit.tiling is not None and unit.choice is not None:
            for i, size in enumerate(unit.tiling.parts(unit.choice.sizes)):
                yield Buffer(f"t.{first}.{i}", first, first + 1, size, alignment)

    def write(self, decided: Decided, constant: Callable[[Constant], ir.Value]) -> None:
        """Write all units and erase the nests that they stand for."""
        for k, memory in enumerate((*self.places.values(), *self.slices.values())):
            plan_offset(ir.OpResult(memory).owner.operation, decided.offsets[f"r.{k}"])
        for unit in decided.units:
            span = range(unit.segment.first, unit.segment.last + 1)
            loop = self.steps[unit.segment.last].nest.op
            with ir.InsertionPoint(loop), loop.location:
                if unit.group is not None:
                    implementations = tuple(self.steps[k].implementation for k in span)
                    given = dict(self.given(unit.group))
                    windows = unit.group.windows
                    relayouts = frozenset(self.relayouts(unit.group))
                    slices = {s: memory for s, memory in self.slices.items() if s.during(span[0], span[-1])}
                    lives = unit.group.outline.lives
                    offsets = {live.array: decided.offsets[f"w.{span[0]}.{i}"] for i, live in enumerate(lives)}
                    plan = GroupPlan(
                        unit.group.sweep, implementations, unit.rooms, windows, given, relayouts, slices, self.borders,
                        unit.group.outline.shares, offsets,
                    )  # fmt: skip
                    GroupWriter(plan, self.machine, constant).write()
                elif unit.tiling is None or unit.choice is None:
                    write_transfer(unit.nest)
                else:
                    StagedNest(unit.tiling, unit.choice.sizes, unit.choice.order, constant).write()
            for k in span:
                self.steps[k].nest.op.erase()
            for each, array in (*self.places.items(), *self.slices.items()):
                if each.first in span[1:]:
                    put_late(array)
