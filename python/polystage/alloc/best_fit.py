"""Best fit over a fixed list of orders: cheap, and enough for programs whose pressure is not extreme.

Blocks are placed one by one, pinned ones first, each into the lowest or the tightest gap between those that are placed
and live at the same time. The first attempt goes in program order and keeps what is live in a sorted list; only when
its packing is too high are the pairs that are live together listed, for the other orders.
"""

import heapq
from bisect import bisect_right, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from polystage.alloc.blocks import Block

_PAIR_VISITS = 5_000_000  # fewer orders are tried where more pairs are live together


@dataclass(frozen=True)
class Packing:
    """An offset for every block, and the end of the highest one; it may be above capacity."""

    offsets: tuple[int, ...]
    height: int


def best_fit(blocks: Sequence[Block], capacity: int, attempts: int | None = None) -> Packing:
    """The first packing within ``capacity``, or else the lowest one of the first ``attempts``, by default of all."""
    best: Packing | None = None
    for offsets in islice(_attempts(blocks), attempts):
        height = max((offset + block.size for offset, block in zip(offsets, blocks, strict=True)), default=0)
        if best is None or height < best.height:
            best = Packing(tuple(offsets), height)
        if best.height <= capacity:
            break
    assert best is not None
    return best


def _attempts(blocks: Sequence[Block]) -> Iterator[list[int]]:
    """Packings of all blocks, one for each order and way to choose a gap, none twice for the same order."""
    pinned = any(block.pin is not None for block in blocks)
    if not pinned:
        yield _sweep(blocks)
    pairs = 1 + _pairs(blocks)
    if pairs > _PAIR_VISITS and not pinned:
        return
    neighbours = _neighbours(blocks)
    orders = dict.fromkeys(_orders(blocks, neighbours))
    for order in list(orders)[: max(1, _PAIR_VISITS // pairs)]:
        yield _pack(blocks, order, neighbours, tightest=False)
        yield _pack(blocks, order, neighbours, tightest=True)


def _pairs(blocks: Sequence[Block]) -> int:
    """How many pairs are live together at some time."""
    ends = sorted(block.upper for block in blocks)
    starts = sorted(block.lower for block in blocks)
    return sum(i - bisect_right(ends, lower) for i, lower in enumerate(starts))


def _sweep(blocks: Sequence[Block]) -> list[int]:
    """Program order, larger blocks first where several start at once; each in the lowest gap."""
    offsets = [0] * len(blocks)
    live: list[tuple[int, int, int]] = []  # start, end, time of death; by start
    due: list[int] = []
    for i in sorted(range(len(blocks)), key=lambda i: (blocks[i].lower, -blocks[i].size, i)):
        block = blocks[i]
        if due and due[0] <= block.lower:
            live = [each for each in live if each[2] > block.lower]
            while due and due[0] <= block.lower:
                heapq.heappop(due)
        offsets[i] = _place(block, live, tightest=False)
        insort(live, (offsets[i], offsets[i] + block.size, block.upper))
        heapq.heappush(due, block.upper)
    return offsets


def _neighbours(blocks: Sequence[Block]) -> list[list[int]]:
    """For every block the positions of those that are live with it at some time."""
    result: list[list[int]] = [[] for _ in blocks]
    live: dict[int, None] = {}
    expiry: list[tuple[int, int]] = []
    for i in sorted(range(len(blocks)), key=lambda i: blocks[i].lower):
        while expiry and expiry[0][0] <= blocks[i].lower:
            del live[heapq.heappop(expiry)[1]]
        for other in live:
            result[other].append(i)
        result[i] = list(live)
        live[i] = None
        heapq.heappush(expiry, (blocks[i].upper, i))
    return result


def _orders(blocks: Sequence[Block], neighbours: Sequence[Sequence[int]]) -> Iterator[tuple[int, ...]]:
    """By program order, size, area, lifetime, contention and their product, greatest first; pins lead."""
    contention = [sum(blocks[j].size for j in near) + blocks[i].size for i, near in enumerate(neighbours)]
    life = [block.upper - block.lower for block in blocks]
    keys = [
        [(block.lower, -block.size) for block in blocks],
        [(-block.size, -life[i]) for i, block in enumerate(blocks)],
        [(-block.size * life[i], -block.size) for i, block in enumerate(blocks)],
        [(-life[i], -block.size) for i, block in enumerate(blocks)],
        [(-contention[i], -block.size) for i, block in enumerate(blocks)],
        [(-contention[i] * block.size, -life[i]) for i, block in enumerate(blocks)],
    ]
    free = [block.pin is None for block in blocks]
    for key in keys:
        yield tuple(sorted(range(len(blocks)), key=lambda i: (free[i], key[i], i)))


def _pack(
    blocks: Sequence[Block], order: Sequence[int], neighbours: Sequence[Sequence[int]], *, tightest: bool
) -> list[int]:
    """Offsets of all blocks, placed in that order."""
    offsets = [-1] * len(blocks)
    for i in order:
        pin = blocks[i].pin
        if pin is not None:
            offsets[i] = pin
            continue
        taken = sorted((offsets[j], offsets[j] + blocks[j].size, 0) for j in neighbours[i] if offsets[j] >= 0)
        offsets[i] = _place(blocks[i], taken, tightest=tightest)
    return offsets


def _place(block: Block, taken: Sequence[tuple[int, int, int]], *, tightest: bool) -> int:
    """The lowest legal offset, or the one whose gap leaves least; above everything when no gap is wide enough."""
    floor, found, least = 0, -1, 0
    for start, end, _ in taken:
        left = start - floor - block.size
        if left >= 0 and (found < 0 or left < least):
            found, least = floor, left
            if not tightest:
                return found
        floor = max(floor, -(-end // block.alignment) * block.alignment)
    return found if found >= 0 else floor
