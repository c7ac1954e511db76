"""The packing problem over sections of time: the form that the search and the merging of items work on.

A *section* is a moment at which the live set is maximal; the other moments add nothing, because what overlaps in time
overlaps in some section. An *item* has one offset, a flat bottom, and a height in each of the sections from ``first``
to ``last``. Heights and offsets are in units of the greatest common alignment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

from polystage.alloc.blocks import Block


@dataclass(frozen=True)
class Item:
    """Heights in the sections ``first`` to ``last``; the offset is at most ``limit`` and a multiple of ``step``."""

    first: int
    last: int
    heights: tuple[int, ...]
    limit: int
    step: int = 1
    pin: int | None = None

    @property
    def plain(self) -> bool:
        """Whether it is a rectangle that may lie anywhere."""
        return self.step == 1 and self.pin is None and min(self.heights) == max(self.heights)


@dataclass(frozen=True)
class Instance:
    """Items over sections.

    For each section: ``covers`` has the items, ``loads`` the sum of their heights, ``ceilings`` the height that a stack
    of them may reach (more than fits where the topmost item is rounded up to a unit). For each item: ``forbidden`` has
    the open ranges of offsets that pinned items rule out, in ascending order.
    """

    items: tuple[Item, ...]
    covers: tuple[tuple[int, ...], ...]
    loads: tuple[int, ...]
    ceilings: tuple[int, ...]
    forbidden: tuple[tuple[tuple[int, int], ...], ...]

    @property
    def full(self) -> tuple[bool, ...]:
        """For each section, whether not one unit may be lost there."""
        return tuple(load == ceiling for load, ceiling in zip(self.loads, self.ceilings, strict=True))


def instance_of(blocks: Sequence[Block], capacity: int) -> tuple[Instance, int]:
    """The instance whose items are ``blocks``, in their order, and the bytes of its unit."""
    unit = gcd(*(block.alignment for block in blocks)) or 1
    times = sorted({time for block in blocks for each in block.members for time in (each.lower, each.upper)})
    index = {time: k for k, time in enumerate(times)}
    items: list[Item] = []
    for block in blocks:
        first, end = index[block.lower], index[block.upper]
        heights = [0] * (end - first)
        for each in block.members:
            for k in range(index[each.lower], index[each.upper]):
                heights[k - first] = max(heights[k - first], -(-each.size // unit))
        pin = None if block.pin is None else block.pin // unit
        limit = (capacity - block.size) // unit
        items.append(Item(first, end - 1, tuple(heights), limit, block.alignment // unit, pin))
    return compress(items, len(times) - 1), unit


def compress(items: Sequence[Item], count: int) -> Instance:
    """The instance of ``items``, which lie in ``count`` sections; those that add nothing are dropped."""
    kept = _maximal(items, count)
    before = [0] * (count + 1)
    for k in range(count):
        before[k + 1] = before[k] + kept[k]
    mapped: list[Item] = []
    covers: list[list[int]] = [[] for _ in range(before[count])]
    for i, item in enumerate(items):
        heights = tuple(height for k, height in enumerate(item.heights, item.first) if kept[k])
        first, last = before[item.first], before[item.last + 1] - 1
        mapped.append(Item(first, last, heights, item.limit, item.step, item.pin))
        for k in range(first, last + 1):
            covers[k].append(i)
    loads = tuple(sum(mapped[i].heights[k - mapped[i].first] for i in cover) for k, cover in enumerate(covers))
    ceilings = tuple(
        max(mapped[i].limit + mapped[i].heights[k - mapped[i].first] for i in cover) for k, cover in enumerate(covers)
    )
    return Instance(tuple(mapped), tuple(map(tuple, covers)), loads, ceilings, _forbidden(mapped, covers))


def _maximal(items: Sequence[Item], count: int) -> list[bool]:
    """For each section whether it is where something grew before and something shrinks after."""
    grows, shrinks = [False] * (count + 1), [False] * (count + 1)
    for item in items:
        grows[item.first] = shrinks[item.last + 1] = True
        for k, (height, after) in enumerate(zip(item.heights, item.heights[1:], strict=False), item.first + 1):
            grows[k] |= after > height
            shrinks[k] |= after < height
    kept = [False] * count
    grown = False
    for k in range(count):
        grown |= grows[k]
        if grown and shrinks[k + 1]:
            kept[k], grown = True, False
    return kept


def _forbidden(items: Sequence[Item], covers: Sequence[Sequence[int]]) -> tuple[tuple[tuple[int, int], ...], ...]:
    ranges: list[set[tuple[int, int]]] = [set() for _ in items]
    for k, cover in enumerate(covers):
        pinned = [i for i in cover if items[i].pin is not None]
        for p in pinned:
            start = items[p].pin or 0
            end = start + items[p].heights[k - items[p].first]
            for i in cover:
                if items[i].pin is None:
                    ranges[i].add((start - items[i].heights[k - items[i].first], end))
    return tuple(tuple(sorted(each)) for each in ranges)
