"""What is read on every lane: copies that nests make for themselves, and arrays that lie there (part of the problem).

A nest whose lane loop does not run along an array that it reads needs all of that on each of its lanes. It copies it
for itself, unless the array is *replicated*: computed on every lane, which takes no longer than in one.
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field, replace

from polystage.analysis.costs import broadcast_ns, move_ns
from polystage.analysis.implementation import Implementation
from polystage.analysis.nests import Nest
from polystage.dialects.npu import element_bytes
from polystage.machine import Machine
from polystage.passes.banks.problem import ANY, ONE_LANE, REPLICATED, Array, Choice, Item, Move, is_own
from polystage.passes.banks.slots import Slot, private_copy


@dataclass(frozen=True)
class OwnCopy:
    """What a nest copies for each of its lanes: of an array that one lane holds, or that is spread over lanes."""

    from_one_lane: Move
    from_lanes: Move

    def move(self, home: int) -> Move:
        """The copy of an array that lies there."""
        return self.from_one_lane if home == ONE_LANE else self.from_lanes


Numbers = dict[tuple[Slot, OwnCopy], int]
"""By access and copy the number of it: equal copies of one nest have the same."""


@dataclass
class OwnCopies:
    """The copies of all choices of all nests by the number that stands for wanting one (``is_own``)."""

    machine: Machine
    price: float
    numbered: dict[int, OwnCopy] = field(default_factory=dict[int, OwnCopy])

    def number(self, slot: Slot, loop: int | None, nest: Nest, known: Numbers) -> int:
        """A number for what a choice with that lane loop copies; ``known`` are those of the same nest."""
        element, most = slot.type.element_type, self.machine.lanes
        size, run = private_copy(slot, loop, nest, self.machine)
        lanes = most if loop is None else min(nest.extents[loop], most)
        by_dma = move_ns(size, run, self.machine)
        by_products = broadcast_ns(size // lanes // element_bytes(element), element, self.machine)
        paid = self.price * size
        copy = OwnCopy(Move(min(by_dma, by_products) + paid, size), Move(by_dma + paid, size))
        if (slot, copy) not in known:
            known[slot, copy] = REPLICATED - 1 - len(self.numbered)
            self.numbered[known[slot, copy]] = copy
        return known[slot, copy]

    def settled(self, item: Item, arrays: Sequence[Array]) -> Item:
        """The nest with copies that cost the same wherever the array lies as a cost of its choices."""
        return replace(item, choices=tuple(self._settled(item, choice, arrays) for choice in item.choices))

    def _settled(self, item: Item, choice: Choice, arrays: Sequence[Array]) -> Choice:
        wants = list(choice.wants)
        for slot, (array, wanted) in enumerate(zip(item.slots, choice.wants, strict=True)):
            if is_own(wanted):
                moves = {self.numbered[wanted].move(home) for home in arrays[array].homes}
                if REPLICATED not in arrays[array].homes and len(moves) == 1:
                    (move,) = moves
                    choice = replace(
                        choice, ns=choice.ns + move.ns, copies=choice.copies + 1, copied=choice.copied + move.bytes
                    )
                    wants[slot] = ANY
        return replace(choice, wants=tuple(wants))


Options = tuple[Item, tuple[Implementation, ...]]


def fits_every_lane(size: int, machine: Machine) -> bool:
    """Whether every lane may hold an array of so many bytes: they take no more than an eighth of each, as tiles and
    other arrays need the rest.
    """
    return size <= machine.usable_bytes_per_lane // 8


def useful(options: Sequence[Options], small: Container[int]) -> list[Options]:
    """Nests, in program order, without the choices that compute on every lane what no later nest reads there, or what
    takes too much of each lane: arrays that are not ``small``.
    """
    return list(_useful(options, small))[::-1]


def _useful(options: Sequence[Options], small: Container[int]) -> Iterator[Options]:
    read = set[int]()
    for item, implementations in reversed(options):
        array = None if item.written is None else item.slots[item.written]
        worth = array in read and array in small
        kept = [k for k, each in enumerate(implementations) if worth or not each.replicated] or [item.favourite]
        choices = tuple(item.choices[k] for k in kept)
        for choice in choices:
            read |= {array for array, wanted in zip(item.slots, choice.wants, strict=True) if is_own(wanted)}
        yield (
            replace(item, choices=choices, favourite=kept.index(item.favourite)),
            tuple(implementations[k] for k in kept),
        )
