"""Finds the groups of nests that are worth running together, with their tiles (policy of ``stage``)."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import permutations
from math import ceil

from polystage.analysis.groups import Tile
from polystage.machine import Machine
from polystage.passes.staging.groups import Outline
from polystage.passes.staging.outlines import Known, Outlines, Way
from polystage.passes.staging.schedule import Step

MAX_STEPS = 256  # of a tile loop while plans are searched
MAX_GAP = 4  # beginnings in a row with which tile loops do not go, after which earlier ones are not tried
SHORT = 16  # nests of a group whose tiles are tried in more ways
OUTER_PARTS = (2, 4, 8)  # into how many sweeps a group is divided besides the most that make sense


Fitting = tuple[Known, Way]
"""A group that fits, and the way in which it does."""


@dataclass
class Reach:
    """Ways of the groups that end with one nest by where they begin, those that move least first.

    ``misses`` are the beginnings in a row with which tiles of a sink did not go.
    """

    found: dict[int, list[Way]] = field(default_factory=dict[int, list[Way]])
    misses: Counter[Way] = field(default_factory=Counter[Way])

    @property
    def latest(self) -> list[Way]:
        """The best tiles of the longest group with which some go."""
        best = next((ways[0] for ways in reversed(self.found.values()) if ways), None)
        return [] if best is None else [Way(best.tiles, best.behind)]


@dataclass
class GroupSearch:
    """Groups of one schedule that fit into a capacity.

    ``waists`` are the positions where long groups begin and end. When ``outlines`` have taken more work than
    ``allowance``, groups are those already known.
    """

    steps: Sequence[Step]
    machine: Machine
    capacity: int
    outlines: Outlines
    waists: frozenset[int]
    allowance: float = 0.0
    groups: dict[tuple[int, int], list[Outline]] = field(default_factory=dict[tuple[int, int], list[Outline]])
    alike: dict[int, list[Way]] = field(default_factory=dict[int, list[Way]])
    reaches: dict[tuple[int, bool], Reach] = field(default_factory=dict[tuple[int, bool], Reach])

    def candidates(self, first: int, last: int) -> list[Outline]:
        """Groups of these nests with the tiles worth trying."""
        key = (first, last)
        if key not in self.groups:
            pattern = self.outlines.patterns.of(first, last)
            if pattern not in self.alike:
                if self.outlines.spent > self.allowance:
                    return []
                self.alike[pattern] = self.best(first, last)
            self.groups[key] = [self.outlines.outline(first, last, way) for way in self.alike[pattern]]
        return self.groups[key]

    def best(self, first: int, last: int) -> list[Way]:
        """How the groups of these nests run that move least, or take least time for it.

        Groups that begin later are worked out before: one that does not fit or repeats work rarely does with one more
        nest before it. From waist to waist those that begin later are those that begin at a waist.
        """
        long = first in self.waists and last + 1 in self.waists
        reach = self.reaches.setdefault((last, long), Reach())
        for begin in range(min(reach.found, default=last + 1) - 1, first - 1, -1):
            if begin in self.waists if long else self.starts_unit(begin):
                found = list(self.with_sink(begin, last, last, reach))
                sums = self.sums_before(begin, last)
                if sums is not None and not any(known.once for known, _ in found):
                    found += self.with_sink(begin, last, sums, reach)
                found.sort(key=lambda each: (each[0].outline.dram_bytes, each[0].outline.excess_bytes, each[0].demand))
                reach.found[begin] = [way for _, way in self.worth_trying(begin, last, found)]
        return reach.found[first]

    def worth_trying(self, first: int, last: int, found: Sequence[Fitting]) -> list[Fitting]:
        """Of groups in order the first two, the one that takes the least time to move, and the leanest.

        The leanest takes least beside what may be on chip around it anyway. It moves no more arguments than the first
        one. If it is short, its tiles may cut what is across the lanes as well as another loop.
        """
        if not found:
            return []
        alike = [each for each in found if each[0].arguments <= found[0][0].arguments]
        for way in self.across_lanes(last) if last - first < SHORT else ():
            known = self.outlines.find(first, last, way)
            if known is not None and known.demand <= self.capacity and known.arguments <= found[0][0].arguments:
                alike.append((known, way))
        leanest = min(alike, key=lambda each: each[0].own)
        soonest = min(found, key=lambda each: each[0].outline.dram_bytes + each[0].outline.excess_bytes)
        best = [*found[:2], *([] if soonest in found[:2] else [soonest])]
        return [*best, *([leanest] if leanest[0].own < min(each[0].own for each in best) else [])]

    def across_lanes(self, sink: int) -> Iterator[Way]:
        """Smallest tiles of the loop on the lanes, and of another one inside."""
        lane, loops = self.steps[sink].implementation.lane, self.tiled_loops(sink)
        for inner in loops if lane in loops else ():
            if lane is not None and inner != lane:
                yield Way(tuple(Tile(loop, least_tile(self.steps[sink], loop, self.machine)) for loop in (lane, inner)))

    def sums_before(self, first: int, last: int) -> int | None:
        """The contraction at the end of a group, if elementwise nests that use its sums are all that follows."""
        for k in range(last, first, -1):
            step = self.steps[k]
            if step.implementation.kind == "contraction":
                sums = step.nest.store.array
                follow = self.steps[k + 1 : last + 1]
                return k if any(sums in (a.array for a in each.nest.loads) for each in follow) else None
            if step.implementation.kind != "elementwise" or step.relayout or step.nest.reduced:
                return None
        return None

    def with_sink(self, first: int, last: int, sink: int, reach: Reach) -> Iterator[Fitting]:
        """Groups with tiles of one of their nests: of one loop, else of two.

        Where nests follow that wait for its sums, only tiles of what is summed up are any other than those of theirs.
        """
        inner = self.tiled_loops(sink, summed=sink < last)
        found = list(self.one_tile(first, last, sink, inner, reach))
        yield from found or self.two_tiles(first, last, sink, inner, reach)

    def one_tile(self, first: int, last: int, sink: int, loops: Sequence[int], reach: Reach) -> Iterator[Fitting]:
        """Groups with the smallest tiles of one loop, which grow when the plan is written.

        First those that were best with one nest less: where they move everything once they are so again.
        """
        ways = [Way((Tile(loop, least_tile(self.steps[sink], loop, self.machine)),), last - sink) for loop in loops]
        for each in sorted(ways, key=lambda each: each not in reach.latest):
            found = self.again(first, last, each, reach)
            yield from [] if found is None else [found]
            if found is not None and found[0].once and each in reach.latest:
                return

    def again(self, first: int, last: int, plain: Way, reach: Reach) -> Fitting | None:
        """The group with these tiles of a sink, if also those did that begin a little later."""
        if reach.misses[plain] >= MAX_GAP:
            return None
        found = self.fitting(first, last, plain)
        reach.misses[plain] = 0 if found is not None else reach.misses[plain] + self.misses(first, last, plain)
        return found

    def probe(self, last: int, plain: Way, reach: Reach) -> None:
        """See whether short groups repeat something with tiles that were not tried before: longer ones cost more."""
        if plain in reach.misses:
            return
        begins = [begin for begin in reach.found if begin <= last - plain.behind]
        for each in range(len(begins).bit_length()):
            begin = begins[(1 << each) - 1]
            self.outlines.find(begin, last, plain)
            if self.outlines.repeats(begin, last, plain):
                reach.misses[plain] = MAX_GAP
                return

    def misses(self, first: int, last: int, plain: Way) -> int:
        """For how many a group counts that does not go: one, more if it takes several times the capacity."""
        if self.outlines.repeats(first, last, plain):
            return MAX_GAP
        known = self.outlines.find(first, last, plain)
        return 1 if known is None else 2 * known.demand // self.capacity

    def fitting(self, first: int, last: int, plain: Way) -> Fitting | None:
        """The group with these tiles of a sink, if it repeats nothing and there is a way in which it fits."""
        if self.outlines.find(first, last, plain) is None:
            return None
        for way in (
            plain,
            replace(plain, psum=True),
            replace(plain, early=True),
            replace(plain, early=True, psum=True),
        ):
            found = self.outlines.find(first, last, way)
            if found is not None and found.demand <= self.capacity:
                return found, way
        return None

    def two_tiles(self, first: int, last: int, sink: int, loops: Sequence[int], reach: Reach) -> Iterator[Fitting]:
        """Groups with two tile loops, the inner one of ``loops``: the smallest tiles, and larger ones outside."""
        step = self.steps[sink]
        long = [loop for loop in self.tiled_loops(sink) if step.nest.extents[loop] >= 4]
        for outer, inner in permutations(long, 2):
            if inner not in loops or outer not in step.nest.parallel:
                continue
            tiles = tuple(Tile(loop, least_tile(step, loop, self.machine)) for loop in (outer, inner))
            plain = Way(tiles, last - sink)
            self.probe(last, plain, reach)
            smallest = self.again(first, last, plain, reach)
            if smallest is None:
                continue
            yield smallest
            least, extent = tiles[0].size, step.nest.extents[outer]
            for size in dict.fromkeys(ceil(ceil(extent / part) / least) * least for part in OUTER_PARTS):
                if least < size < extent:
                    larger = self.fitting(first, last, Way((Tile(outer, size), tiles[1]), last - sink))
                    yield from [] if larger is None else [larger]

    def starts_unit(self, k: int) -> bool:
        """Whether the nest before is more than an initialisation of what follows."""
        return k == 0 or bool(self.steps[k - 1].nest.loads)

    def tiled_loops(self, k: int, *, summed: bool = False) -> list[int]:
        """Loops of a sink worth tiling: of the parallel ones the longest, and the one that is contracted on lanes.

        Of those that are ``summed`` the latter only.
        """
        step = self.steps[k]
        extents = step.nest.extents
        parallel = sorted((d for d in step.nest.parallel if extents[d] > 1), key=lambda d: -extents[d])[:4]
        contracted = step.implementation.kind == "contraction" and step.implementation.lane in step.nest.reduced
        lane = step.implementation.lane
        found = [lane] if contracted and lane is not None and extents[lane] > 1 else []
        return found if summed else [*parallel, *found]


def least_tile(step: Step, loop: int, machine: Machine) -> int:
    """The smallest tile of a loop that fills the lanes, in not more steps than are worth counting.

    Steps start where instructions may, unless a loop over lanes is too short for that.
    """
    extent = step.nest.extents[loop]
    if loop not in (step.implementation.lane, step.implementation.rows):
        return max(1, extent // MAX_STEPS)
    half = ceil(extent / 2)
    multiple = machine.start_multiple(min(machine.lanes, half))
    aligned = ceil(half / multiple) * multiple
    return min(machine.lanes, aligned if aligned < extent else half)


def larger_tiles(step: Step, loop: int, machine: Machine) -> Iterator[int]:
    """Tile sizes from half of a loop downwards, the smallest last."""
    extent, least = step.nest.extents[loop], least_tile(step, loop, machine)
    sizes = {ceil(ceil(extent / part) / least) * least for part in (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)}
    yield from sorted((size for size in {*sizes, least} if least <= size < extent), reverse=True)
