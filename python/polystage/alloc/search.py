"""One bounded attempt at a packing: depth first over what rests in the valleys of the skyline.

The method, with floors, propagation and the explicit skip, is that of `ALGORITHMS.md` E; it is complete, because
every packing can be pushed down until each item rests on the ground, on another item or on a pinned one.

- The *floor* of a section is a height below which no item that is still to be placed can lie there.
- The *lowest offset* of such an item is the least legal one that is not below any floor of its sections.
- A *valley* is a run of sections of equal floor between higher ones.

An item whose lowest offset is the floor of a valley lies in that valley with all its sections, so that placing it
there loses no space. Either one of those that could rest at a section of a valley does, or nothing rests there (the
*skip*), and the floor rises to the least offset that anything in this section can still have.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from polystage.alloc.sections import Instance, Item

Outcome = Literal["packed", "exhausted", "stopped"]

_NEVER = 1 << 62  # lowest offset of an item that is placed, floor of a section that is done
_SKIP = -1
_FRAME_CELLS = 4_000_000  # numbers that the frames for going back may hold together


@dataclass(frozen=True)
class Tactics:
    """How one attempt searches; ``rank`` of an item, lower is earlier.

    ``nodes`` bounds placements and skips. ``skip_cost`` counts a possible skip as that many branches when the section
    with the fewest is chosen. ``weighted`` divides by the failures seen in the section. The rest are switches.
    """

    rank: Sequence[float]
    nodes: int
    skip_cost: int = 1
    weighted: bool = True
    propagate: bool = True
    all_valleys: bool = True
    fewest_first: bool = True
    jump: bool = True
    distinct: bool = True


@dataclass
class _Frame:
    """A choice with branches left, and the state in which they start."""

    branches: list[int]
    section: int
    resting: list[int]
    saved: tuple[list[int], list[int], list[int], list[int], int]


class Search:
    """The state of one attempt; ``offsets`` of all items once ``run`` returned ``packed``."""

    def __init__(self, instance: Instance, tactics: Tactics) -> None:
        self.offsets = [0] * len(instance.items)
        self.nodes = 0
        self._tactics = tactics
        self._items = instance.items
        self._forbidden = instance.forbidden
        self._covers = instance.covers
        self._ceilings = instance.ceilings
        self._spans = [range(item.first, item.last + 1) for item in instance.items]
        self._least = [min(item.heights) for item in instance.items]
        self._limits = [item.limit for item in instance.items]
        forbidden = zip(self._items, self._forbidden, strict=True)
        self._special = [item.step > 1 or item.pin is not None or bool(ranges) for item, ranges in forbidden]
        first_of_kind: dict[Item, int] = {}
        self._kind = [first_of_kind.setdefault(item, i) for i, item in enumerate(self._items)]
        self._failures = [1] * len(instance.covers)
        self._loads = list(instance.loads)  # of what is not yet placed
        self._floors = [0] * len(instance.covers)
        self._lowest = [self._legal(i, 0) for i in range(len(instance.items))]
        self._resting = [0] * len(instance.covers)  # how many items have their lowest offset at the floor
        self._left = len(instance.items)
        cells = len(instance.items) + 3 * len(instance.covers)
        self._frames = deque[_Frame](maxlen=max(2, _FRAME_CELLS // max(1, cells)))
        self._forgot = False

    def run(self) -> Outcome:
        """Search until a packing is found, everything was tried, or the nodes are used up."""
        if not self._settle():
            return "exhausted"
        while self._left:
            section = self._choose()
            resting, branches = self._branches(section)
            fits = bool(branches) and self._first(section, resting, branches)
            while not fits:
                if not self._frames:
                    return "stopped" if self._forgot else "exhausted"
                if self.nodes >= self._tactics.nodes:
                    return "stopped"
                fits = self._next()
        return "packed"

    def _settle(self) -> bool:
        """Floors and counts of the empty memory; False if that is already impossible."""
        if any(lowest > limit for lowest, limit in zip(self._lowest, self._limits, strict=True)):
            return False
        for k, cover in enumerate(self._covers):
            lowest = [self._lowest[i] for i in cover]
            self._floors[k] = min(lowest)
            self._resting[k] = lowest.count(self._floors[k])
        return self._raise_floors(list(range(len(self._covers))))

    def _legal(self, i: int, floor: int) -> int:
        """The least legal offset of item ``i`` from ``floor`` on; ``_NEVER`` if its pin is below."""
        item = self._items[i]
        if item.pin is not None:
            return item.pin if item.pin >= floor else _NEVER
        offset = -(-floor // item.step) * item.step
        for start, end in self._forbidden[i]:
            if start < offset < end:
                offset = -(-end // item.step) * item.step
        return offset

    def _choose(self) -> int:
        """The section to decide next: of all valleys the one with the fewest branches."""
        floors, resting, tactics = self._floors, self._resting, self._tactics
        best, found, count = 0.0, -1, len(floors)
        lowest = _NEVER if tactics.all_valleys else min(floors)
        begin, before = 0, _NEVER + 1
        while begin < count:
            floor, end = floors[begin], begin + 1
            while end < count and floors[end] == floor:
                end += 1
            if floor < before and floor <= lowest and floor != _NEVER and (end == count or floors[end] > floor):
                if not tactics.fewest_first:
                    return begin
                for k in range(begin, end):
                    slack = self._ceilings[k] - floor - self._loads[k]
                    score = resting[k] + (tactics.skip_cost if slack > 0 else 0)
                    score = score / self._failures[k] if tactics.weighted else score
                    if found < 0 or score < best:
                        best, found = score, k
            begin, before = end, floor
        return found

    def _branches(self, section: int) -> tuple[list[int], list[int]]:
        """The items that could rest on the floor of ``section``, and the branches, best last."""
        floor = self._floors[section]
        resting = [i for i in self._covers[section] if self._lowest[i] == floor]
        resting.sort(key=self._tactics.rank.__getitem__)
        slack = self._ceilings[section] - floor - self._loads[section]
        chosen = self._different(resting) if self._tactics.distinct else resting
        return resting, [_SKIP] * (slack > 0) + chosen[::-1]

    def _different(self, resting: Sequence[int]) -> list[int]:
        """``resting`` without those that are equal to an earlier one: if that one does not fit, they do not."""
        best = dict[int, int]()
        for i in resting:
            best.setdefault(self._kind[i], i)
        return list(best.values())

    def _first(self, section: int, resting: list[int], branches: list[int]) -> bool:
        """Take the best branch, and remember the others."""
        branch = branches.pop()
        if branches:
            state = (self._floors[:], self._loads[:], self._lowest[:], self._resting[:], self._left)
            self._forgot |= len(self._frames) == self._frames.maxlen
            self._frames.append(_Frame(branches, section, resting, state))
        return self._take(branch, section, resting)

    def _next(self) -> bool:
        """Go back to the last choice and take its next branch."""
        frame = self._frames[-1]
        branch = frame.branches.pop()
        self._floors, self._loads, self._lowest, self._resting, self._left = frame.saved
        if frame.branches:
            frame.saved = (self._floors[:], self._loads[:], self._lowest[:], self._resting[:], self._left)
        else:
            self._frames.pop()
        return self._take(branch, frame.section, frame.resting)

    def _take(self, branch: int, section: int, resting: Sequence[int]) -> bool:
        self.nodes += 1
        return self._skip(section, resting) if branch == _SKIP else self._place(branch)

    def _place(self, i: int) -> bool:
        """Place item ``i`` at its lowest offset; False if the rest then cannot fit."""
        floors, loads, lowest, item = self._floors, self._loads, self._lowest, self._items[i]
        offset = self.offsets[i] = lowest[i]
        lowest[i] = _NEVER
        self._left -= 1
        raised: list[int] = []
        for k, height in zip(self._spans[i], item.heights, strict=True):
            loads[k] -= height
            if not loads[k]:
                floors[k], self._resting[k] = _NEVER, 0
                continue
            offsets = [lowest[j] for j in self._covers[k]]
            floors[k] = max(offset + height, min(offsets) if self._tactics.propagate else 0)
            self._resting[k] = offsets.count(floors[k])
            raised.append(k)
        return self._raise_floors(raised)

    def _skip(self, section: int, resting: Sequence[int]) -> bool:
        """Nothing rests on the floor of ``section``: raise it to the next offset that is possible there."""
        floor = self._jump(section, resting) if self._tactics.jump or not resting else self._floors[section] + 1
        if floor + self._loads[section] > self._ceilings[section]:
            return self._fail(section)
        self._floors[section] = floor
        self._resting[section] = sum(self._lowest[i] == floor for i in self._covers[section])
        return self._raise_floors([section])

    def _jump(self, section: int, skipped: Sequence[int]) -> int:
        """The least offset in ``section`` when none of ``skipped`` has its lowest: the next one's, or the top of one.

        The lowest of the skipped then rests on something that meets it and is none of them.
        """
        lowest, least, aside = self._lowest, self._least, set(skipped)
        floor = min((lowest[i] for i in self._covers[section] if i not in aside), default=_NEVER)
        begin = min((self._items[i].first for i in skipped), default=0)
        end = max((self._items[i].last + 1 for i in skipped), default=0)
        for k in range(begin, end):
            for j in self._covers[k]:
                if lowest[j] + least[j] < floor and j not in aside:
                    floor = lowest[j] + least[j]
        return floor

    def _fail(self, section: int) -> bool:
        self._failures[section] += 1
        return False

    def _raise_floors(self, raised: list[int]) -> bool:
        """Propagate raised floors to lowest offsets and back, to a fixpoint; False if something no longer fits.

        The space under every item that is left in a section is lost, so its floor is the least of their lowest offsets.
        """
        floors, lowest, resting, loads = self._floors, self._lowest, self._resting, self._loads
        ceilings, covers, spans = self._ceilings, self._covers, self._spans
        special, limits, propagate = self._special, self._limits, self._tactics.propagate
        while raised:
            k = raised.pop()
            floor = floors[k]
            if floor + loads[k] > ceilings[k]:
                return self._fail(k)
            for i in covers[k]:
                old = lowest[i]
                if old >= floor:
                    continue
                new = self._legal(i, floor) if special[i] else floor
                if new > limits[i]:
                    return self._fail(k)
                lowest[i] = new
                for q in spans[i]:
                    if floors[q] == old:
                        resting[q] -= 1
                        if not resting[q] and propagate:
                            self._lift(q)
                            raised.append(q)
                    elif floors[q] == new:
                        resting[q] += 1
            if not resting[k] and loads[k] and propagate:
                self._lift(k)
                raised.append(k)
        return True

    def _lift(self, section: int) -> None:
        """Raise the floor of ``section`` to the least of the lowest offsets there, if they follow already."""
        offsets = [self._lowest[i] for i in self._covers[section]]
        self._floors[section] = max(self._floors[section], min(offsets))
        self._resting[section] = offsets.count(self._floors[section])
