"""Where transfers of a block start and are waited for (``pipeline-dma``, inside of blocks).

A start moves up and a wait moves down, past items and other transfers that do not conflict with it, by at most
``lookahead`` transfers and only where the buffers whose lives this lengthens find room. Items keep their order, and
transfers that conflict stay one behind the other.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from torch_mlir import ir

from polystage.passes._pipeline_accesses import Reader, Touched
from polystage.passes._pipeline_blocks import Block, Flight, Life


@dataclass(frozen=True)
class Bounds:
    """``limit``: bytes of a lane that may be live where a life gets longer; ``lookahead``: transfers moved past."""

    limit: int
    lookahead: int


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

    def run(self) -> int:
        moved = 0
        for flight in self.block.flights:
            if flight.start is not None:
                gap = self.afford_start(flight, self.earliest(flight))
                moved += gap < flight.departs
                flight.departs = gap
        for flight in self.block.flights:
            if flight.wait is not None:
                flight.lands = self.afford_wait(flight, self.latest(flight))
        return moved

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
    for op, touched in _sequence(block, reader):
        for each in touched:
            life = waiting.pop(each.memref, None)
            if life is not None:
                life.alloc.move_before(terminator)
        op.move_before(terminator)
    for item in block.items:
        if item.body is not None:
            write(item.body, reader)


def _sequence(block: Block, reader: Reader) -> Iterator[tuple[ir.Operation, tuple[Touched, ...]]]:
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
                    yield other.wait, ()
                    pending.remove(other)
            yield flight.start, flight.touched
        for flight in pending:
            assert flight.wait is not None
            yield flight.wait, ()
        if gap < len(block.items):
            yield block.items[gap].op, block.items[gap].touched
