"""An assignment under construction: what is fixed so far, and what a nest's choice would cost beside it."""

from collections import Counter
from collections.abc import Iterable

from polystage.passes.banks.problem import ANY, Assignment, Move, Problem, is_own


class State:
    """Homes and choices by position, None where not fixed yet; counts who wants what, as relayouts are shared.

    A choice is weighed against the homes that are fixed; towards the others it costs nothing but copies of its own.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.homes: list[int | None] = [None] * len(problem.arrays)
        self.choices: list[int | None] = [None] * len(problem.items)
        self.wanted: Counter[tuple[int, int]] = Counter()

    @classmethod
    def of(cls, problem: Problem, assignment: Assignment) -> "State":
        """The state of a complete assignment."""
        state = cls(problem)
        state.homes = list(assignment.homes)
        for item, choice in enumerate(assignment.choices):
            state.choose(item, choice)
        return state

    def assignment(self) -> Assignment:
        """The complete assignment; what is still free takes its first possibility."""
        return Assignment(tuple(home or 0 for home in self.homes), tuple(choice or 0 for choice in self.choices))

    def choose(self, item: int, choice: int | None) -> None:
        """Fix, change or (None) free the choice of a nest."""
        before = self.choices[item]
        if before is not None:
            self.wanted.subtract(self._wants(item, before))
        if choice is not None:
            self.wanted.update(self._wants(item, choice))
        self.choices[item] = choice

    def settle(self, array: int, layout: int) -> None:
        """Fix the home of an array that has none; the first of its homes where it may not have this one."""
        homes = self.problem.arrays[array].homes
        if self.homes[array] is None:
            self.homes[array] = homes.index(layout) if layout in homes else 0

    def home(self, region: int) -> int | None:
        """The layout that the array of a region has at home, None where it is not fixed."""
        array = self.problem.regions[region].array
        home = self.homes[array]
        return None if home is None else self.problem.arrays[array].homes[home]

    def move_ns(self, region: int, layout: int) -> float:
        """Time of the relayout of a region into a layout."""
        move = self._move(region, layout)
        return 0.0 if move is None else move.ns

    def relayout_bytes(self, item: int, choice: int) -> int:
        """Bytes of the relayouts that a choice needs of its own, and of its private copies."""
        taken, slots = self.problem.items[item].choices[choice], self.problem.items[item].slots
        moves = (self._move(region, wanted) for region, wanted in zip(slots, taken.wants, strict=True))
        return taken.copied + sum(move.bytes for move in moves if move is not None)

    def choice_ns(self, item: int, choice: int) -> float:
        """What a free nest would add by a choice; relayouts that others need already are theirs."""
        taken = self.problem.items[item].choices[choice]
        new = {pair for pair in self._wants(item, choice) if not self.wanted[pair]}
        return taken.ns + sum(self.move_ns(region, wanted) for region, wanted in new)

    def best(self, item: int, among: Iterable[int] | None = None) -> int:
        """The choice that adds least to a free nest; ties: the first."""
        every = range(len(self.problem.items[item].choices))
        return min(every if among is None else among, key=lambda choice: self.choice_ns(item, choice))

    def _move(self, region: int, layout: int) -> Move | None:
        home, moves = self.home(region), self.problem.regions[region].moves
        if home is not None:
            return moves[home].get(layout)
        # what a nest copies for itself it copies from nearly every home
        return next((each[layout] for each in moves.values() if layout in each), None) if is_own(layout) else None

    def _wants(self, item: int, choice: int) -> list[tuple[int, int]]:
        owner = self.problem.items[item]
        pairs = zip(owner.slots, owner.choices[choice].wants, strict=True)
        return [(region, wanted) for region, wanted in pairs if wanted != ANY]
