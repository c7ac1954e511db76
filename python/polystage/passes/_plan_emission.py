"""Writes a plan: arrays to their places, nests and groups one after another, in rooms that can be packed.

(mechanism of ``stage``)
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from torch_mlir import ir

from polystage.alloc import Buffer, Infeasible, Problem, Solution, solve
from polystage.analysis.groups import Refused, Tile
from polystage.analysis.nest_reader import read_nest
from polystage.analysis.nests import Constant, Nest, signature
from polystage.analysis.tiling import NestTiling, tiling_of
from polystage.dialects import npu
from polystage.machine import Machine
from polystage.passes._group_emission import GroupPlan, GroupWriter
from polystage.passes._groups import Arrays, Candidate, candidate, rooms
from polystage.passes._placing import moves_only, place, write_transfer
from polystage.passes._planning import Plan, Segment, larger_tiles
from polystage.passes._schedule import Step
from polystage.passes._staging import StagedNest
from polystage.passes._tile_sizes import Choice, choose, smallest


@dataclass(frozen=True)
class Unit:
    """A segment with the tiles that were decided: a group with a room for each nest, a nest with tiles, a transfer."""

    segment: Segment
    nest: Nest
    tiling: NestTiling | None = None
    choice: Choice | None = None
    group: Candidate | None = None
    rooms: tuple[int, ...] = ()


class PlanWriter:
    """Decides on tiles for every nest so that all of it can be packed, and writes the nests."""

    def __init__(self, plan: Plan, steps: Sequence[Step], machine: Machine) -> None:
        self.plan, self.machine = plan, machine
        schedule = [step.nest.op for step in steps]
        for resident in plan.residents:
            place(resident, schedule)
        self.steps = [replace(step, nest=read_nest(step.nest.op)) for step in steps]
        self.arrays = Arrays(self.steps, machine, plan.residents)
        self.on_chip = frozenset(
            array for array in self.arrays.uses if npu.memory_of(ir.MemRefType(array.type)) != "dram"
        )
        self.room = [machine.usable_bytes_per_lane] * len(steps)
        for each in plan.residents:
            for k in range(each.first, each.last + 1):
                self.room[k] -= each.bytes_per_lane
        self.chosen: dict[tuple[object, ...], Choice] = {}
        self.groups: dict[int, Candidate] = {}

    def decide(self) -> list[Unit] | Infeasible:
        """Tiles of every nest; rooms shrink where the packing has gaps, until it succeeds or cannot."""
        while True:
            units = [self.unit(segment) for segment in self.plan.segments]
            solution = solve(self.problem(units))
            if isinstance(solution, Solution):
                return units
            crowded = {int(buffer.name.split(".")[1]) for buffer in solution.section if buffer.name[0] == "t"}
            if not any([self.shrink(k) for k in crowded]):
                return solution

    def shrink(self, position: int) -> bool:
        """Give a nest less room; False where its smallest tile fills it."""
        step = self.steps[position]
        tiling = tiling_of(step.nest, step.implementation, self.machine)
        least, before = tiling.demand(smallest(tiling)), self.room[position]
        self.room[position] = max(least, before * 15 // 16)
        return self.room[position] < before

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
        """The group anew on the arrays as they now lie, with the largest tiles that fit."""
        if segment.first not in self.groups:
            assert segment.group is not None
            *outer, tile = segment.group.sweep.tiles
            step = self.steps[segment.last]
            for size in [*larger_tiles(step, tile.loop, self.machine), tile.size]:
                tiles = (*outer, Tile(tile.loop, size))
                found = candidate(self.arrays, segment.first, segment.last, tiles, self.on_chip)
                if not isinstance(found, Refused) and (size == tile.size or self.fits(found)):
                    self.groups[segment.first] = found
                    break
        return self.groups[segment.first]

    def fits(self, group: Candidate) -> bool:
        """Whether there is room for the smallest tiles of all nests of a group, and as much again."""
        return all(room >= 2 * least for least, room in self.needs(group))

    def needs(self, group: Candidate) -> Iterator[tuple[int, int]]:
        """The smallest demand of each nest of a group, and the room for it."""
        placed = {array: held.layout for array, held in group.windows.items()}
        for position, room in zip(range(group.first, group.last + 1), rooms(group, self.room), strict=True):
            step = self.steps[position]
            tiling = tiling_of(step.nest, step.implementation, self.machine, placed)
            yield tiling.demand(smallest(tiling)), room

    def group_rooms(self, group: Candidate) -> Iterator[int]:
        """Room for the tiles of each nest of a group: what it needs and some more, of what is there."""
        for least, room in self.needs(group):
            yield min(room, 4 * least)

    def problem(self, units: Sequence[Unit]) -> Problem:
        """The packing of what is on chip and of all tiles."""
        alignment = self.machine.alignment
        buffers = [
            Buffer(f"r.{k}", each.first, each.last + 1, each.bytes_per_lane, alignment)
            for k, each in enumerate(self.plan.residents)
        ]
        for unit in units:
            first = unit.segment.first
            if unit.group is not None:
                buffers += [
                    Buffer(f"w.{first}.{i}", live.first, live.last + 1, live.bytes_per_lane, alignment)
                    for i, live in enumerate(unit.group.lives)
                ]
                buffers += [
                    Buffer(f"t.{first + i}.g", first + i, first + i + 1, room, alignment)
                    for i, room in enumerate(unit.rooms)
                ]
            elif unit.tiling is not None and unit.choice is not None:
                buffers += [
                    Buffer(f"t.{first}.{i}", first, first + 1, size, alignment)
                    for i, size in enumerate(unit.tiling.parts(unit.choice.sizes))
                ]
        return Problem(self.machine.usable_bytes_per_lane, tuple(buffers))

    def write(self, units: Sequence[Unit], constant: Callable[[Constant], ir.Value]) -> None:
        """Write all units and erase the nests that they stand for."""
        for unit in units:
            span = range(unit.segment.first, unit.segment.last + 1)
            loop = self.steps[unit.segment.last].nest.op
            with ir.InsertionPoint(loop), loop.location:
                if unit.group is not None:
                    implementations = tuple(self.steps[k].implementation for k in span)
                    plan = GroupPlan(unit.group.sweep, implementations, unit.rooms, unit.group.windows)
                    GroupWriter(plan, self.machine, constant).write()
                elif unit.tiling is None or unit.choice is None:
                    write_transfer(unit.nest)
                else:
                    StagedNest(unit.tiling, unit.choice.sizes, unit.choice.order, constant).write()
            for k in span:
                self.steps[k].nest.op.erase()
