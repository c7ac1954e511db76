"""Where transfers of a block start and are waited for (``pipeline-dma``, inside of blocks).

A start moves up and a wait moves down, past items and other transfers that do not conflict with it, by at most
``lookahead`` transfers and only where the buffers whose lives this lengthens find room. Items keep their order, and
transfers that conflict stay one behind the other. A start does not pass a load that is needed before where that would
start later for it than engines come there and one latency: what is needed last may not fill the queues first (earliest
deadline first).
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch_mlir import ir

from polystage.machine import Machine
from polystage.passes.pipelining.accesses import Reader, Touched
from polystage.passes.pipelining.blocks import Block, Flight, Life
from polystage.passes.pipelining.times import flight_ns, times_of


@dataclass(frozen=True)
class Bounds:
    """``limit``: bytes of a lane that may be live where a life gets longer; ``lookahead``: transfers moved past;
    ``machine`` says how long things take; ``apart``: items that a life may begin earlier.
    """

    limit: int
    lookahead: int
    machine: Machine
    apart: int = 0


def schedule(block: Block, reader: Reader, bounds: Bounds, around: int = 0) -> int:
    """Choose gaps for all transfers of ``block`` and the blocks inside; returns how many starts moved.

    ``around`` bytes of a lane are live around the block.
    """
    moved = _Schedule(block, reader, bounds, around).run()
    for number, item in enumerate(block.items):
        if item.body is not None:
            moved += schedule(item.body, reader, bounds, around + block.own[2 * number + 1] - item.body.peak)
    return moved


class _Schedule:
    def __init__(self, block: Block, reader: Reader, bounds: Bounds, around: int) -> None:
        self.block, self.reader, self.bounds = block, reader, bounds
        self.room = block.room = bounds.limit - around
        self.users: dict[int, list[tuple[int, Touched]]] = {}
        for number, item in enumerate(block.items):
            for each in item.touched:
                self.users.setdefault(each.memref, []).append((number, each))
        self.by_end: dict[int, list[Flight]] = {}
        for flight in sorted(block.flights, key=lambda each: each.end):
            for memref in _memrefs(flight):
                self.by_end.setdefault(memref, []).append(flight)
        self.by_begin: dict[int, list[Flight]] = {}
        for flight in block.flights:
            for memref in _memrefs(flight):
                self.by_begin.setdefault(memref, []).append(flight)
        self.floors, self.ceilings = _windows(block, bounds.lookahead)
        late = bounds.machine.dma.fixed_ns
        self.queue = _Queue([time + late for time in times_of(block, bounds.machine)], bounds.lookahead)

    def run(self) -> int:
        moved = 0
        self.keep_apart()
        for flight in self.block.flights:
            if flight.start is not None:
                ns = flight_ns(flight, self.bounds.machine)
                gap = self.afford_start(flight, self.queue.in_time(self.earliest(flight), ns))
                if not flight.stores:
                    self.queue.add(gap, ns)
                moved += gap < flight.departs
                flight.departs = gap
        for flight in self.block.flights:
            if flight.wait is not None:
                flight.lands = self.afford_wait(flight, self.latest(flight))
        return moved

    def keep_apart(self) -> None:
        """Let lives begin earlier where there is room: two buffers that follow each other at one address would make the
        engines wait for each other.
        """
        for memref, life in self.block.lives.items():
            if memref in self.by_begin or not life.size or life.first > life.last:
                continue
            first, least = life.first, max(0, life.first - 2 * self.bounds.apart)
            while first > least and life.size <= self.room - self.block.own[first - 1]:
                first -= 1
            if first < life.first:
                self.block.occupy(first, life.first - 1, life.size)
                life.first = first

    def earliest(self, flight: Flight) -> int:
        """The first gap from which on nothing conflicts with ``flight`` before its start."""
        low = self.floors[flight]
        for each in flight.touched:
            for number, other in self.items_before(each.memref, flight.departs):
                if number < low:
                    break
                if self.reader.conflict(each, other):
                    low = number + 1
                    break
            for other in reversed(self.by_end[each.memref]):
                if other.end >= flight.begin:
                    continue
                if other.lands <= low:
                    break
                if self.reader.conflicts(flight.touched, other.touched):
                    low = other.lands
                    break
        return low

    def latest(self, flight: Flight) -> int:
        """The last gap before which nothing conflicts with ``flight`` behind its wait."""
        high = self.ceilings[flight]
        for each in flight.touched:
            for number, other in self.items_from(each.memref, flight.lands):
                if number >= high:
                    break
                if self.reader.conflict(each, other):
                    high = number
                    break
            for other in self.by_begin[each.memref]:
                if other.begin <= flight.end or other.start is None:
                    continue
                if self.floors[other] >= high:
                    break
                if other.departs < high and self.reader.conflicts(flight.touched, other.touched):
                    high = other.departs
        return high

    def items_before(self, memref: int, gap: int) -> Iterator[tuple[int, Touched]]:
        """Accesses of an array by items before ``gap``, the nearest first."""
        users = self.users.get(memref, [])
        for k in range(bisect_left(users, gap, key=_number) - 1, -1, -1):
            yield users[k]

    def items_from(self, memref: int, gap: int) -> Iterator[tuple[int, Touched]]:
        """Accesses of an array by items behind ``gap``, the nearest first."""
        users = self.users.get(memref, [])
        for k in range(bisect_left(users, gap, key=_number), len(users)):
            yield users[k]

    def lives(self, flight: Flight) -> list[Life]:
        known = self.block.lives
        return [known[memref] for memref in _memrefs(flight) if memref in known and known[memref].size]

    def afford_start(self, flight: Flight, gap: int) -> int:
        """``gap``, or the first one behind it from which on the buffers of ``flight`` find room."""
        for life in self.lives(flight):
            for point in range(life.first - 1, 2 * gap - 1, -1):
                if self.block.own[point] + life.size > self.room:
                    gap = min(flight.departs, point // 2 + 1)
                    break
        for life in self.lives(flight):
            if 2 * gap < life.first:
                self.block.occupy(2 * gap, life.first - 1, life.size)
                life.first = 2 * gap
        return gap

    def afford_wait(self, flight: Flight, gap: int) -> int:
        """``gap``, or the last one before it up to which the buffers of ``flight`` find room."""
        for life in self.lives(flight):
            for point in range(life.last + 1, 2 * gap + 1):
                if self.block.own[point] + life.size > self.room:
                    gap = max(flight.lands, (point - 1) // 2)
                    break
        for life in self.lives(flight):
            if 2 * gap > life.last:
                self.block.occupy(life.last + 1, 2 * gap, life.size)
                life.last = 2 * gap
        return gap


class _Queue:
    """Transfers by the gap that they start in, as if the DMA engines carried one after the other.

    ``times`` are those until which they may start in each gap; only the latest ``most`` transfers are looked at.
    """

    def __init__(self, times: Sequence[float], most: int) -> None:
        self.times, self.most = times, most
        self.waiting: list[tuple[int, float]] = []  # gap and duration, by gap

    def in_time(self, gap: int, ns: float) -> int:
        """``gap``, or the first one behind it from which a transfer of ``ns`` makes none late that is there.

        Where the engines are idle before the next transfer, it delays none of them.
        """
        end, first = 0.0, gap
        for start, duration in self.waiting[-self.most :]:
            if start > first:
                if max(end, self.times[first]) + ns <= self.times[start]:
                    return first
                first = start
            end = max(end, self.times[start]) + duration
        return first

    def add(self, gap: int, ns: float) -> None:
        """One more transfer, behind those of the same gap."""
        insort(self.waiting, (gap, ns), key=_gap)


def _gap(entry: tuple[int, float]) -> int:
    return entry[0]


def _number(user: tuple[int, Touched]) -> int:
    return user[0]


def _memrefs(flight: Flight) -> Iterator[int]:
    return iter(dict.fromkeys(each.memref for each in flight.touched))


def _windows(block: Block, lookahead: int) -> tuple[dict[Flight, int], dict[Flight, int]]:
    """For each flight the first gap it may start in and the last one it may be waited for in."""
    gaps = [flight.departs for flight in block.flights if flight.start is not None]
    floors: dict[Flight, int] = {}
    ceilings: dict[Flight, int] = {}
    count = 0
    for flight in block.flights:
        floors[flight] = gaps[count - lookahead] if count >= lookahead else 0
        after = count + lookahead
        ceilings[flight] = max(flight.lands, gaps[after] if after < len(gaps) else len(block.items))
        count += flight.start is not None
    return floors, ceilings


def write(block: Block, reader: Reader) -> None:
    """Bring the operations of ``block`` and the blocks inside into the order that was chosen.

    Each buffer is allocated right before its first use.
    """
    terminator = list(block.block.operations)[-1].operation
    waiting = dict(block.lives)
    unused = [life.alloc for life in block.lives.values() if life.first > life.last]
    for op in [*block.free, *unused]:
        op.move_before(terminator)
    for point, op, touched in _sequence(block, reader):
        early = [memref for memref, life in waiting.items() if life.first <= point]
        for memref in [*early, *(each.memref for each in touched)]:
            life = waiting.pop(memref, None)
            if life is not None:
                life.alloc.move_before(terminator)
        op.move_before(terminator)
    for item in block.items:
        if item.body is not None:
            write(item.body, reader)


def _sequence(block: Block, reader: Reader) -> Iterator[tuple[int, ir.Operation, tuple[Touched, ...]]]:
    """Operations in their order, each with its point and what it touches."""
    starts: dict[int, list[Flight]] = {}
    waits: dict[int, list[Flight]] = {}
    for flight in block.flights:
        if flight.start is not None:
            starts.setdefault(flight.departs, []).append(flight)
        if flight.wait is not None:
            waits.setdefault(flight.lands, []).append(flight)
    for gap in range(len(block.items) + 1):
        pending = sorted(waits.get(gap, []), key=lambda flight: flight.end)
        for flight in starts.get(gap, []):
            assert flight.start is not None
            crowded = block.mixed[2 * gap] > block.room
            for other in [each for each in pending if each.end < flight.begin]:
                if crowded or reader.conflicts(other.touched, flight.touched):
                    assert other.wait is not None
                    yield 2 * gap, other.wait, ()
                    pending.remove(other)
            yield 2 * gap, flight.start, flight.touched
        for flight in pending:
            assert flight.wait is not None
            yield 2 * gap, flight.wait, ()
        if gap < len(block.items):
            yield 2 * gap + 1, block.items[gap].op, block.items[gap].touched
