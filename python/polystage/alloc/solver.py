"""A packing at a capacity: cheap attempts first, then the exact search, and a set to blame when both fail."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from polystage.alloc.best_fit import Packing, best_fit
from polystage.alloc.blame import Blame, deletion_filter
from polystage.alloc.blocks import Block, blocks, check_pins
from polystage.alloc.load import Moment, fullest
from polystage.alloc.problem import Buffer, Infeasible, Problem, Solution
from polystage.alloc.restarts import Result, Switches, restarts
from polystage.alloc.sections import instance_of

_LARGE = 500  # blocks; a node takes longer in proportion, so larger problems get fewer
_BLAME_SHARE = 2  # the set to blame is looked for with this part of the nodes


@dataclass(frozen=True)
class Solver:
    """How to look for a packing; the same solver answers the same problem in the same way.

    ``nodes`` bounds the placements and skips of all attempts of the exact search together, for problems of up to some
    hundred buffers (about 30 to 200 microseconds each); larger problems get fewer. ``best_fit`` and ``search`` are the
    two methods, ``switches`` what the search uses; ``blame`` is whether an irreducible set is looked for when both
    fail.
    """

    seed: int = 0
    nodes: int = 20_000
    best_fit: bool = True
    search: bool = True
    blame: bool = True
    switches: Switches = field(default_factory=Switches)

    def solve(self, problem: Problem) -> Solution | Infeasible:
        """Offsets for every buffer, or why there are none; ``Infeasible.proved`` says whether none can exist.

        Raises UserError when a pin by itself is impossible: beyond capacity, or on top of another.
        """
        found = blocks(problem)
        moment = fullest(problem.buffers)
        if moment.demand > problem.capacity:
            blame = moment.irreducible(problem.capacity)
            live = moment.live
            return Infeasible(moment.demand, problem.capacity, moment.time, live, "load", blame, irreducible=True)
        check_pins(found)
        packing = best_fit(found, problem.capacity, attempts=None if self.best_fit else 1)
        if packing.height <= problem.capacity:
            return _solution(problem, found, packing.offsets)
        nodes = self._bound(found, self.nodes if self.search else 0)
        result, unit = self._search(found, problem.capacity, nodes)
        if result.outcome == "packed":
            return _solution(problem, found, [offset * unit for offset in result.offsets])
        return self._infeasible(problem, found, moment, packing, proved=result.outcome == "exhausted")

    def _search(self, found: Sequence[Block], capacity: int, nodes: int) -> tuple[Result, int]:
        """The exact search in at most ``nodes``, and the bytes of its unit."""
        if nodes < len(found):  # every block takes a node
            return Result("stopped", (), 0), 1
        instance, unit = instance_of(found, capacity)
        return restarts(instance, self.switches, self.seed, nodes), unit

    @staticmethod
    def _bound(found: Sequence[Block], nodes: int) -> int:
        return nodes * _LARGE // max(_LARGE, len(found))

    def _infeasible(
        self, problem: Problem, found: Sequence[Block], moment: Moment, packing: Packing, *, proved: bool
    ) -> Infeasible:
        blame = self._blame(problem.capacity, found, proved=proved) if self.blame else Blame(tuple(found), False)
        buffers = tuple(buffer for block in blame.blocks for buffer in block.members)
        proof = "search" if proved else None
        return Infeasible(packing.height, problem.capacity, moment.time, moment.live, proof, buffers, blame.irreducible)

    def _blame(self, capacity: int, found: Sequence[Block], *, proved: bool) -> Blame:
        """What cannot be packed even alone: by proof, or as far as a few attempts on each set can tell."""
        left = self._bound(found, self.nodes // _BLAME_SHARE)

        def fails(rest: Sequence[Block]) -> bool | None:
            nonlocal left
            if fullest(_buffers(rest)).demand > capacity:
                return True
            left -= len(rest)
            if left <= 0:
                return None
            if best_fit(rest, capacity, attempts=4).height <= capacity:
                return False
            result, _ = self._search(rest, capacity, left if proved else min(left, 4 * len(rest)))
            left -= result.nodes
            if proved and result.outcome == "stopped":
                return None
            return result.outcome != "packed"

        return deletion_filter(found, fails)


def solve(problem: Problem, solver: Solver | None = None) -> Solution | Infeasible:
    """:meth:`Solver.solve` of ``solver``, by default one that takes about a second to give up."""
    return (solver or Solver()).solve(problem)


def _buffers(found: Sequence[Block]) -> tuple[Buffer, ...]:
    return tuple(buffer for block in found for buffer in block.members)


def _solution(problem: Problem, found: Sequence[Block], offsets: Sequence[int]) -> Solution:
    """Offsets of all buffers; those that take no space lie at their pins or at 0."""
    chosen = {buffer.name: buffer.pin or 0 for buffer in problem.buffers}
    for block, offset in zip(found, offsets, strict=True):
        chosen.update((member.name, offset) for member in block.members)
    return Solution(MappingProxyType(chosen))
