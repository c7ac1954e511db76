"""What groups take and move, those alike worked out once (shared by the policies of ``stage``)."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod

from torch_mlir import ir

from polystage.analysis.groups import Refused, Tile
from polystage.analysis.sweeps import Memory
from polystage.analysis.values import producer
from polystage.passes.staging.groups import Arrays, Candidate, Frame, Outline, candidate
from polystage.passes.staging.patterns import Patterns
from polystage.passes.staging.streams import Streams
from polystage.passes.staging.sums import Sums, in_psum

Tiles = tuple[Tile, ...]


@dataclass(frozen=True)
class Way:
    """How the nests of a group run: with these tiles of the nest that so many others are ``behind``, the sink.

    ``psum``: sums are in PSUM where they can be. ``early``: what reads much in every step and makes little in a sweep
    runs once for each sweep.
    """

    tiles: Tiles
    behind: int = 0
    psum: bool = False
    early: bool = False


@dataclass(frozen=True)
class Known:
    """The outline of the first group of its pattern, the arrays of that group, and the most bytes per lane it takes.

    ``once``: no element is loaded or stored more than once. ``own`` is what it takes of ``demand`` beside
    intermediates that it has from outside, or leaves behind; ``arguments`` are the bytes of arguments that it moves.
    """

    outline: Outline
    arrays: Sequence[ir.Value]
    demand: int
    own: int
    arguments: int
    once: bool


@dataclass
class Latest:
    """The group asked for last, and what it is with these nests running once for each sweep."""

    group: tuple[Frame, Tiles] | None = None
    found: dict[frozenset[int], Candidate | Refused] = field(default_factory=dict[frozenset[int], Candidate | Refused])


@dataclass
class Outlines:
    """Outlines of the groups of one schedule, whatever the capacity.

    Unless ``sliding``, no window keeps what the next step needs again. ``spent`` is the work so far, in nests swept.
    """

    uses: Arrays
    patterns: Patterns
    streams: Streams
    sums: Sums
    sliding: bool = True
    spent: int = 0
    known: dict[tuple[int, Way], Known | None] = field(default_factory=dict[tuple[int, Way], Known | None])
    memory: tuple[int, Memory] = field(default_factory=lambda: (-1, Memory()))
    latest: Latest = field(default_factory=Latest)
    repeating: set[tuple[int, Way]] = field(default_factory=set[tuple[int, Way]])

    def outline(self, first: int, last: int, way: Way) -> Outline:
        """A group that goes in that way."""
        known = self.find(first, last, way)
        assert known is not None
        if known.outline.first == first:
            return known.outline
        return known.outline.on(first, dict(zip(known.arrays, self.patterns.arrays_of(first, last), strict=True)))

    def find(self, first: int, last: int, way: Way) -> Known | None:
        """What is known of a group; None where it repeats something, or does not go or go differently in that way."""
        key = (self.patterns.of(first, last), way)
        if key not in self.known:
            found = self._found(first, last, way)
            arrays = self.patterns.arrays_of(first, last)
            self.known[key] = None if found is None else self._known(found, arrays)
        return self.known[key]

    def _known(self, found: Outline, arrays: Sequence[ir.Value]) -> Known:
        lives = [live for live in found.lives if producer(live.array) is None or not found.moved[live.array]]
        own = replace(found, lives=tuple(lives))
        arguments = sum(moved for array, moved in found.moved.items() if producer(array) is None)
        return Known(found, arrays, max(found.demands), max(own.demands), arguments, self._once(found))

    def repeats(self, first: int, last: int, way: Way) -> bool:
        """Whether a group was found to repeat something; so does any longer one with these tiles."""
        return (self.patterns.of(first, last), way) in self.repeating

    def _once(self, found: Outline) -> bool:
        for array, moved in found.moved.items():
            size = self.uses.lie(array, found.first, found.last)[0] * prod(ir.MemRefType(array.type).shape)
            if max(moved - found.stored[array], found.stored[array]) > size:
                return False
        return True

    def _found(self, first: int, last: int, way: Way) -> Outline | None:
        frame = Frame(first, last, last - way.behind)
        each = self._candidate(frame, way.tiles)
        if way.early and not isinstance(each, Refused):
            once = each.sweep.laborious if len(way.tiles) > 1 else frozenset[int]()
            if not once:
                return None
            each = self._candidate(replace(frame, once=once), way.tiles)
        if isinstance(each, Refused):
            return None
        if each.sweep.repeated:
            self.repeating.add((self.patterns.of(first, last), way))
            return None
        if not self.sliding and any(window.kept for window in each.windows.values()):
            return None
        shares = self.sums.of(each) if way.psum else {}
        if way.psum and not shares:
            return None
        return in_psum(self.streams.outline(each, sums=shares.keys()), shares)

    def _candidate(self, frame: Frame, tiles: Tiles) -> Candidate | Refused:
        """The group of a frame; the latest are remembered, as they are asked for in several ways."""
        group = replace(frame, once=frozenset()), tiles
        if self.latest.group != group:
            self.latest = Latest(group)
        found = self.latest.found
        if frame.once not in found:
            self.spent += frame.last - frame.first + 1
            if self.memory[0] != frame.last:
                self.memory = frame.last, Memory()  # that of several takes gigabytes where sweeps are long
            found[frame.once] = candidate(self.uses, frame, tiles, frozenset(), self.memory[1])
        return found[frame.once]
