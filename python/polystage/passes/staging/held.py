"""Windows on chip position by position: boxes of numbers from the intervals of a sweep (mechanism of ``stage``)."""

from collections.abc import Sequence
from dataclasses import dataclass

from polystage.analysis.index_boxes import Box
from polystage.analysis.intervals import Bound, Interval, Mask
from polystage.analysis.layouts import Layout
from polystage.analysis.windows import Window


@dataclass(frozen=True)
class Held:
    """A window as it lies on chip; ``kept``: some step finds part of the one before in it."""

    window: Window
    layout: Layout
    kept: bool


def value(bound: Bound, sweep: int, step: int) -> int:
    """A bound at one position."""
    if isinstance(bound, int):
        return bound
    rows, columns = bound.shape
    return int(bound[sweep if rows > 1 else 0, step if columns > 1 else 0])


def box_at(dims: Sequence[Interval], sweep: int, step: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Starts and extents of a box at one position."""
    lows = tuple(value(interval.low, sweep, step) for interval in dims)
    highs = tuple(value(interval.high, sweep, step) for interval in dims)
    return lows, tuple(max(0, high - low) for low, high in zip(lows, highs, strict=True))


def kept_at(window: Window, sweep: int, step: int) -> tuple[int, int]:
    """How many elements along the sliding dimension stay from the step before, and how far they move."""
    if step == 0 or window.sliding is None:
        return 0, 0
    low, high = window.dims[window.sliding]
    base, before = value(low, sweep, step), value(low, sweep, step - 1)
    return max(0, min(value(high, sweep, step - 1), value(high, sweep, step)) - base), base - before


def clipped(lows: Sequence[int], extents: Sequence[int], box: Box) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What a box of starts and extents shares with another of least and greatest indices."""
    first = tuple(max(low, least) for low, (least, _) in zip(lows, box, strict=True))
    ends = [min(low + extent, most + 1) for low, extent, (_, most) in zip(lows, extents, box, strict=True)]
    return first, tuple(max(0, end - low) for low, end in zip(first, ends, strict=True))


def held(window: Window, layout: Layout) -> Held:
    """The window with that layout."""
    return Held(window, layout, window.sliding is not None and not window.transient)


def is_active(active: Mask | None, s: int, t: int) -> bool:
    """Whether something happens at a position."""
    if active is None:
        return True
    rows, columns = active.shape
    return bool(active[s if rows > 1 else 0, t if columns > 1 else 0])


def extents_of(box: Box) -> tuple[int, ...]:
    """Elements along each dimension of a box."""
    return tuple(high - low + 1 for low, high in box)
