"""Which iterations of an original nest the iterations of its successor are: bodies, and the relation between domains.

The relation is not taken from anyone: it is the identity, or the set of pairs of iterations whose leaves have the same
ultimate sources, narrowed to those that store to the same element. However it is found, it is then verified.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from torch_mlir import ir

from polystage import poly
from polystage.poly.relation import Point, Relation, Relations, at

from .program import Leaf, Node, Operation
from .sources import Difference, Label, Sources, compose, difference, total
from .trace import Computation

Pairs = list[tuple[Leaf, Leaf]]

REORDERABLE = frozenset(
    {"arith.addf", "arith.addi", "arith.mulf", "arith.muli", "arith.maximumf", "arith.minimumf", "arith.maxnumf"}
    | {"arith.minnumf", "arith.maxsi", "arith.minsi", "arith.maxui", "arith.minui", "arith.andi", "arith.ori"}
    | {"arith.xori"}
)
"""Operations whose order of application a compiler may choose (floating-point sums included, as everywhere)."""


@dataclass(frozen=True)
class Breach:
    """A broken law, and where."""

    law: str
    message: str
    difference: Difference | None = None


def match(before: Computation, after: Computation) -> Pairs | Breach:
    """The leaves of the two bodies that stand for each other, if the bodies are otherwise the same expression."""
    same_casts = after.chain == before.chain or (
        not before.accumulates and after.chain[: len(before.chain)] == before.chain
    )
    if not same_casts or len(before.nest.indices) != len(after.nest.indices):
        return Breach("body", "the result is cast differently")
    roots = zip((before.core, *before.nest.indices), (after.core, *after.nest.indices), strict=True)
    found: dict[tuple[Leaf, Leaf], None] = {}
    pending, seen = list(roots), set[tuple[Node, Node]]()
    while pending:
        pair = pending.pop()
        if pair in seen:
            continue
        seen.add(pair)
        old, new = pair
        if isinstance(old, Leaf) and isinstance(new, Leaf) and len(old.indices) == len(new.indices):
            found[(old, new)] = None
            pending += zip(old.indices, new.indices, strict=True)
        elif (
            isinstance(old, Operation)
            and isinstance(new, Operation)
            and old.kind == new.kind
            and len(old.operands) == len(new.operands)
        ):
            pending += zip(old.operands, new.operands, strict=True)
        else:
            return Breach("body", f"{_words(new)} instead of {_words(old)}")
    return list(found)


def _words(node: Node) -> str:
    return " ".join(node.kind) if isinstance(node, Operation) else " ".join((*node.base, *(c[0] for c in node.chain)))


@dataclass(frozen=True, eq=False)
class Pairing:
    """An original nest and a successor with their corresponding leaves."""

    algebra: Relations
    before: Computation
    after: Computation
    pairs: Pairs
    moved: Relation | None
    """From the elements of the original's target to those of the successor's, as far as it is known."""
    taken: Relation | None
    """The iterations of the original that other successors do, as the domain of a relation."""

    def embed(self) -> Relation | Breach:
        """The iterations of the original that the successor's are, verified; or the law that breaks."""
        first: Breach | None = None
        for candidate in self.candidates():
            breach = self.verify(candidate)
            if breach is None:
                return candidate
            first = first or breach
        return first or Breach("source", "no iteration of the original nest has these operands")

    def guess(self) -> Relation | None:
        """The likeliest relation, which need not hold."""
        return next(self.candidates(), None)

    def candidates(self) -> Iterator[Relation]:
        """Relations between the iterations, the likeliest first; each is a function on the successor's domain."""
        whole = self.algebra.identity(self.after.nest.domain)
        if poly.equal_sets(self.before.nest.domain, self.after.nest.domain) and _rank(self.before) == _rank(self.after):
            yield whole
        if self.before.nest.indices or any(own == "any" for own in self._owns()):
            return
        compatible, hint = self.compatible(), self.hint()
        if hint is None or not self.algebra.covers(hint, whole):
            likely = [compatible]
        else:
            likely = [hint if compatible is None else self.algebra.intersection(compatible, hint), hint]
        for candidate in likely:
            if candidate is not None and self.algebra.covers(candidate, whole):
                yield from self.functions(self.free(candidate) or candidate)

    def free(self, pairs: Relation) -> Relation | None:
        """The pairs whose iterations no other successor does, if they are enough."""
        if self.taken is None:
            return None
        left = self.algebra.inverse(self.algebra.outside(self.algebra.inverse(pairs), self.taken))
        return left if self.algebra.covers(left, self.algebra.identity(self.after.nest.domain)) else None

    def functions(self, pairs: Relation) -> Iterator[Relation]:
        """Functions within ``pairs``; where operands recur, places of the successor's box inside the original's."""
        if self.algebra.single_valued(pairs):
            yield pairs
            return
        old, new = self.before.nest.domain, self.after.nest.domain
        least = self.algebra.least(pairs)
        if self.algebra.injective(least):
            yield least
        start = at(least, tuple(low for low, _ in new.bounds))
        for dims in combinations(range(len(old.names)), len(new.names)) if start else ():
            ratios = [old.extents[dim] // extent for dim, extent in zip(dims, new.extents, strict=True)]
            for steps in dict.fromkeys(((1,) * len(dims), tuple(max(1, each) for each in ratios))):
                box = self.placed(start or (), dims, steps)
                if self.algebra.minus(box, pairs).empty:
                    yield box
        yield least

    def placed(self, start: Point, dims: Sequence[int], steps: Sequence[int]) -> Relation:
        """The successor's box in the original's domain: its corner at ``start``, its dimensions along ``dims``."""
        new = self.after.nest.domain
        exprs: list[ir.AffineExpr] = [ir.AffineExpr.get_constant(x) for x in start]
        for own, (dim, step) in enumerate(zip(dims, steps, strict=True)):
            exprs[dim] = exprs[dim] + (ir.AffineExpr.get_dim(own) - new.bounds[own][0]) * step
        return self.algebra.graph(poly.from_affine_map(ir.AffineMap.get(len(new.names), 0, exprs), "", new))

    def _owns(self) -> Iterator[str]:
        return (self.before.readings[old].own for old, _ in self.pairs)

    def compatible(self) -> Relation | None:
        """The pairs of iterations whose operands have a common source, leaf by leaf; None if no leaf tells."""
        found: Relation | None = None
        for old, new in self.pairs:
            if old.indices or self.before.readings[old].own != "no":
                continue
            a, b = self.after.readings[new].sources, self.before.readings[old].sources
            shared = [self.algebra.then(a[x], self.algebra.inverse(b[x])) for x in a if x in b]
            if not shared:
                return None
            leaf = shared[0]
            for each in shared[1:]:
                leaf = self.algebra.union(leaf, each)
            found = leaf if found is None else self.algebra.intersection(found, leaf)
        return found

    def hint(self) -> Relation | None:
        """The pairs of iterations that store to the same element."""
        if self.moved is None:
            return None
        elements = self.algebra.then(self.after.store, self.algebra.inverse(self.moved))
        return self.algebra.then(elements, self.algebra.inverse(self.before.store))

    def verify(self, embedding: Relation) -> Breach | None:
        """The law that breaks if the successor's iterations are these iterations of the original."""
        identical = embedding is self.algebra.identity(self.before.nest.domain)
        for old, new in self.pairs:
            breach = self.leaf(embedding, identical, old, new)
            if breach is not None:
                return breach
        if self.before.nest.indices:
            return self.scatter(identical)
        if self.before.accumulates and not (identical or reorderable(self.before)):
            return Breach("order", "a reduction whose order matters is taken apart")
        return None

    def leaf(self, embedding: Relation, identical: bool, old: Leaf, new: Leaf) -> Breach | None:
        """One pair of leaves."""
        a, b = self.after.readings[new], self.before.readings[old]
        if b.own == "any":
            return self.carried(identical, old, new)
        if b.own == "same" and (self.before.accumulates or self.after.kind == "sum"):
            return self.accumulator(embedding, identical, old, new)
        if a.own == "any" or (a.own == "same" and self.after.accumulates):
            return Breach("order", "reads elements that other iterations of the nest write")
        where = embedding
        if old.indices:
            assert old.access is not None and new.access is not None
            count = len(old.indices)
            if new.access.domain.extents[-count:] != old.access.domain.extents[-count:]:
                return Breach("source", "picks from another range of elements")
            where = self.algebra.beside(embedding, self.algebra.box(old.access.domain.extents[-count:]))
        return self.compare("source", self.expected(where, identical, b.sources), a.sources)

    def expected(self, embedding: Relation, identical: bool, sources: Sources) -> Sources:
        """The sources of the original at the iterations of the successor."""
        return sources if identical else compose(self.algebra, embedding, sources)

    def compare(self, law: str, expected: Sources, found: Sources) -> Breach | None:
        """Whether sources are the same."""
        if expected == found:
            return None
        wrong = difference(self.algebra, expected, found)
        return wrong and Breach(law, "reads another value" if law == "source" else "starts from another value", wrong)

    def accumulator(self, embedding: Relation, identical: bool, old: Leaf, new: Leaf) -> Breach | None:
        """A reduction starts from the original's start, or goes on where another piece of it stopped."""
        apart = self.after.kind == "sum" and new.base[0] == "constant"
        if self.after.readings[new].own != "same" and not apart:
            return Breach("initial", "reads its accumulator from elsewhere than it stores it")
        sources = dict(self.after.readings[new].sources)
        if self.after.kind == "sum":
            return self.zero(sources)
        expected = self.expected(embedding, identical, self.before.readings[old].sources)
        begun = sources.pop(self.after.label, None)
        if begun is None:
            return self.compare("initial", expected, sources)
        if not reorderable(self.before):
            return Breach("order", "a reduction whose order matters is taken apart")
        fresh = {label: self.algebra.outside(relation, begun) for label, relation in expected.items()}
        return self.compare("initial", {x: relation for x, relation in fresh.items() if not relation.empty}, sources)

    def zero(self, sources: dict[Label, Relation]) -> Breach | None:
        """A sum whose start is added later starts from zero, or goes on."""
        started = total(self.algebra, sources.values())
        if started is None or not self.algebra.covers(started, self.algebra.identity(self.after.nest.domain)):
            return Breach("initial", "starts from nothing written")
        sources.pop(self.after.label, None)
        wrong = [base for chain, base in sources if chain or base[0] != "constant" or float(base[1])]
        return Breach("initial", f"starts from {' '.join(wrong[0])} instead of zero") if wrong else None

    def carried(self, identical: bool, old: Leaf, new: Leaf) -> Breach | None:
        """Values carried from iteration to iteration through memory: same iterations, same pattern of elements."""
        if not identical or self.after.readings[new].own == "no":
            return Breach("order", "values carried between iterations are carried otherwise")
        assert old.access is not None and new.access is not None
        read = self._across(self.algebra.graph(old.access), self.algebra.graph(new.access))
        both = self.algebra.union(read, self._across(self.before.store, self.after.store))
        if not self.algebra.single_valued(both) or not self.algebra.injective(both):
            return Breach("order", "values carried between iterations are carried otherwise")
        return self.compare("initial", self.before.readings[old].sources, self.after.readings[new].sources)

    def _across(self, old: Relation, new: Relation) -> Relation:
        return self.algebra.then(self.algebra.inverse(old), new)

    def scatter(self, identical: bool) -> Breach | None:
        """A scatter stays as it is: same iterations, same places, same contents before."""
        if not identical or not self.algebra.equal(self.before.store, self.after.store):
            return Breach("order", "a scatter stores elsewhere")
        return self.compare("initial", self.before.initial, self.after.initial)


def _rank(computation: Computation) -> int:
    return len(computation.nest.domain.names)


def reorderable(computation: Computation) -> bool:
    """Whether a reduction combines its accumulator once, by an operation whose order does not matter."""
    root = computation.core
    if not isinstance(root, Operation) or root.kind[0] not in REORDERABLE or len(root.operands) != 2:
        return False
    own: Callable[[Leaf], bool] = lambda leaf: computation.readings[leaf].own != "no"  # noqa: E731
    mine = [sum(own(leaf) for leaf in _leaves(operand)) for operand in root.operands]
    direct = [isinstance(operand, Leaf) and own(operand) for operand in root.operands]
    return sorted(mine) == [0, 1] and any(direct)


def _leaves(node: Node) -> Iterator[Leaf]:
    if isinstance(node, Leaf):
        yield node
        for each in node.indices:
            yield from _leaves(each)
    else:
        for each in node.operands:
            yield from _leaves(each)
