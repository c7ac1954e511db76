"""Finds the groups of nests that are worth running together, with their tiles (policy of ``stage``)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from math import ceil

from torch_mlir import ir

from polystage.analysis.groups import Refused, Tile
from polystage.analysis.layouts import Layout
from polystage.analysis.nests import signature
from polystage.analysis.sweeps import Memory
from polystage.machine import Machine
from polystage.passes._groups import Arrays, Outline, candidate
from polystage.passes._schedule import Step
from polystage.passes._streams import Streams

MAX_STEPS = 256  # of a tile loop while plans are searched
MAX_GAP = 4  # beginnings in a row with which tile loops do not go, after which earlier ones are not tried
OUTER_PARTS = (2, 4, 8)  # into how many sweeps a group is divided besides the most that make sense


@dataclass
class GroupSearch:
    """Groups of one schedule that fit into a capacity; those alike are evaluated once.

    ``touches`` are the arrays of each nest, ``needs`` the bytes per lane of its smallest tile with all of them on chip,
    ``waists`` where long groups begin and end. Unless ``sliding``, no window keeps what the next step needs again.
    ``spent`` is the work so far, in nests of groups swept; beyond ``allowance`` groups are those already known.
    """

    steps: Sequence[Step]
    machine: Machine
    capacity: int
    uses: Arrays
    layouts: Mapping[ir.Value, Layout]
    touches: Sequence[Sequence[ir.Value]]
    needs: Sequence[int]
    waists: frozenset[int]
    sliding: bool = True
    spent: int = 0
    allowance: float = 0.0
    groups: dict[tuple[int, int], list[Outline]] = field(default_factory=dict[tuple[int, int], list[Outline]])
    alike: dict[tuple[object, ...], tuple[list[ir.Value], list[Outline]]] = field(
        default_factory=dict[tuple[object, ...], tuple[list[ir.Value], list[Outline]]]
    )

    reached: dict[tuple[int, tuple[Tile, ...], bool], dict[int, Outline | None]] = field(
        default_factory=dict[tuple[int, tuple[Tile, ...], bool], dict[int, Outline | None]]
    )
    memories: dict[int, Memory] = field(default_factory=dict[int, Memory])

    def __post_init__(self) -> None:
        self.signatures = [signature(step.nest) for step in self.steps]
        self.streams = Streams(self.steps, self.machine, self.needs)

    def candidates(self, first: int, last: int) -> list[Outline]:
        """Groups of these nests with the tiles worth trying."""
        key = (first, last)
        if key not in self.groups:
            found = list(self._candidates(first, last))
            if self.spent > self.allowance:
                return found  # perhaps not all there are
            self.groups[key] = found
        return self.groups[key]

    def _candidates(self, first: int, last: int) -> Iterator[Outline]:
        key, arrays = self.pattern(first, last)
        if key in self.alike:
            before, known = self.alike[key]
            renamed = dict(zip(before, arrays, strict=True))
            yield from (each.on(first, renamed) for each in known)
            return
        if self.spent > self.allowance:
            return
        found = [each for tiles in self.tiles(last) if (each := self.reaching(first, last, tiles)) is not None]
        if not found:
            found = list(self.two_tiles(first, last))
        found.sort(key=lambda each: (each.dram_bytes, self.demand(each)))
        self.alike[key] = arrays, found[:2]
        yield from found[:2]

    def pattern(self, first: int, last: int) -> tuple[tuple[object, ...], list[ir.Value]]:
        """Equal for groups that differ only in which arrays they use; and these arrays."""
        numbers: dict[ir.Value, int] = {}
        nests = list[object]()
        for k in range(first, last + 1):
            step = self.steps[k]
            used = [numbers.setdefault(value, len(numbers)) for value in self.touches[k]]
            nests.append((self.signatures[k], step.implementation, tuple(used), self.needs[k]))
        borders = {value: border.inside for value, border in self.uses.borders.items()}
        outside = tuple(
            (self.uses.outside(value, last, 1), self.uses.outside(value, first, -1), self.layouts[value], inside)
            for value in numbers
            for inside in [borders.get(value)]
        )
        return (*nests, outside), list(numbers)

    def fitting(self, first: int, last: int, tiles: Sequence[Tile]) -> Outline | None:
        """The group with these tiles, if it fits and repeats nothing."""
        self.spent += last - first + 1
        for gone in [sink for sink in self.memories if sink < first]:
            del self.memories[gone]
        memory = self.memories.setdefault(last, Memory())
        each = candidate(self.uses, first, last, tiles, frozenset(), memory)
        if isinstance(each, Refused) or each.sweep.repeated:
            return None
        if not self.sliding and any(window.kept for window in each.windows.values()):
            return None
        outline = self.streams.outline(each)
        return outline if self.demand(outline) <= self.capacity else None

    def tiles(self, last: int) -> Iterator[tuple[Tile, ...]]:
        """The smallest tiles of one loop, for loops worth it; they grow when the plan is written."""
        for loop in self.tiled_loops(last):
            yield (Tile(loop, least_tile(self.steps[last], loop, self.machine)),)

    def two_tiles(self, first: int, last: int) -> Iterator[Outline]:
        """Groups with two tile loops: with the smallest tiles, and with larger ones outside for fewer sweeps."""
        step = self.steps[last]
        loops = [loop for loop in self.tiled_loops(last) if step.nest.extents[loop] >= 4]
        for outer, inner in permutations(loops, 2):
            tiles = tuple(Tile(loop, least_tile(step, loop, self.machine)) for loop in (outer, inner))
            smallest = self.reaching(first, last, tiles) if outer in step.nest.parallel else None
            if smallest is None:
                continue
            yield smallest
            least, extent = smallest.tiles[0].size, step.nest.extents[outer]
            for size in dict.fromkeys(ceil(ceil(extent / part) / least) * least for part in OUTER_PARTS):
                if least < size < extent:
                    larger = self.fitting(first, last, (Tile(outer, size), smallest.tiles[1]))
                    yield from [] if larger is None else [larger]

    def reaching(self, first: int, last: int, tiles: tuple[Tile, ...]) -> Outline | None:
        """The group with these tiles, if also groups that begin later go with them.

        A group that does not fit or repeats work rarely does with one more nest before it. From waist to waist the
        groups that begin later are those that begin at a waist.
        """
        long = first in self.waists and last + 1 in self.waists
        found = self.reached.setdefault((last, tiles, long), {})
        for begin in range(min(found, default=last + 1) - 1, first - 1, -1):
            latest = list(found.values())[-MAX_GAP:]
            if len(latest) == MAX_GAP and all(each is None for each in latest):
                break
            if begin in self.waists if long else self.starts_unit(begin):
                found[begin] = self.fitting(begin, last, tiles)
        return found.get(first)

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

    def demand(self, each: Outline) -> int:
        """Most bytes per lane that a group takes at one time with everything in windows."""
        return max(
            need + sum(live.bytes_per_lane for live in each.lives if live.first <= k <= live.last)
            for k, need in enumerate(each.needs, each.first)
        )


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
