"""Groups: nests to be executed together tile by tile, and what of them does not depend on tile sizes."""

from dataclasses import dataclass
from functools import cached_property

from torch_mlir import ir

from polystage.analysis.swept_nests import Reference, SweptNest
from polystage.analysis.values import array_name


@dataclass(frozen=True)
class Refused:
    """Why a group cannot be swept; ``nest`` is the number of the nest in the group."""

    nest: int
    reason: str


@dataclass(frozen=True)
class Tile:
    """A tile loop: a loop of the sink, and the iterations that one step takes of it."""

    loop: int
    size: int


@dataclass(frozen=True)
class Group:
    """What a sweep needs to know of a group and does not depend on tile sizes.

    ``sink`` is the number of the nest whose loops are tiled, by rights the last one that is more than a border.
    ``live_out`` are the arrays used after the group, ``live_in`` those that the group writes and that hold elements
    written before it; what it reads and does not write comes from outside in any case.
    """

    nests: tuple[SweptNest, ...]
    sink: int
    live_out: frozenset[ir.Value]
    live_in: frozenset[ir.Value] = frozenset()

    @cached_property
    def uses(self) -> tuple[tuple[tuple[int, Reference], ...], ...]:
        """For each nest the later references that may meet what it stores: (nest, reference)."""
        return tuple(
            tuple(
                (user, reference)
                for user, reference in self.references[nest.store.array]
                if user > writer and nest.store.meets(reference)
            )
            for writer, nest in enumerate(self.nests)
        )

    @cached_property
    def main(self) -> frozenset[int]:
        """Nests that the sink needs, and the sink."""
        needed = {self.sink}
        for number in range(len(self.nests) - 1, -1, -1):
            if any(user in needed for user, _ in self.uses[number]):  # users come later
                needed.add(number)
        return frozenset(needed)

    @cached_property
    def complete(self) -> frozenset[int]:
        """Nests that execute all their iterations: they write what lives on, or what a side nest reads."""
        return frozenset(
            number
            for number, nest in enumerate(self.nests)
            if nest.store.array in self.live_out
            or number not in self.main
            or any(user not in self.main for user, _ in self.uses[number])
        )

    @cached_property
    def writers(self) -> dict[ir.Value, tuple[int, ...]]:
        """The nests that write an array."""
        found: dict[ir.Value, list[int]] = {}
        for number, nest in enumerate(self.nests):
            found.setdefault(nest.store.array, []).append(number)
        return {array: tuple(numbers) for array, numbers in found.items()}

    @cached_property
    def references(self) -> dict[ir.Value, tuple[tuple[int, Reference], ...]]:
        """All references to an array: (nest, reference)."""
        found: dict[ir.Value, list[tuple[int, Reference]]] = {}
        for number, nest in enumerate(self.nests):
            for reference in nest.references:
                found.setdefault(reference.array, []).append((number, reference))
        return {array: tuple(references) for array, references in found.items()}

    @cached_property
    def indirect(self) -> frozenset[ir.Value]:
        """Arrays that a nest gathers from or scatters to."""
        scattered = frozenset(nest.store.array for nest in self.nests if nest.nest.store.indirect)
        return scattered.union(*(nest.gathered for nest in self.nests))

    @cached_property
    def from_outside(self) -> frozenset[ir.Value]:
        """Arrays of which the group reads elements that it did not write."""
        return self.live_in | frozenset(
            reference.array
            for number, nest in enumerate(self.nests)
            for reference in nest.reads
            if not any(writer < number for writer in self.writers.get(reference.array, ()))
        )

    @cached_property
    def apart(self) -> dict[ir.Value, tuple[int, ...]]:
        """For each written array nests that write different elements of it, the largest first."""
        found: dict[ir.Value, tuple[int, ...]] = {}
        for array, writers in self.writers.items():
            chosen: list[int] = []
            for number in sorted(writers, key=lambda number: self.nests[number].elements, reverse=True):
                store = self.nests[number].store
                if not any(store.meets(self.nests[other].store) for other in chosen):
                    chosen.append(number)
            found[array] = tuple(chosen)
        return found

    @cached_property
    def problem(self) -> Refused | None:
        """Why no tile size will do."""
        sink = self.nests[self.sink]
        if sink.whole is not None:
            return Refused(self.sink, f"the sink {sink.whole}")
        for number, nest in enumerate(self.nests):
            for array in nest.gathered:
                if array in self.writers:
                    return Refused(number, f"gathers from '{array_name(array)}', which the group writes")
            for reference in nest.reads:
                writers = self.writers.get(reference.array, ())
                if reference != nest.store and any(
                    writer > number and self.nests[writer].store.meets(reference) for writer in writers
                ):
                    name = array_name(reference.array)
                    return Refused(number, f"reads '{name}' before a later nest of the group writes it")
        return None
