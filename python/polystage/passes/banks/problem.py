"""Bank mapping as a discrete problem: a home for every array, a choice for every nest, relayouts between them.

Every nest has *slots*, one for each array access whose layout matters, and *choices*, one for each implementation. A
choice says in which layout it wants what each slot accesses. The slot's *region* is the part of an array that one
relayout copies: slots of one region that want the same layout share the relayout.

Layouts are named by the array dimension across the lanes; ``ONE_LANE`` keeps all in one lane, ``REPLICATED`` has all on
every lane, ``IN_DRAM`` is the home of arrays that are given there. All costs are modelled ns, the price of relayout
bytes included. `Problem.cost` is the one cost function of all strategies.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

ONE_LANE: Final = -1
IN_DRAM: Final = -2
ANY: Final = -3
"""What a choice wants where the layout does not matter: it brings its own copy, whose cost is the choice's."""
REPLICATED: Final = -4


def is_own(wanted: int) -> bool:
    """Whether a choice wants all of an array on every lane that it uses: what lies otherwise it copies for itself.

    Such copies differ in size and are shared with nobody: each has a number of its own below ``REPLICATED``.
    """
    return wanted < REPLICATED


def fixes_home(wanted: int) -> bool:
    """Whether an array may lie as a choice wants it."""
    return wanted != ANY and not is_own(wanted)


@dataclass(frozen=True)
class Move:
    """Bringing a region into a layout: ``ns``, the price of its bytes included; ``bytes`` written on chip by a
    relayout, or ``dram`` read by the load of a given array.
    """

    ns: float
    bytes: int = 0
    dram: int = 0


@dataclass(frozen=True)
class Array:
    """An array, the homes that it may have, and what each costs (scratchpad that is left empty)."""

    name: str
    homes: tuple[int, ...]
    home_ns: tuple[float, ...]


@dataclass(frozen=True)
class Region:
    """A part of an array that one relayout moves; ``moves`` by home and layout wanted, absent where none is needed."""

    array: int
    moves: Mapping[int, Mapping[int, Move]]

    def move(self, home: int, wanted: int) -> Move | None:
        """What has to be moved; None where the slot reads or writes the array in place."""
        return self.moves[home].get(wanted)


@dataclass(frozen=True)
class Choice:
    """One implementation of a nest: its own time, the layout each slot wants, and its private copies.

    ``copies`` on chip write ``copied`` bytes; ``dram`` are bytes of given arrays that it loads more than once.
    ``engine`` tells choices on different engines apart.
    """

    ns: float
    wants: tuple[int, ...]
    engine: str = ""
    copies: int = 0
    copied: int = 0
    dram: int = 0


@dataclass(frozen=True)
class Item:
    """A nest: the region of each slot, its choices, and which of them it would take by itself.

    ``written`` is the slot of the array that it stores, if that has a home to choose. ``follows``: it loads nothing, so
    that every layout suits it. ``macs`` counts the iterations of a contraction, else 0.
    """

    slots: tuple[int, ...]
    choices: tuple[Choice, ...]
    favourite: int = 0
    written: int | None = None
    follows: bool = False
    macs: int = 0


@dataclass(frozen=True)
class Assignment:
    """A choice for every nest and a home for every array, by position."""

    homes: tuple[int, ...]
    choices: tuple[int, ...]


@dataclass(frozen=True)
class Problem:
    """Arrays, their regions and the nests that work on them."""

    arrays: tuple[Array, ...]
    regions: tuple[Region, ...]
    items: tuple[Item, ...]

    def cost(self, assignment: Assignment, *, shared: bool = True) -> float:
        """Modelled ns of the whole program; without ``shared`` every slot pays its own relayout."""
        homes = zip(self.arrays, assignment.homes, strict=True)
        items = zip(self.items, assignment.choices, strict=True)
        total = sum(array.home_ns[home] for array, home in homes)
        total += sum(item.choices[choice].ns for item, choice in items)
        return total + sum(move.ns for _, _, move in self.relayouts(assignment, shared=shared))

    def relayouts(self, assignment: Assignment, *, shared: bool = True) -> Iterator[tuple[int, int, Move]]:
        """Region, layout wanted and move of every relayout (and load of a given array) of an assignment."""
        seen = set[tuple[int, int]]()
        for item, choice in zip(self.items, assignment.choices, strict=True):
            for region, wanted in zip(item.slots, item.choices[choice].wants, strict=True):
                move = self.regions[region].move(self.home(assignment, region), wanted)
                if move is not None and not (shared and (region, wanted) in seen):
                    seen.add((region, wanted))
                    yield region, wanted, move

    def home(self, assignment: Assignment, region: int) -> int:
        """The layout that the array of a region has at home."""
        array = self.regions[region].array
        return self.arrays[array].homes[assignment.homes[array]]

    @cached_property
    def users(self) -> Mapping[int, Sequence[tuple[int, int]]]:
        """By array, the (item, slot) that access it, in program order."""
        found: dict[int, list[tuple[int, int]]] = {array: [] for array in range(len(self.arrays))}
        for number, item in enumerate(self.items):
            for slot, region in enumerate(item.slots):
                found[self.regions[region].array].append((number, slot))
        return found


@dataclass(frozen=True)
class Summary:
    """What an assignment costs: modelled ns, relayouts (private copies included), their bytes, further DRAM bytes."""

    ns: float
    relayouts: int
    relayout_bytes: int
    dram_bytes: int


def summary(problem: Problem, assignment: Assignment, *, shared: bool = True) -> Summary:
    """The figures of an assignment that reports show."""
    moves, loaded, further = list[Move](), set[int](), 0
    for region, _, move in problem.relayouts(assignment, shared=shared):
        if move.bytes:
            moves.append(move)
        elif region in loaded:
            further += move.dram
        loaded.add(region)
    taken = [item.choices[choice] for item, choice in zip(problem.items, assignment.choices, strict=True)]
    return Summary(
        problem.cost(assignment, shared=shared),
        len(moves) + sum(choice.copies for choice in taken),
        sum(move.bytes for move in moves) + sum(choice.copied for choice in taken),
        further + sum(choice.dram for choice in taken),
    )
