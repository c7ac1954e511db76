"""Finds the groups of nests that are worth running together, with their tiles (policy of ``stage``)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

from torch_mlir import ir

from polystage.analysis.groups import Refused, Tile
from polystage.analysis.layouts import Layout
from polystage.analysis.nests import signature
from polystage.machine import Machine
from polystage.passes._groups import Arrays, Outline, candidate
from polystage.passes._schedule import Step

MAX_STEPS = 256  # of a tile loop while plans are searched
SHORT = 4  # nests besides initialisations of a group that may have two tile loops


@dataclass
class GroupSearch:
    """Groups of one schedule that fit into a capacity; those alike are evaluated once.

    ``touches`` are the arrays of each nest, ``needs`` the bytes per lane of its smallest tile with all of them on chip.
    """

    steps: Sequence[Step]
    machine: Machine
    capacity: int
    uses: Arrays
    layouts: Mapping[ir.Value, Layout]
    touches: Sequence[Sequence[ir.Value]]
    needs: Sequence[int]
    groups: dict[tuple[int, int], list[Outline]] = field(default_factory=dict[tuple[int, int], list[Outline]])
    alike: dict[tuple[object, ...], tuple[list[ir.Value], list[Outline]]] = field(
        default_factory=dict[tuple[object, ...], tuple[list[ir.Value], list[Outline]]]
    )

    def __post_init__(self) -> None:
        self.signatures = [signature(step.nest) for step in self.steps]

    def candidates(self, first: int, last: int) -> list[Outline]:
        """Groups of these nests with the tiles worth trying."""
        key = (first, last)
        if key not in self.groups:
            self.groups[key] = list(self._candidates(first, last))
        return self.groups[key]

    def _candidates(self, first: int, last: int) -> Iterator[Outline]:
        key, arrays = self.pattern(first, last)
        if key in self.alike:
            before, known = self.alike[key]
            renamed = dict(zip(before, arrays, strict=True))
            yield from (each.on(first, renamed) for each in known)
            return
        found = [each for tiles in self.tiles(last) if (each := self.fitting(first, last, tiles)) is not None]
        if not found:
            both = (self.fitting(first, last, tiles) for tiles in self.two_tiles(first, last))
            found = [each for each in both if each is not None]
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
        outside = tuple(
            (self.uses.outside(value, last, 1), self.uses.outside(value, first, -1), self.layouts[value])
            for value in numbers
        )
        return (*nests, outside), list(numbers)

    def fitting(self, first: int, last: int, tiles: Sequence[Tile]) -> Outline | None:
        """The group with these tiles, if it fits and repeats nothing."""
        each = candidate(self.uses, first, last, tiles, frozenset())
        if isinstance(each, Refused) or each.sweep.repeated or self.demand(each.outline) > self.capacity:
            return None
        return each.outline

    def tiles(self, last: int) -> Iterator[tuple[Tile, ...]]:
        """The smallest tiles of one loop, for loops worth it; they grow when the plan is written."""
        for loop in self.tiled_loops(last):
            yield (Tile(loop, least_tile(self.steps[last], loop, self.machine)),)

    def two_tiles(self, first: int, last: int) -> Iterator[tuple[Tile, ...]]:
        """Tiles of two loops, the outer ones large; for short groups, as each sweep loads what it shares again."""
        if sum(bool(self.steps[k].nest.loads) for k in range(first, last + 1)) > SHORT:
            return
        step = self.steps[last]
        loops = [loop for loop in self.tiled_loops(last) if step.nest.extents[loop] >= 4]
        for outer in [loop for loop in loops if loop in step.nest.parallel]:
            least = least_tile(step, outer, self.machine)
            for inner in [loop for loop in loops if loop != outer]:
                for part in (2, 4, 8):
                    size = ceil(ceil(step.nest.extents[outer] / part) / least) * least
                    if least <= size < step.nest.extents[outer]:
                        yield Tile(outer, size), Tile(inner, least_tile(step, inner, self.machine))

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
            self.needs[k] + sum(live.bytes_per_lane for live in each.lives if live.first <= k <= live.last)
            for k in range(each.first, each.last + 1)
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
