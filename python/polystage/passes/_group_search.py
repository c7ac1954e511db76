"""Finds the groups of nests that are worth running together, with their tiles (policy of ``stage``)."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from math import ceil

from polystage.analysis.groups import Tile
from polystage.machine import Machine
from polystage.passes._groups import Outline
from polystage.passes._outlines import Known, Outlines, Tiles
from polystage.passes._schedule import Step

MAX_STEPS = 256  # of a tile loop while plans are searched
MAX_GAP = 4  # beginnings in a row with which tile loops do not go, after which earlier ones are not tried
OUTER_PARTS = (2, 4, 8)  # into how many sweeps a group is divided besides the most that make sense


@dataclass
class Reach:
    """Tiles of the groups that end with one nest by where they begin, those that move least first.

    ``misses`` are the beginnings in a row with which tiles did not go.
    """

    found: dict[int, list[Tiles]] = field(default_factory=dict[int, list[Tiles]])
    misses: Counter[Tiles] = field(default_factory=Counter[Tiles])

    @property
    def latest(self) -> list[Tiles]:
        """The best tiles of the longest group with which some go."""
        return next((tiles[:1] for tiles in reversed(self.found.values()) if tiles), list[Tiles]())


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
    alike: dict[int, list[Tiles]] = field(default_factory=dict[int, list[Tiles]])
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
            self.groups[key] = [self.outlines.outline(first, last, tiles) for tiles in self.alike[pattern]]
        return self.groups[key]

    def best(self, first: int, last: int) -> list[Tiles]:
        """The tiles of the groups of these nests that move least, and take least.

        Groups that begin later are worked out before: one that does not fit or repeats work rarely does with one more
        nest before it. From waist to waist those that begin later are those that begin at a waist.
        """
        long = first in self.waists and last + 1 in self.waists
        reach = self.reaches.setdefault((last, long), Reach())
        for begin in range(min(reach.found, default=last + 1) - 1, first - 1, -1):
            if begin in self.waists if long else self.starts_unit(begin):
                found = list(self.one_tile(begin, last, reach)) or list(self.two_tiles(begin, last, reach))
                found.sort(key=lambda each: (each.outline.dram_bytes, each.demand))
                reach.found[begin] = [each.outline.tiles for each in found[:2]]
        return reach.found[first]

    def one_tile(self, first: int, last: int, reach: Reach) -> Iterator[Known]:
        """Groups with the smallest tiles of one loop, which grow when the plan is written.

        First those that were best with one nest less: where they move everything once they are so again.
        """
        tiles = list(self.tiles(last))
        for each in sorted(tiles, key=lambda each: each not in reach.latest):
            found = self.again(first, last, each, reach)
            yield from [] if found is None else [found]
            if found is not None and found.once and each in reach.latest:
                return

    def again(self, first: int, last: int, tiles: Tiles, reach: Reach) -> Known | None:
        """The group with these tiles, if also those did that begin a little later."""
        if reach.misses[tiles] == MAX_GAP:
            return None
        found = self.fitting(first, last, tiles)
        reach.misses[tiles] = reach.misses[tiles] + 1 if found is None else 0
        return found

    def fitting(self, first: int, last: int, tiles: Tiles) -> Known | None:
        """The group with these tiles, if it fits and repeats nothing."""
        found = self.outlines.find(first, last, tiles)
        return found if found is not None and found.demand <= self.capacity else None

    def tiles(self, last: int) -> Iterator[Tiles]:
        """The smallest tiles of one loop, for loops worth it."""
        for loop in self.tiled_loops(last):
            yield (Tile(loop, least_tile(self.steps[last], loop, self.machine)),)

    def two_tiles(self, first: int, last: int, reach: Reach) -> Iterator[Known]:
        """Groups with two tile loops: with the smallest tiles, and with larger ones outside for fewer sweeps."""
        step = self.steps[last]
        loops = [loop for loop in self.tiled_loops(last) if step.nest.extents[loop] >= 4]
        for outer, inner in permutations(loops, 2):
            tiles = tuple(Tile(loop, least_tile(step, loop, self.machine)) for loop in (outer, inner))
            smallest = self.again(first, last, tiles, reach) if outer in step.nest.parallel else None
            if smallest is None:
                continue
            yield smallest
            least, extent = tiles[0].size, step.nest.extents[outer]
            for size in dict.fromkeys(ceil(ceil(extent / part) / least) * least for part in OUTER_PARTS):
                if least < size < extent:
                    larger = self.fitting(first, last, (Tile(outer, size), tiles[1]))
                    yield from [] if larger is None else [larger]

    def starts_unit(self, k: int) -> bool:
        """Whether the nest before is more than an initialisation of what follows."""
        return k == 0 or bool(self.steps[k - 1].nest.loads)

    def tiled_loops(self, k: int) -> list[int]:
        """Loops of a sink worth tiling: of the parallel ones the longest, and the one that is contracted on lanes."""
        step = self.steps[k]
        extents = step.nest.extents
        parallel = sorted((d for d in step.nest.parallel if extents[d] > 1), key=lambda d: -extents[d])[:4]
        contracted = step.implementation.kind == "contraction" and step.implementation.lane in step.nest.reduced
        lane = step.implementation.lane
        return [*parallel, *([lane] if contracted and lane is not None and extents[lane] > 1 else [])]


def least_tile(step: Step, loop: int, machine: Machine) -> int:
    """The smallest tile of a loop that fills the lanes, in not more steps than are worth counting."""
    extent = step.nest.extents[loop]
    over_lanes = loop in (step.implementation.lane, step.implementation.rows)
    return min(machine.lanes, ceil(extent / 2)) if over_lanes else max(1, extent // MAX_STEPS)


def larger_tiles(step: Step, loop: int, machine: Machine) -> Iterator[int]:
    """Tile sizes from half of a loop downwards, the smallest last."""
    extent, least = step.nest.extents[loop], least_tile(step, loop, machine)
    sizes = {ceil(ceil(extent / part) / least) * least for part in (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)}
    yield from sorted((size for size in {*sizes, least} if least <= size < extent), reverse=True)
