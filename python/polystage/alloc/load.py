"""The demand of a moment: what no packing can go below."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

from polystage.alloc.problem import Buffer


@dataclass(frozen=True)
class Moment:
    """The buffers live at ``time``; no packing of them takes fewer than ``demand`` bytes."""

    time: int
    live: tuple[Buffer, ...]
    demand: int

    def irreducible(self, capacity: int) -> tuple[Buffer, ...]:
        """The fewest of the largest buffers whose demand is above ``capacity``: without any one of them it is not."""
        ordered = sorted(self.live, key=lambda buffer: (-buffer.size, buffer.name))
        counts = range(1, len(ordered) + 1)
        return tuple(ordered[: counts[bisect_right(counts, capacity, key=lambda count: _demand(ordered[:count]))]])


def fullest(buffers: Sequence[Buffer]) -> Moment:
    """The moment of greatest demand. Where a buffer is handed over to one that reuses it, the larger of them counts."""
    real = [buffer for buffer in buffers if buffer.size and buffer.lower < buffer.upper]
    unit = _unit(real)
    rounded = {buffer.name: -(-buffer.size // unit) * unit for buffer in real}
    named = {buffer.name: buffer for buffer in real}
    changes = [(buffer.lower, rounded[buffer.name]) for buffer in real]
    changes += [(buffer.upper, -rounded[buffer.name]) for buffer in real]
    for buffer in real:
        if buffer.reuses is not None and buffer.lower < named[buffer.reuses].upper:
            shared = min(rounded[buffer.name], rounded[buffer.reuses])
            changes += [(buffer.lower, -shared), (named[buffer.reuses].upper, shared)]
    total = most = time = 0
    for at, change in sorted(changes):
        total += change
        if total > most:
            most, time = total, at
    live = tuple(buffer for buffer in real if buffer.lower <= time < buffer.upper)
    demand = _demand(live)
    largest = max(buffers, key=lambda each: each.size, default=None)
    if largest is not None and largest.size > demand:
        return Moment(largest.lower, (largest,), largest.size)
    return Moment(time, live, demand)


def _demand(live: Sequence[Buffer]) -> int:
    """Bytes that buffers of one moment need: sizes in units of the common alignment, but for the topmost one's."""
    unit = _unit(live)
    rounded = {buffer.name: -(-buffer.size // unit) * unit for buffer in live}
    shared = sum(
        min(rounded[buffer.name], rounded[buffer.reuses]) for buffer in live if buffer.reuses in rounded
    )  # fmt: skip
    padding = max((rounded[buffer.name] - buffer.size for buffer in live), default=0)
    return sum(rounded.values()) - shared - padding


def _unit(buffers: Sequence[Buffer]) -> int:
    return gcd(*(buffer.alignment for buffer in buffers)) or 1
