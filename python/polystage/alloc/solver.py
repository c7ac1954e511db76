"""Best-fit packing over a fixed list of orders: deterministic, and enough for programs whose pressure is not extreme.

Each attempt places the buffers one by one, pinned ones first, into the lowest or the tightest gap between those that
are placed and live at the same time. The first packing within capacity is the answer. An attempt takes time linear in
the number of pairs of buffers that are live together, but for sorting.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import gcd
from types import MappingProxyType

from polystage.alloc.problem import Buffer, Infeasible, Problem, Solution
from polystage.errors import UserError


def solve(problem: Problem) -> Solution | Infeasible:
    """Offsets for every buffer, or why there are none; ``Infeasible.proved`` says whether none can exist.

    Raises UserError when a pin by itself is impossible: beyond capacity, or on top of another.
    """
    buffers = problem.buffers
    moment = _fullest(buffers)
    if moment.demand > problem.capacity:
        return Infeasible(moment.demand, problem.capacity, moment.time, moment.live, proved=True)
    neighbours = _neighbours(buffers)
    _check_pins(problem, neighbours)
    best, peak = [0] * len(buffers), 0
    for attempt, offsets in enumerate(_attempts(buffers, neighbours)):
        height = max((offset + buffer.size for offset, buffer in zip(offsets, buffers, strict=True)), default=0)
        if attempt == 0 or height < peak:
            best, peak = offsets, height
        if peak <= problem.capacity:
            names = (buffer.name for buffer in buffers)
            return Solution(MappingProxyType(dict(zip(names, best, strict=True))))
    return Infeasible(peak, problem.capacity, moment.time, moment.live, proved=False)


@dataclass(frozen=True)
class _Moment:
    """The buffers live at ``time``; no packing of them takes fewer than ``demand`` bytes."""

    time: int
    live: tuple[Buffer, ...]
    demand: int


def _fullest(buffers: Sequence[Buffer]) -> _Moment:
    """The moment of greatest demand. Sizes count in units of the common alignment, but for the topmost buffer's."""
    real = [buffer for buffer in buffers if buffer.size and buffer.lower < buffer.upper]
    unit = gcd(*(buffer.alignment for buffer in real)) or 1
    rounded = {buffer.name: -(-buffer.size // unit) * unit for buffer in real}
    changes = [(buffer.lower, 1, buffer.name) for buffer in real] + [(buffer.upper, 0, buffer.name) for buffer in real]
    total = most = time = 0
    for at, starts, name in sorted(changes):
        total += rounded[name] if starts else -rounded[name]
        if total > most:
            most, time = total, at
    live = tuple(buffer for buffer in real if buffer.lower <= time < buffer.upper)
    padding = max((rounded[buffer.name] - buffer.size for buffer in live), default=0)
    return _Moment(time, live, most - padding)


def _neighbours(buffers: Sequence[Buffer]) -> list[list[int]]:
    """For every buffer the positions of those that are live with it at some time."""
    result: list[list[int]] = [[] for _ in buffers]
    live: dict[int, None] = {}
    expiry: list[tuple[int, int]] = []
    for i in sorted(range(len(buffers)), key=lambda i: buffers[i].lower):
        buffer = buffers[i]
        if not buffer.size or buffer.lower == buffer.upper:
            continue
        while expiry and expiry[0][0] <= buffer.lower:
            del live[heapq.heappop(expiry)[1]]
        for other in live:
            result[other].append(i)
        result[i] = list(live)
        live[i] = None
        heapq.heappush(expiry, (buffer.upper, i))
    return result


def _check_pins(problem: Problem, neighbours: Sequence[Sequence[int]]) -> None:
    for i, buffer in enumerate(problem.buffers):
        if buffer.pin is None:
            continue
        if buffer.pin + buffer.size > problem.capacity:
            raise UserError(
                f"buffer {buffer.name} is pinned at {buffer.pin} and ends at {buffer.pin + buffer.size}, "
                f"beyond the capacity of {problem.capacity} bytes"
            )
        for other in (problem.buffers[j] for j in neighbours[i]):
            if other.pin is not None and other.pin <= buffer.pin < other.pin + other.size:
                raise UserError(f"buffers {other.name} and {buffer.name} are live together and pinned on each other")


def _attempts(buffers: Sequence[Buffer], neighbours: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Packings of all buffers, one per order and way to choose a gap, none twice for the same order."""
    tried = set[tuple[int, ...]]()
    for order in _orders(buffers, neighbours):
        if order not in tried:
            tried.add(order)
            yield _pack(buffers, order, neighbours, tightest=False)
            yield _pack(buffers, order, neighbours, tightest=True)


def _orders(buffers: Sequence[Buffer], neighbours: Sequence[Sequence[int]]) -> Iterator[tuple[int, ...]]:
    """Program order, then by size, area, lifetime, contention and their product, greatest first; pins lead."""
    contention = [sum(buffers[j].size for j in near) + buffers[i].size for i, near in enumerate(neighbours)]
    life = [buffer.upper - buffer.lower for buffer in buffers]
    keys = [
        [(buffer.lower, -buffer.size) for buffer in buffers],
        [(-buffer.size, -life[i]) for i, buffer in enumerate(buffers)],
        [(-buffer.size * life[i], -buffer.size) for i, buffer in enumerate(buffers)],
        [(-life[i], -buffer.size) for i, buffer in enumerate(buffers)],
        [(-contention[i], -buffer.size) for i, buffer in enumerate(buffers)],
        [(-contention[i] * buffer.size, -life[i]) for i, buffer in enumerate(buffers)],
    ]
    pinned = [buffer.pin is None for buffer in buffers]
    for key in keys:
        yield tuple(sorted(range(len(buffers)), key=lambda i: (pinned[i], key[i], i)))


def _pack(
    buffers: Sequence[Buffer], order: Sequence[int], neighbours: Sequence[Sequence[int]], *, tightest: bool
) -> list[int]:
    """Offsets of all buffers, placed in that order."""
    offsets = [-1] * len(buffers)
    for i in order:
        pin = buffers[i].pin
        if pin is not None:
            offsets[i] = pin
            continue
        taken = sorted((offsets[j], offsets[j] + buffers[j].size) for j in neighbours[i] if offsets[j] >= 0)
        offsets[i] = _place(buffers[i], taken, tightest=tightest)
    return offsets


def _place(buffer: Buffer, taken: Sequence[tuple[int, int]], *, tightest: bool) -> int:
    """The lowest legal offset, or the one whose gap leaves least; above everything when no gap is wide enough."""
    floor, found, least = 0, -1, 0
    for start, end in taken:
        left = start - floor - buffer.size
        if left >= 0 and (found < 0 or left < least):
            found, least = floor, left
            if not tightest:
                return found
        floor = max(floor, -(-end // buffer.alignment) * buffer.alignment)
    return found if found >= 0 else floor
