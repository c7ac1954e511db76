"""Searches for a plan of the whole schedule: groups, their tiles, and what stays on chip (policy of ``stage``).

A dynamic programme over positions in the schedule whose state is what is on chip. From a state the next nest runs by
itself, or the next nests run as a group under shared tile loops; what they make or read and is used again stays on
chip where there is room, nearest next use first; what stands in the way of a segment leaves, farthest next use first.
The cost is DRAM bytes, and a part of those that could move besides in the same time if descriptors were long ones: a
small part where plans move little more than they must, so that bytes come first, a larger one in budgets so small that
they move much more in any case. A beam of states is kept at each position.

The first pass takes every nest by itself. If that moves more than it must, the second one takes groups of any length
that begin and end where little lives across, the third one all short groups where intermediates still move, and a last
one weighs time more where much more moves than must.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch_mlir import ir

from polystage.alloc import Buffer, Problem, Solution, Solver
from polystage.machine import Machine
from polystage.passes.staging.borders import borders_of
from polystage.passes.staging.group_search import GroupSearch
from polystage.passes.staging.groups import Outline
from polystage.passes.staging.outlines import Outlines
from polystage.passes.staging.partial import opened, with_borders, with_slices
from polystage.passes.staging.patterns import Patterns
from polystage.passes.staging.plan import Plan, Segment, State
from polystage.passes.staging.plan_residents import plan_that_led_to
from polystage.passes.staging.program import Program
from polystage.passes.staging.schedule import Step
from polystage.passes.staging.streams import Streams
from polystage.passes.staging.sums import Sums
from polystage.passes.staging.waists import waists


@dataclass(frozen=True)
class Effort:
    """How far the search goes: states kept at a position, nests in a group besides initialisations.

    ``work`` bounds all passes over the schedule, in nests of groups swept (about 0.2 ms each), the first of them half
    of it: a part for each position, as large as the groups that may begin there, and what those before have left.
    """

    beam: int
    longest: int
    work: int = 0


PACKING_NODES = 3000  # of the search for a packing of one plan
MAX_MISSES = 12  # sinks in a row with which no group fits, after which longer groups are not tried
EFFORTS = (Effort(1, 1), Effort(2, 8, 20_000), Effort(4, 24, 100_000), Effort(12, 32, 2_000_000))
BYTES_FIRST, TIME_FIRST = 128, 16  # parts of the bytes that could move besides which count
FAR = 1.5  # times the compulsory bytes: more are a matter of time
NEAR = 1.01  # times the compulsory bytes: less is not worth a search for groups


@dataclass(frozen=True)
class Freedom:
    """What plans may do: arrays stay on chip between segments, or parts of them; windows keep what they need again;
    windows of sums lie in PSUM.
    """

    whole: bool = True
    parts: bool = True
    windows: bool = True
    sums: bool = True


@dataclass
class Planner:
    """Searches plans for one schedule in so many bytes of each lane."""

    program: Program
    outlines: Outlines
    capacity: int
    effort: Effort
    freedom: Freedom
    hot: frozenset[int] = frozenset()
    part: int = BYTES_FIRST

    def __post_init__(self) -> None:
        program = self.program
        self.waists = waists(program.arrays.values(), program.starts, len(program.steps))
        self.arrays, self.steps, self.touches, self.needs = (
            program.arrays, program.steps, program.touches, program.needs,
        )  # fmt: skip
        self.groups = GroupSearch(self.steps, program.machine, self.capacity, self.outlines, self.waists)

    def plan(self) -> Plan | None:
        """The best plan found; None where no segment fits somewhere."""
        alone = self.search(Effort(1, 1))
        if (alone is not None and alone.cost <= NEAR * self.program.compulsory) or self.effort.longest == 1:
            return None if alone is None else plan_that_led_to(alone, self.program)
        best = self.least(alone, self.search(self.effort, alone))
        self.hot = frozenset(self.crowded(best))
        if self.hot and (best is None or best.cost > NEAR * self.program.compulsory):
            best = self.least(best, self.search(self.effort, best))
        if best is not None and best.cost > FAR * self.program.compulsory:
            self.part = TIME_FIRST
            best = self.least(best, self.search(self.effort, best))
        return None if best is None else plan_that_led_to(best, self.program)

    def least(self, *states: State | None) -> State | None:
        """The state of least cost."""
        return min(
            [state for state in states if state is not None], key=lambda state: state.price(self.part), default=None
        )

    def crowded(self, state: State | None) -> Iterator[int]:
        """Nests near the ends of segments that move intermediates, or arguments again, and those before.

        Segments that move so little more that all of them together do not matter (`NEAR`) do not count.
        """
        if state is None:
            yield from range(len(self.steps))
        chain, came = list[State](), set[ir.Value]()
        while state is not None:
            chain.append(state)
            state = state.before
        little = (NEAR - 1) * self.program.compulsory / max(1, len(chain))
        for before, after in pairwise(reversed(chain)):
            first, last = before.position, after.position - 1
            touched = {value for k in range(first, last + 1) for value in self.touches[k]} - came
            arguments = sum(self.arrays[v].bytes for v in touched if self.arrays[v].kind != "intermediate")
            came |= touched
            if after.cost - before.cost > arguments + little:
                near = 2 * self.effort.longest
                yield from range(max(0, first - near), min(first + near, last + 1))
                yield from range(max(first, last - near), last + 1)

    def search(self, effort: Effort, best: State | None = None) -> State | None:
        """The cheapest way through the whole schedule; None if no way fits, or is cheaper than the best one known."""
        count = len(self.steps)
        layers: list[dict[frozenset[ir.Value], State]] = [{} for _ in range(count + 1)]
        layers[0][frozenset()] = State(0, 0, frozenset(), frozenset())
        sizes = [sum(last + 1 - k for last in self.lasts(k, effort)) for k in range(count)]
        work = effort.work if self.hot else effort.work // 2
        share = max(0, work - self.outlines.spent) / max(1, sum(sizes))
        self.groups.allowance = self.outlines.spent
        for position in range(count):
            self.groups.allowance += share * sizes[position]
            states = sorted(layers[position].values(), key=lambda s: s.price(self.part))[: effort.beam]
            layers[position] = {}
            for state in states:
                least = state.price(self.part)[0] + self.program.later[position]
                if best is not None and least >= best.price(self.part)[0]:
                    break
                for after in self.successors(state, effort):
                    known = layers[after.position].get(after.on_chip)
                    if known is None or after.price(self.part) < known.price(self.part):
                        layers[after.position][after.on_chip] = after
        return min(layers[count].values(), key=lambda s: s.price(self.part), default=None)

    def successors(self, state: State, effort: Effort) -> Iterator[State]:
        """What a state leads to: the next nest by itself, or a group that begins with it."""
        k = state.position
        alone = self.run_single(state, k)
        if alone is not None:
            yield alone
        if effort.longest == 1:
            return
        misses = 0
        for last in self.lasts(k, effort):
            groups = [
                after for each in self.groups.candidates(k, last) if (after := self.run_group(state, each)) is not None
            ]
            yield from groups
            misses = 0 if groups else misses + 1
            if misses > MAX_MISSES:
                return

    def lasts(self, k: int, effort: Effort) -> Iterator[int]:
        """Where groups may end that begin at ``k``: anywhere near where it is crowded, and from waist to waist."""
        if not self.groups.starts_unit(k) or not (k in self.hot or k in self.waists):
            return
        count = int(bool(self.steps[k].nest.loads))
        for last in range(k + 1, len(self.steps)):
            if self.steps[last].nest.loads:
                count += 1
                near = k in self.hot and count <= effort.longest
                if near or (k in self.waists and last + 1 in self.waists):
                    yield last

    def run_single(self, state: State, k: int) -> State | None:
        """The nest by itself."""
        touched = self.touches[k]
        need = {k: self.needs[k]}
        made = self.make_room(state, k, k, need, frozenset(touched))
        if made is None:
            return None
        on_chip, dirty, cost, stores = made
        room = self.capacity - sum(self.arrays[v].lane_bytes for v in on_chip)
        kept, loads, held = set(on_chip), set[ir.Value](), set[ir.Value]()
        for value in self.by_next_use(touched, k):
            array = self.arrays[value]
            if value in kept or array.fixed or not self.program.solid(value, k):
                continue
            later = array.used_after(k) is not None and self.freedom.whole
            once = self.program.lanes_read(k, value) > 1 or (self.freedom.whole and self.program.both(k, value))
            if not later and not once:
                continue
            if array.lane_bytes + self.needs[k] <= room:
                room -= array.lane_bytes
                kept.add(value)
                if not later:
                    held.add(value)
                if self.program.has_contents(array, k):
                    loads.add(value)
                    cost += array.bytes
        found = self.program.single(k, frozenset(kept), room)
        if found is None:
            return None
        cost += found.moved
        written = self.steps[k].nest.store.array
        if written in kept:
            dirty |= {written}
        peak = self.capacity - room + self.needs[k]
        segment = Segment(k, k, None, frozenset(held))
        return self.after(state, k, k, frozenset(kept), dirty, cost, segment, loads, stores, peak, found.excess)

    def run_group(self, state: State, group: Outline) -> State | None:
        """A group, its arrays in windows but for those on chip; where there is no room, these leave before it."""
        touched = self.by_next_use([live.array for live in group.lives if live.array in state.on_chip], group.last)
        for count in range(len(touched) + 1):
            after = self.run_group_without(state, group, frozenset(touched[len(touched) - count :]))
            if after is not None:
                return after
        return None

    def run_group_without(self, state: State, group: Outline, evicted: frozenset[ir.Value]) -> State | None:
        """A group after some of its arrays left the chip."""
        first, last = group.first, group.last
        span = range(first, last + 1)
        lives = {live.array: live for live in group.lives}
        on_chip = state.on_chip - evicted
        if not self.program.solid_windows(group, on_chip) or not group.windowed.isdisjoint(on_chip):
            return None
        need = dict(zip(span, group.demands, strict=True))
        for live in (live for value, live in lives.items() if value in on_chip):
            for k in range(live.first, live.last + 1):
                need[k] -= live.bytes_per_lane
        for array in (self.arrays[value] for value in lives if value in on_chip and self.goes(value, last)):
            for k in range(group.stay(array.touched, comes=False, goes=True).stop, last + 1):
                need[k] -= array.lane_bytes
        room = self.make_room(state, first, last, need, frozenset(lives), evicted)
        if room is None:
            return None
        on_chip, dirty, cost, stores = room
        kept, loads = set(on_chip), set[ir.Value]()
        taken = sum(self.arrays[v].lane_bytes for v in on_chip)
        later = [v for v in lives if self.freedom.whole and self.arrays[v].used_after(last) is not None]
        for value in self.by_next_use(later, last):
            array, live = self.arrays[value], lives[value]
            if value in kept | group.windowed or array.fixed or not self.program.solid(value, first):
                continue
            filled = self.program.has_contents(array, first)
            stay = group.stay(array.touched, comes=not filled, goes=False)
            after = {
                k: need[k]
                + (array.lane_bytes if k in stay else 0)
                - (live.bytes_per_lane if live.first <= k <= live.last else 0)
                for k in span
            }
            if taken + max(after.values()) <= self.capacity:
                need = after
                kept.add(value)
                if filled:
                    loads.add(value)
                    cost += array.bytes
        for value in lives:
            if value not in kept:
                cost += group.moved[value]
            elif any(first <= k <= last for k in self.arrays[value].writes):
                dirty |= {value}
        peak = taken + max(need.values())
        segment = Segment(first, last, group)
        excess = sum(group.excess[value] for value in lives if value not in kept)
        return self.after(state, first, last, frozenset(kept), dirty, cost, segment, loads, stores, peak, excess)

    def goes(self, value: ir.Value, last: int) -> bool:
        """Whether an array that is on chip is of no use behind nest ``last``, neither there nor in DRAM."""
        return self.arrays[value].used_after(last) is None and not self.arrays[value].is_result

    def after(
        self, state: State, first: int, last: int, kept: frozenset[ir.Value], dirty: frozenset[ir.Value], cost: int,
        segment: Segment, loads: set[ir.Value], stores: frozenset[ir.Value], peak: int, excess: int,
    ) -> State:  # fmt: skip
        """The state behind a segment: what nobody uses any more is gone, results are stored."""
        alive = frozenset(v for v in kept if self.freedom.whole and self.arrays[v].used_after(last) is not None)
        for value in kept - alive:
            if self.arrays[value].is_result and value in dirty:
                cost += self.arrays[value].bytes
                excess += self.arrays[value].excess
        excess += sum(self.arrays[value].excess for value in (*loads, *(stores & state.dirty)))
        most = max(state.peak, peak)
        return State(
            last + 1, cost, alive, dirty & alive, state, segment, frozenset(loads), stores, most,
            state.excess + excess,
        )  # fmt: skip

    def make_room(
        self, state: State, first: int, last: int, need: dict[int, int], touched: frozenset[ir.Value],
        evicted: frozenset[ir.Value] = frozenset(),
    ) -> tuple[frozenset[ir.Value], frozenset[ir.Value], int, frozenset[ir.Value]] | None:  # fmt: skip
        """What of the state stays on chip during a segment; the rest leaves, farthest next use first.

        Also what of it DRAM does not have, the cost, and what has left. None if there is no room.
        """
        on_chip, dirty, cost = set(state.on_chip), state.dirty, state.cost
        stores, most = set(evicted), max(need.values())
        total = sum(self.arrays[v].lane_bytes for v in on_chip)
        leaving = sorted(on_chip - touched, key=lambda v: -(self.arrays[v].used_after(last) or 0))
        for value in (*evicted, *leaving):
            if value not in evicted and total + most <= self.capacity:
                break
            array = self.arrays[value]
            if value in dirty and not self.program.solid(value, first):
                continue
            total -= array.lane_bytes
            on_chip.discard(value)
            if value in dirty:
                cost += array.bytes
                stores.add(value)
                dirty -= {value}
        if total + most > self.capacity or not evicted.isdisjoint(on_chip):
            return None
        return frozenset(on_chip), dirty, cost, frozenset(stores)

    def by_next_use(self, values: Sequence[ir.Value], last: int) -> list[ir.Value]:
        """Arrays in the order of their next use after nest ``last``; small ones first among equals."""
        return sorted(values, key=lambda v: (self.arrays[v].used_after(last) or 0, self.arrays[v].lane_bytes))


def plan_of(steps: Sequence[Step], machine: Machine, effort: int, freedom: Freedom, most: float = 1) -> Plan | None:
    """A plan that can be packed; None where there is none even with half of the scratchpad left empty.

    A packing may need gaps, so that plans are made for less and less of the capacity, from ``most`` of it down, until
    one is found.
    """
    partial = freedom.parts and effort > 0
    program = Program(steps, machine, tuple(borders_of(steps, machine)) if partial else ())
    patterns = Patterns(steps, program.uses, program.needs)
    sums = Sums(steps, machine, program.layouts, freedom.sums)
    outlines = Outlines(program.uses, patterns, Streams(steps, machine, program.needs), sums, freedom.windows)
    for part in [each for each in (1.0, 0.97, 0.93, 0.88, 0.8, 0.7, 0.5) if each <= most]:
        planner = Planner(program, outlines, int(machine.usable_bytes_per_lane * part), EFFORTS[effort], freedom)
        plan = planner.plan()
        if plan is None:
            return None
        found = _packed(plan, planner, partial=partial)
        if found is not None:
            return found
    return None


def _packed(plan: Plan, planner: Planner, *, partial: bool) -> Plan | None:
    """The plan with as large parts of its other arrays on chip as can be packed; None where not even it can be."""
    solver = Solver(nodes=PACKING_NODES, blame=False)
    if partial:
        plan = with_borders(opened(plan, planner.program, planner.outlines.streams), planner.program)
    for part in (1.0, 0.97, 0.93, 0.88) if partial and plan.cost > planner.program.compulsory else ():
        more = with_slices(plan, planner.program, int(planner.capacity * part))
        if isinstance(solver.solve(packing(more, planner.program)), Solution):
            return more
    return plan if isinstance(solver.solve(packing(plan, planner.program)), Solution) else None


def packing(plan: Plan, program: Program) -> Problem:
    """The packing of a plan with the smallest tiles."""
    alignment = program.machine.alignment
    buffers = [
        Buffer(f"r.{k}", each.first, each.last + 1, each.bytes_per_lane, alignment)
        for k, each in enumerate((*plan.residents, *plan.slices))
    ]
    for segment in plan.segments:
        lives = segment.group.lives if segment.group is not None else ()
        on_chip = {each.array for each in plan.residents if each.meets(segment.first, segment.last)}
        buffers += [
            Buffer(f"w.{segment.first}.{k}", live.first, live.last + 1, live.bytes_per_lane, alignment)
            for k, live in enumerate(lives)
            if live.array not in on_chip
        ]
    needs = list(program.needs)
    for group in [segment.group for segment in plan.segments if segment.group is not None]:
        needs[group.first : group.last + 1] = group.needs
    buffers += [Buffer(f"t.{k}", k, k + 1, need, alignment) for k, need in enumerate(needs)]
    return Problem(program.machine.usable_bytes_per_lane, tuple(buffers))
