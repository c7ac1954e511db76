"""Items that fit each other exactly are merged, likeliest first: what makes perfect packings small.

Where two neighbouring sections are full, what ends there leaves exactly the space that what starts there takes. Seen
as a network whose nodes are these exchanges, whose edges are the items and whose flow is their height, a packing is a
planar drawing (the squared rectangles of Brooks, Smith, Stone and Tutte, 1940), and the rules are those that reduce
a network:

- *series*: an item and its successor of the same height become one;
- *parallel*: two items of the same sections are put on one another;
- *bridge*: the five rectangles of a pinwheel become one.

A rule may be wrong by accident of equal numbers; the expected number of such accidents orders the merges and bounds
them. So a merged instance may have no packing where the original has one, never the other way round.
"""

import heapq
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from polystage.alloc.sections import Instance, Item, compress

Part = tuple[int, int]  # a group, and its offset in the group it became part of
_Rule = tuple[str, tuple[int, ...]]  # its name, and the groups it makes one of


@dataclass(frozen=True)
class Merged:
    """``instance`` of ``len(roots)`` items; ``parts`` of every group, of which the first are the original items."""

    instance: Instance
    roots: tuple[int, ...]
    parts: tuple[tuple[Part, ...], ...]

    def expand(self, offsets: Sequence[int], count: int) -> list[int]:
        """The offsets of the ``count`` original items from those of the merged ones."""
        result = [0] * len(self.parts)
        for root, offset in zip(self.roots, offsets, strict=True):
            result[root] = offset
        for group in reversed(range(len(self.parts))):
            for part, above in self.parts[group]:
                result[part] = result[group] + above
        return result[:count]


def merge(instance: Instance, rng: random.Random, noise: float, accidents: float) -> Merged:
    """Merge while a rule applies that is right but for at most ``accidents`` expected coincidences.

    ``noise`` scatters the order in which rules are applied.
    """
    return _Merging(instance, rng, noise, accidents).run()


class _Merging:
    """The groups as they grow: groups that were merged away are gone from ``groups``."""

    def __init__(self, instance: Instance, rng: random.Random, noise: float, accidents: float) -> None:
        self.instance, self.rng, self.noise, self.accidents = instance, rng, noise, accidents
        self.groups: dict[int, Item] = dict(enumerate(instance.items))
        self.parts: list[tuple[Part, ...]] = [()] * len(instance.items)
        self.starting: defaultdict[int, set[int]] = defaultdict(set)
        self.ending: defaultdict[int, set[int]] = defaultdict(set)  # by the section after
        self.queue: list[tuple[float, float, _Rule]] = []
        self.bridges = set[tuple[int, ...]]()
        sizes = [item.heights[0] for item in instance.items]
        self.frequency = Counter(sizes)
        self.mean = sum(sizes) / len(sizes)
        full = instance.full
        self.exchange = [k > 0 and full[k] and full[k - 1] for k in range(len(full))] + [False]

    def run(self) -> Merged:
        for i, item in self.groups.items():
            if item.plain:
                self._enter(i, item)
        for i, item in self.groups.copy().items():
            if item.plain:
                self._offer(i)
        while self.queue:
            cost, _, (rule, ids) = heapq.heappop(self.queue)
            if not all(i in self.groups for i in ids):
                continue
            now = self._coincidences(rule, ids)
            if now < cost / 2:
                self._push(rule, ids)  # the others around it have been merged since: it is likelier than it was
            elif now <= self.accidents:
                self._apply(rule, ids)
        roots = tuple(self.groups)
        merged = compress([self.groups[i] for i in roots], len(self.instance.covers))
        return Merged(merged, roots, tuple(self.parts))

    def _enter(self, i: int, item: Item) -> None:
        self.starting[item.first].add(i)
        self.ending[item.last + 1].add(i)

    def _push(self, rule: str, ids: tuple[int, ...]) -> None:
        scattered = self._coincidences(rule, ids) * (0.1 + self.noise * self.rng.random())
        heapq.heappush(self.queue, (scattered, self.rng.random(), (rule, ids)))

    def _coincidences(self, rule: str, ids: tuple[int, ...]) -> float:
        """How many such groups are expected by accident, had all heights and sections been drawn at random."""
        item = self.groups[ids[0]]
        if rule == "parallel":
            others = (len(self.starting[item.first]) - 1) * (len(self.ending[item.last + 1]) - 1)
            return max(0.0, (others - 1) / len(self.instance.covers))
        if rule == "series":
            return (self._pairs(item.last + 1) - 1) * self._likelihood(item.heights[0])
        _, _, long, left, centre = (self.groups[i] for i in ids)
        pairs = self._pairs(centre.first) * self._pairs(centre.last + 1)
        return pairs * self._likelihood(left.heights[0]) * self._likelihood(long.heights[0])

    def _pairs(self, boundary: int) -> int:
        return len(self.starting[boundary]) * len(self.ending[boundary])

    def _likelihood(self, height: int) -> float:
        """That a height is this one: as often as seen, at least once in twice its range, less far above the mean."""
        seen = max(self.frequency[height] / len(self.instance.items), 0.5 / height)
        return seen * min(1.0, 3 * max(1.0, self.mean) / height)

    def _offer(self, i: int) -> None:
        """Queue every rule that group ``i`` can take part in."""
        item = self.groups[i]
        height = item.heights[0]
        for j in sorted(self.starting[item.first] & self.ending[item.last + 1]):
            if j != i:
                self._push("parallel", (i, j))
        if self.exchange[item.last + 1]:
            for j in sorted(self.starting[item.last + 1]):
                if self.groups[j].heights[0] == height:
                    self._push("series", (i, j))
        if self.exchange[item.first]:
            for j in sorted(self.ending[item.first]):
                if self.groups[j].heights[0] == height:
                    self._push("series", (j, i))
        near = self.starting[item.first] | self.ending[item.last + 1]
        near |= self.starting[item.last + 1] | self.ending[item.first]
        for centre in sorted(near):
            for bridge in self._pinwheels(centre):
                if bridge not in self.bridges:
                    self.bridges.add(bridge)
                    self._push("bridge", bridge)

    def _pinwheels(self, centre: int) -> Iterator[tuple[int, ...]]:
        """Low, right, high, left and centre: left is as high as centre and high, right as low and centre."""
        middle = self.groups[centre]
        if not (self.exchange[middle.first] and self.exchange[middle.last + 1]):
            return
        for high in sorted(self.starting[middle.first]):
            if self.groups[high].last <= middle.last:
                continue
            for left in sorted(self.ending[middle.first]):
                if self.groups[left].heights[0] != middle.heights[0] + self.groups[high].heights[0]:
                    continue
                for low in sorted(self.ending[middle.last + 1] & self.starting[self.groups[left].first]):
                    for right in sorted(self.starting[middle.last + 1] & self.ending[self.groups[high].last + 1]):
                        if self.groups[right].heights[0] == middle.heights[0] + self.groups[low].heights[0]:
                            yield low, right, high, left, centre

    def _apply(self, rule: str, ids: tuple[int, ...]) -> None:
        """Replace the groups ``ids`` by the one they make up."""
        items = [self.groups.pop(i) for i in ids]
        for i, item in zip(ids, items, strict=True):
            self.starting[item.first].discard(i)
            self.ending[item.last + 1].discard(i)
        above = [0] * len(ids)
        total = items[0].heights[0]
        if rule == "parallel":
            above[1], total = total, total + items[1].heights[0]
        elif rule == "bridge":
            above = [0, 0, items[1].heights[0], items[0].heights[0], items[0].heights[0]]
            total += items[3].heights[0]
        first, last = min(item.first for item in items), max(item.last for item in items)
        limit = min(item.limit - offset for item, offset in zip(items, above, strict=True))
        group = len(self.parts)
        self.parts.append(tuple(zip(ids, above, strict=True)))
        self.groups[group] = Item(first, last, (total,) * (last - first + 1), limit)
        self._enter(group, self.groups[group])
        self._offer(group)
