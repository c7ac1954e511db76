"""What groups take and move, those alike worked out once (shared by the policies of ``stage``)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import prod
from operator import add

from torch_mlir import ir

from polystage.analysis.groups import Refused, Tile
from polystage.analysis.sweeps import Memory
from polystage.passes._groups import Arrays, Outline, candidate
from polystage.passes._patterns import Patterns
from polystage.passes._streams import Streams

Tiles = tuple[Tile, ...]


@dataclass(frozen=True)
class Known:
    """The outline of the first group of its pattern, the arrays of that group, and the most bytes per lane it takes.

    ``once``: no element is loaded or stored more than once.
    """

    outline: Outline
    arrays: Sequence[ir.Value]
    demand: int
    once: bool


@dataclass
class Outlines:
    """Outlines of the groups of one schedule, whatever the capacity.

    Unless ``sliding``, no window keeps what the next step needs again. ``spent`` is the work so far, in nests swept.
    """

    uses: Arrays
    patterns: Patterns
    streams: Streams
    sliding: bool = True
    spent: int = 0
    known: dict[tuple[int, Tiles], Known | None] = field(default_factory=dict[tuple[int, Tiles], Known | None])
    memories: dict[int, Memory] = field(default_factory=dict[int, Memory])

    def outline(self, first: int, last: int, tiles: Tiles) -> Outline:
        """A group that goes with these tiles."""
        known = self.find(first, last, tiles)
        assert known is not None
        if known.outline.first == first:
            return known.outline
        return known.outline.on(first, dict(zip(known.arrays, self.patterns.arrays_of(first, last), strict=True)))

    def find(self, first: int, last: int, tiles: Tiles) -> Known | None:
        """What is known of a group with these tiles; None where it repeats something or does not go."""
        key = (self.patterns.of(first, last), tiles)
        if key not in self.known:
            self.spent += last - first + 1
            found = self._found(first, last, tiles)
            arrays = self.patterns.arrays_of(first, last)
            self.known[key] = None if found is None else Known(found, arrays, demand(found), self._once(found))
        return self.known[key]

    def _once(self, found: Outline) -> bool:
        for array, moved in found.moved.items():
            size = self.uses.lie(array, found.first, found.last)[0] * prod(ir.MemRefType(array.type).shape)
            if max(moved - found.stored[array], found.stored[array]) > size:
                return False
        return True

    def _found(self, first: int, last: int, tiles: Tiles) -> Outline | None:
        for gone in [sink for sink in self.memories if sink < first]:
            del self.memories[gone]
        memory = self.memories.setdefault(last, Memory())
        each = candidate(self.uses, first, last, tiles, frozenset(), memory)
        if isinstance(each, Refused) or each.sweep.repeated:
            return None
        if not self.sliding and any(window.kept for window in each.windows.values()):
            return None
        return self.streams.outline(each)


def demand(each: Outline) -> int:
    """Most bytes per lane that a group takes at one time with everything in windows."""
    change = [0] * (len(each.needs) + 1)
    for live in each.lives:
        change[live.first - each.first] += live.bytes_per_lane
        change[live.last + 1 - each.first] -= live.bytes_per_lane
    return max(map(add, each.needs, accumulate(change[:-1])))
