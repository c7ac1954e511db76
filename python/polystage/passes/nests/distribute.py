"""Whether the stores of one loop nest may be distributed into nests of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from torch_mlir import ir

from polystage.passes.nests.body import Body, loads_of
from polystage.passes.nests.ir import NotSupportedError, defining_op, walk
from polystage.passes.nests.quasi import Quasi
from polystage.passes.nests.tree import Statement
from polystage.passes.nests.views import base_of

Access = tuple[ir.Value, "tuple[Quasi | int, ...]"]


@dataclass(frozen=True)
class Part:
    """One store of the nest, read and as it stands."""

    body: Body
    statement: Statement

    @property
    def target(self) -> ir.Value:
        """The stored array."""
        return self.body.result().array

    @property
    def accesses(self) -> list[Access]:
        """All accesses, the store first."""
        store = self.body.result()
        return [(store.array, store.indices), *((load.array, load.indices) for load in loads_of(self.body))]


def check_distributable(tree: ir.Operation, parts: Sequence[Part]) -> None:
    """Refuse parts whose order inside ``tree`` matters.

    ``a`` may run to its end before ``b`` starts if every element that one of them writes and both touch is touched
    by both in the same iteration of their common loops only, and ``b`` loads it after ``a`` has stored it.
    """
    position = {op: k for k, op in enumerate(walk(tree))}
    for a, b in combinations(parts, 2):
        common = sum(1 for x, y in zip(a.statement.ivs, b.statement.ivs, strict=False) if x == y)
        for array in {a.target, b.target}:
            touched = [[indices for x, indices in part.accesses if x == array] for part in (a, b)]
            if not all(touched):
                continue
            if not _same_iteration([*touched[0], *touched[1]], common) or _loads_before(b, a, array, position):
                message = "stores of one nest depend on each other, so it cannot become one nest per store"
                raise NotSupportedError(b.statement.store.location, message)


def _same_iteration(touched: Sequence["tuple[Quasi | int, ...]"], common: int) -> bool:
    """Whether all accesses are one function that is one to one in the first ``common`` induction variables."""
    plain = {i.terms[0][0] for i in touched[0] if isinstance(i, Quasi) and len(i.terms) == 1}
    return all(indices == touched[0] for indices in touched) and plain >= set(range(common))


def _loads_before(part: Part, other: Part, array: ir.Value, position: dict[ir.Operation, int]) -> bool:
    """Whether ``part`` loads from ``array``, which ``other`` writes, before ``other`` writes it."""
    if other.target != array:
        return False
    pending, seen = list(part.statement.store.operands), set[ir.Value]()
    while pending:
        value = pending.pop()
        op = defining_op(value)
        if op is None or value in seen or op not in position:
            continue
        seen.add(value)
        loads = op.name in ("affine.load", "memref.load") and base_of(op.operands[0]) == array
        if loads and position[op] < position[other.statement.store]:
            return True
        pending.extend(op.operands)
    return False
