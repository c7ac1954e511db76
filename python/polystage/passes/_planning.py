"""Searches for a plan of the whole schedule: groups, their tiles, and what stays on chip (policy of ``stage``).

A dynamic programme over positions in the schedule whose state is what is on chip. From a state the next nest runs by
itself, or the next nests run as a group under shared tile loops; what they make or read and is used again stays on
chip where there is room, nearest next use first; what stands in the way of a segment leaves, farthest next use first.
The cost is DRAM bytes. A beam of states is kept at each position.

The first pass takes every nest by itself; groups are searched only if that moves more than it must.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil, prod

from torch_mlir import ir

from polystage.alloc import Buffer, Problem, Solution, Solver
from polystage.analysis.nests import signature
from polystage.analysis.tiling import NestTiling, depth_of, tiling_of
from polystage.analysis.values import argument_text, producer
from polystage.dialects.npu import element_bytes
from polystage.machine import Machine
from polystage.passes._group_search import GroupSearch
from polystage.passes._groups import Arrays, Outline
from polystage.passes._plan import Array, Plan, Segment, State
from polystage.passes._schedule import Box, Resident, Step, common, hull, layout_of, read, whole, written
from polystage.passes._tile_sizes import Choice, choose, smallest


@dataclass(frozen=True)
class Effort:
    """How far the search goes: states kept at a position, nests in a group besides initialisations."""

    beam: int
    longest: int


PACKING_NODES = 3000  # of the search for a packing of one plan
MAX_MISSES = 12  # sinks in a row with which no group fits, after which longer groups are not tried
EFFORTS = (Effort(1, 1), Effort(2, 8), Effort(4, 24), Effort(12, 32))


@dataclass
class Planner:
    """Searches plans for one schedule; remembers what does not depend on the state."""

    steps: Sequence[Step]
    machine: Machine
    capacity: int
    effort: Effort
    arrays: dict[ir.Value, Array] = field(init=False)
    uses: Arrays = field(init=False)
    tilings: dict[tuple[object, ...], NestTiling] = field(default_factory=dict[tuple[object, ...], NestTiling])
    singles: dict[tuple[object, ...], tuple[Choice, int]] = field(
        default_factory=dict[tuple[object, ...], tuple[Choice, int]]
    )
    hot: tuple[int, int] = (0, 0)
    without_holes: dict[tuple[ir.Value, int], bool] = field(default_factory=dict[tuple[ir.Value, int], bool])

    def __post_init__(self) -> None:
        self.uses = Arrays(self.steps, self.machine)
        self.arrays = dict(self._arrays())
        self.layouts = {value: array.layout for value, array in self.arrays.items()}
        self.signatures = [signature(step.nest) for step in self.steps]
        self.needs = [self._smallest(k, frozenset(self.arrays)) for k in range(len(self.steps))]
        self.touches = [
            [v for v in dict.fromkeys([*(a.array for a in s.nest.loads), s.nest.store.array]) if v in self.arrays]
            for s in self.steps
        ]
        self.groups = GroupSearch(
            self.steps, self.machine, self.capacity, self.uses, self.layouts, self.touches, self.needs
        )

    def _arrays(self) -> Iterator[tuple[ir.Value, Array]]:
        for value, uses in self.uses.uses.items():
            op, type_ = producer(value), ir.MemRefType(value.type)
            kind = argument_text(ir.BlockArgument(value), "polystage.kind") if op is None else "intermediate"
            layout = layout_of(type_, uses, self.machine)
            size = element_bytes(type_.element_type)
            lane = prod(layout.physical_shape(type_.shape)[1:]) * size
            touched = tuple(sorted({*uses.reads, *uses.writes}))
            fixed = uses.indirect or (op is not None and op.name != "memref.alloc")
            yield value, Array(
                value, layout, prod(type_.shape) * size, self._aligned(lane), kind, touched,
                tuple(sorted(set(uses.reads))), tuple(sorted(set(uses.writes))), fixed,
            )  # fmt: skip

    def _aligned(self, size: int) -> int:
        return ceil(size / self.machine.alignment) * self.machine.alignment

    # ---- single nests

    def tiling(self, k: int, on_chip: frozenset[ir.Value]) -> NestTiling:
        """The tiling of a nest when these arrays are on chip."""
        own = frozenset(v for v in on_chip if v in self.layouts and self.touches_array(k, v))
        key = (k, own)
        if key not in self.tilings:
            step = self.steps[k]
            placed = {v: self.layouts[v] for v in own}
            self.tilings[key] = tiling_of(step.nest, step.implementation, self.machine, placed)
        return self.tilings[key]

    def touches_array(self, k: int, value: ir.Value) -> bool:
        nest = self.steps[k].nest
        return nest.store.array == value or any(access.array == value for access in nest.loads)

    def _smallest(self, k: int, on_chip: frozenset[ir.Value]) -> int:
        on_chip = frozenset(v for v in on_chip if not self.arrays[v].fixed)
        tiling = self.tiling(k, on_chip)
        return tiling.demand(smallest(tiling))

    def single(self, k: int, on_chip: frozenset[ir.Value], room: int) -> tuple[Choice, int] | None:
        """Tiles of a nest by itself and its DRAM bytes; None where the smallest tile does not fit."""
        tiling = self.tiling(k, on_chip)
        if tiling.demand(smallest(tiling)) > room:
            return None
        key = (self.signatures[k], tuple(b.access.indices for b in tiling.buffers), room)
        if key not in self.singles:
            choice = choose(tiling, self.machine, room)
            self.singles[key] = choice, dram_bytes(tiling, choice, on_chip)
        return self.singles[key]

    # ---- the search

    def plan(self) -> Plan | None:
        """The best plan found; None where no segment fits somewhere."""
        alone = self.search(Effort(1, 1))
        if (alone is not None and alone.cost <= self.compulsory) or self.effort.longest == 1:
            return self.finished(alone)
        self.hot = self.crowded(alone)
        together = self.search(self.effort)
        best = min([state for state in (alone, together) if state is not None], key=lambda s: s.cost, default=None)
        return self.finished(best)

    def problem(self, plan: Plan) -> Problem:
        """The packing of a plan with the smallest tiles."""
        alignment = self.machine.alignment
        buffers = [
            Buffer(f"r.{k}", each.first, each.last + 1, each.bytes_per_lane, alignment)
            for k, each in enumerate(plan.residents)
        ]
        for segment in plan.segments:
            lives = segment.group.lives if segment.group is not None else ()
            on_chip = {each.array for each in plan.residents if each.first <= segment.first <= each.last}
            buffers += [
                Buffer(f"w.{segment.first}.{k}", live.first, live.last + 1, live.bytes_per_lane, alignment)
                for k, live in enumerate(lives)
                if live.array not in on_chip
            ]
        buffers += [Buffer(f"t.{k}", k, k + 1, need, alignment) for k, need in enumerate(self.needs)]
        return Problem(self.machine.usable_bytes_per_lane, tuple(buffers))

    def crowded(self, alone: State | None) -> tuple[int, int]:
        """From where to where nests by themselves move intermediates, with the nests before that a group may take."""
        moving = list[int]()
        state = alone
        while state is not None and state.before is not None:
            k = state.before.position
            arguments = sum(self.arrays[v].bytes for v in self.touches[k] if self.arrays[v].kind != "intermediate")
            if state.cost - state.before.cost > arguments:
                moving.append(k)
            state = state.before
        reach = 2 * self.effort.longest
        return (0, len(self.steps)) if alone is None else (min(moving, default=0) - reach, max(moving, default=0))

    @cached_property
    def compulsory(self) -> int:
        """DRAM bytes of arguments, each once."""
        return sum(array.bytes for array in self.arrays.values() if array.kind != "intermediate")

    def search(self, effort: Effort) -> State | None:
        count = len(self.steps)
        layers: list[dict[frozenset[ir.Value], State]] = [{} for _ in range(count + 1)]
        layers[0][frozenset()] = State(0, 0, frozenset(), frozenset())
        for position in range(count):
            states = sorted(layers[position].values(), key=lambda s: s.cost)[: effort.beam]
            layers[position] = {}
            for state in states:
                for after in self.successors(state, effort):
                    known = layers[after.position].get(after.on_chip)
                    if known is None or after.cost < known.cost:
                        layers[after.position][after.on_chip] = after
        return min(layers[count].values(), key=lambda s: s.cost, default=None)

    def successors(self, state: State, effort: Effort) -> Iterator[State]:
        k = state.position
        alone = self.run_single(state, k)
        if alone is not None:
            yield alone
        if effort.longest == 1:
            return
        if not self.groups.starts_unit(k) or not self.hot[0] <= k <= self.hot[1]:
            return
        misses = 0
        count = int(bool(self.steps[k].nest.loads))
        for last in range(k + 1, len(self.steps)):
            if not self.steps[last].nest.loads:
                continue
            count += 1
            if count > effort.longest:
                return
            groups = [
                after for each in self.groups.candidates(k, last) if (after := self.run_group(state, each)) is not None
            ]
            yield from groups
            misses = 0 if groups else misses + 1
            if misses > MAX_MISSES:
                return

    def run_single(self, state: State, k: int) -> State | None:
        """The nest by itself."""
        touched = self.touches[k]
        need = {k: self.needs[k]}
        on_chip, dirty, cost, stores = self.make_room(state, k, k, need, frozenset(touched))
        if on_chip is None:
            return None
        room = self.capacity - sum(self.arrays[v].lane_bytes for v in on_chip)
        kept, loads, held = set(on_chip), set[ir.Value](), set[ir.Value]()
        for value in self.by_next_use(touched, k):
            array = self.arrays[value]
            if value in kept or array.fixed or not self.solid(value, k):
                continue
            later = array.used_after(k) is not None
            once = self.lanes_read(k, value) > 1 or self.both(k, value)
            if not later and not once:
                continue
            if array.lane_bytes + self.needs[k] <= room:
                room -= array.lane_bytes
                kept.add(value)
                if not later:
                    held.add(value)
                if self.has_contents(array, k):
                    loads.add(value)
                    cost += array.bytes
        found = self.single(k, frozenset(kept), room)
        if found is None:
            return None
        cost += found[1]
        written = self.steps[k].nest.store.array
        if written in kept:
            dirty |= {written}
        return self.after(
            state, k, k, frozenset(kept), dirty, cost, Segment(k, k, None, frozenset(held)), loads, stores
        )

    def run_group(self, state: State, group: Outline) -> State | None:
        """A group, its arrays in windows but for those on chip."""
        first, last = group.first, group.last
        span = range(first, last + 1)
        lives = {live.array: live for live in group.lives}
        if any(group.moved[v] and v not in state.on_chip and not self.solid(v, first) for v in lives):
            return None
        need = {
            k: self.needs[k]
            + sum(
                live.bytes_per_lane
                for value, live in lives.items()
                if value not in state.on_chip and live.first <= k <= live.last
            )
            for k in span
        }
        on_chip, dirty, cost, stores = self.make_room(state, first, last, need, frozenset(lives))
        if on_chip is None:
            return None
        kept, loads = set(on_chip), set[ir.Value]()
        taken = sum(self.arrays[v].lane_bytes for v in on_chip)
        for value in self.by_next_use([v for v in lives if self.arrays[v].used_after(last) is not None], last):
            array, live = self.arrays[value], lives[value]
            if value in kept or array.fixed or not self.solid(value, first):
                continue
            window = live.bytes_per_lane
            fits = all(
                taken + array.lane_bytes + need[k] - (window if live.first <= k <= live.last else 0) <= self.capacity
                for k in span
            )
            if fits:
                taken += array.lane_bytes
                for k in span:
                    need[k] -= window if live.first <= k <= live.last else 0
                kept.add(value)
                if self.has_contents(array, first):
                    loads.add(value)
                    cost += array.bytes
        for value in lives:
            if value not in kept:
                cost += group.moved[value]
            elif any(first <= k <= last for k in self.arrays[value].writes):
                dirty |= {value}
        return self.after(state, first, last, frozenset(kept), dirty, cost, Segment(first, last, group), loads, stores)

    def after(
        self, state: State, first: int, last: int, kept: frozenset[ir.Value], dirty: frozenset[ir.Value], cost: int,
        segment: Segment, loads: set[ir.Value], stores: frozenset[ir.Value],
    ) -> State:  # fmt: skip
        """The state behind a segment: what nobody uses any more is gone, results are stored."""
        alive = frozenset(v for v in kept if self.arrays[v].used_after(last) is not None)
        for value in kept - alive:
            if self.arrays[value].is_result and value in dirty:
                cost += self.arrays[value].bytes
        return State(last + 1, cost, alive, dirty & alive, state, segment, frozenset(loads), stores)

    def make_room(
        self, state: State, first: int, last: int, need: dict[int, int], touched: frozenset[ir.Value]
    ) -> tuple[frozenset[ir.Value] | None, frozenset[ir.Value], int, frozenset[ir.Value]]:
        """What of the state stays on chip during a segment; the rest leaves, farthest next use first."""
        on_chip, dirty, cost = set(state.on_chip), state.dirty, state.cost
        stores = set[ir.Value]()
        most = max(need.values())
        total = sum(self.arrays[v].lane_bytes for v in on_chip)
        leaving = sorted(on_chip - touched, key=lambda v: -(self.arrays[v].used_after(last) or 0))
        for value in leaving:
            if total + most <= self.capacity:
                break
            array = self.arrays[value]
            if value in dirty and not self.solid(value, first):
                continue
            total -= array.lane_bytes
            on_chip.discard(value)
            if value in dirty:
                cost += array.bytes
                stores.add(value)
                dirty -= {value}
        if total + most > self.capacity:
            return None, dirty, cost, frozenset()
        return frozenset(on_chip), dirty, cost, frozenset(stores)

    def by_next_use(self, values: Sequence[ir.Value], last: int) -> list[ir.Value]:
        return sorted(values, key=lambda v: (self.arrays[v].used_after(last) or 0, self.arrays[v].lane_bytes))

    def solid(self, value: ir.Value, first: int) -> bool:
        """Whether what nests before ``first`` wrote of an array leaves no holes, so that a box of it can move."""
        key = (value, first)
        if key not in self.without_holes:
            nests = [step for step in self.steps[:first] if step.nest.store.array == value]
            counts = {(box, _elements(step)) for step, box in zip(nests, written(nests, value), strict=True)}
            around = hull(box for box, _ in counts)
            self.without_holes[key] = around is None or sum(count for _, count in counts) >= _volume(around)
        return self.without_holes[key]

    def has_contents(self, array: Array, first: int) -> bool:
        """Whether an array holds something in DRAM before a segment."""
        return array.kind not in ("intermediate", "output") or any(at < first for at in array.writes)

    def lanes_read(self, k: int, value: ir.Value) -> int:
        """How many lanes want a copy of an array."""
        step = self.steps[k]
        lane = step.implementation.lane
        if lane is None:
            return 1
        return max(
            (
                min(step.nest.extents[lane], self.machine.lanes)
                for a in step.nest.loads
                if a.array == value and lane not in a.support
            ),
            default=1,
        )

    def both(self, k: int, value: ir.Value) -> bool:
        """Whether a nest reads and writes an array."""
        nest = self.steps[k].nest
        return nest.store.array == value and any(access.array == value for access in nest.loads)

    # ---- the result

    def finished(self, state: State | None) -> Plan | None:
        """The plan that led to a state."""
        if state is None:
            return None
        chain = list[State]()
        walk = state
        while walk.before is not None:
            chain.append(walk)
            walk = walk.before
        chain.reverse()
        residents = list[Resident]()
        open_: dict[ir.Value, tuple[int, bool]] = {}
        for each in chain:
            assert each.segment is not None
            assert each.before is not None
            first, last = each.segment.first, each.segment.last
            for value in list(open_):
                gone = value in each.before.on_chip and value not in self._during(each)
                if gone:
                    residents.append(self.resident(value, *open_.pop(value), first - 1))
            for value in self._during(each):
                if value not in open_:
                    open_[value] = (first, value in each.loads)
            for value in list(open_):
                if value not in each.on_chip:
                    residents.append(self.resident(value, *open_.pop(value), last))
        segments = tuple(each.segment for each in chain if each.segment is not None)
        return Plan(segments, tuple(residents), state.cost)

    def _during(self, state: State) -> frozenset[ir.Value]:
        """What is on chip as a whole during a state's segment."""
        assert state.before is not None
        assert state.segment is not None
        stayed = state.before.on_chip - state.stores
        span = range(state.segment.first, state.segment.last + 1)
        left = frozenset(
            v for v in stayed if v not in state.on_chip and not any(k in span for k in self.arrays[v].touched)
        )
        made = frozenset(v for v in state.on_chip if v not in stayed and any(k in span for k in self.arrays[v].touched))
        return (stayed - left) | made | state.segment.held

    def resident(self, value: ir.Value, first: int, loaded: bool, last: int) -> Resident:
        """An array's interval on chip, with the parts that move: what was written and will be read."""
        array, steps = self.arrays[value], self.steps
        given = array.kind not in ("intermediate", "output")
        load = store = None
        if loaded:
            before = whole(value) if given else hull(written(steps[:first], value))
            load = common(before, hull([*read(steps[first:], value), *written(steps[first : last + 1], value)]))
            load = common(before, whole(value)) if array.is_result else load
        if any(first <= at <= last for at in array.writes):
            after = whole(value) if array.is_result else hull(read(steps[last + 1 :], value))
            store = common(hull(written(steps[: last + 1], value)), after)
        return Resident(value, array.layout, array.lane_bytes, first, last, load, store)


def _elements(step: Step) -> int:
    """Elements that a nest stores, if its iterations store different ones."""
    return prod(step.nest.extents[loop] for loop in step.nest.parallel)


def _volume(box: Box) -> int:
    return prod(high - low + 1 for low, high in box)


def plan_of(steps: Sequence[Step], machine: Machine, effort: int) -> Plan | None:
    """A plan that can be packed; None where there is none even with half of the scratchpad left empty.

    A packing may need gaps, so that plans are made for less and less of the capacity until one is found.
    """
    capacity, solver = machine.usable_bytes_per_lane, Solver(nodes=PACKING_NODES, blame=False)
    for part in (1.0, 0.97, 0.93, 0.88, 0.8, 0.7, 0.5):
        planner = Planner(steps, machine, int(capacity * part), EFFORTS[effort])
        plan = planner.plan()
        if plan is None:
            return None
        if isinstance(solver.solve(planner.problem(plan)), Solution):
            return plan
    return None


def dram_bytes(tiling: NestTiling, choice: Choice, on_chip: frozenset[ir.Value]) -> int:
    """Bytes that the transfers of a nest's tiles move in DRAM."""
    trips = [ceil(extent / size) for extent, size in zip(tiling.nest.extents, choice.sizes, strict=True)]
    total = 0
    for buffer in tiling.buffers:
        if buffer.access.array in on_chip:
            continue
        times = prod(trips[loop] for loop in choice.order[: depth_of(buffer.loops, trips, choice.order)])
        moved = buffer.elements(choice.sizes, tiling.blocks) * element_bytes(buffer.element)
        total += times * (buffer.loaded + buffer.stored) * moved
    return total
