"""Relations between points: what independent checks are made of (DESIGN section 3: functions produce, relations check).

A :class:`Relations` remembers what it has been asked. Its relations are uniqued, so that a question that recurs, as it
does in every layer of a deep model, costs a table look-up.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import islpy as isl
from torch_mlir import ir

from .access import Access, identity
from .domain import Domain
from .expr import constant, dimensions, evaluate, integer

_SET = isl.dim_type.set

Point = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Relation:
    """Pairs of points; made by a :class:`Relations`, and within one the same object if isl sees at once that it is."""

    pairs: isl.Map
    empty: bool

    def __str__(self) -> str:
        return str(self.pairs)


class Relations:
    """The algebra of relations, with a memory. Domains and accesses of one check go through one of these."""

    def __init__(self) -> None:
        self._unique: dict[int, list[Relation]] = {}
        self._graphs: dict[tuple[int, int], tuple[Access, Relation]] = {}
        self._known: dict[tuple[object, ...], tuple[object, object]] = {}
        self._boxes: dict[tuple[int, ...], Relation] = {}

    def graph(self, access: Access) -> Relation:
        """From each point of the access's domain, indices loaded from memory included, to the element it touches."""
        key = (id(access.function), id(access.domain))
        if key not in self._graphs:
            pairs = isl.Map.from_multi_aff(access.function).intersect_domain(access.domain.set)
            self._graphs[key] = (access, self._uniqued(pairs))
        return self._graphs[key][1]

    def box(self, extents: Sequence[int]) -> Relation:
        """The identity on ``0 <= x_i < extents[i]``."""
        key = tuple(extents)
        if key not in self._boxes:
            names = [f"x{i}" for i in range(len(key))]
            self._boxes[key] = self._uniqued(identity("", Domain.box(names, key)).relation)
        return self._boxes[key]

    def identity(self, domain: Domain) -> Relation:
        """The identity on ``domain``."""
        if domain.is_box and all(low == 0 for low, _ in domain.bounds):
            return self.box(domain.extents)
        return self.graph(identity("", domain))

    def unit(self, a: Relation) -> Relation:
        """From each point of the domain of ``a`` to the one point without coordinates."""
        return self._once("unit", lambda: isl.Map.from_domain(a.pairs.domain()), a)

    def then(self, a: Relation, b: Relation) -> Relation:
        """``x -> z`` where ``a`` has ``x -> y`` and ``b`` has ``y -> z``."""
        return self._once("then", lambda: a.pairs.apply_range(b.pairs), a, b)

    def inverse(self, a: Relation) -> Relation:
        """``y -> x`` for each ``x -> y``."""
        return self._once("inverse", lambda: a.pairs.reverse(), a)

    def union(self, a: Relation, b: Relation) -> Relation:
        """The pairs of either."""
        return self._once("union", lambda: a.pairs.union(b.pairs).coalesce(), a, b) if a is not b else a

    def intersection(self, a: Relation, b: Relation) -> Relation:
        """The pairs of both."""
        return self._once("intersection", lambda: a.pairs.intersect(b.pairs), a, b) if a is not b else a

    def minus(self, a: Relation, b: Relation) -> Relation:
        """The pairs of ``a`` that ``b`` does not have."""
        return self._once("minus", lambda: a.pairs.subtract(b.pairs), a, b)

    def outside(self, a: Relation, b: Relation) -> Relation:
        """The pairs of ``a`` whose first point is not in the domain of ``b``."""
        return self._once("outside", lambda: a.pairs.subtract_domain(b.pairs.domain()).coalesce(), a, b)

    def inside(self, a: Relation, b: Relation) -> Relation:
        """The pairs of ``a`` whose first point is in the domain of ``b``."""
        return self._once("inside", lambda: a.pairs.intersect_domain(b.pairs.domain()), a, b)

    def least(self, a: Relation) -> Relation:
        """Of the pairs with one first point, that with the lexicographically least second point."""
        return self._once("least", lambda: a.pairs.lexmin(), a)

    def beside(self, a: Relation, b: Relation) -> Relation:
        """``(x, u) -> (y, v)`` for ``x -> y`` of ``a`` and ``u -> v`` of ``b``."""
        return self._once("beside", lambda: a.pairs.flat_product(b.pairs), a, b)

    def equal(self, a: Relation, b: Relation) -> bool:
        """Whether both have the same pairs."""
        return a is b or self._asked("equal", lambda: _arity(a) == _arity(b) and a.pairs.is_equal(b.pairs), a, b)

    def covers(self, a: Relation, b: Relation) -> bool:
        """Whether the domain of ``a`` holds that of ``b``."""
        return a is b or self._asked("covers", lambda: b.pairs.domain().is_subset(a.pairs.domain()), a, b)

    def meet(self, a: Relation, b: Relation) -> bool:
        """Whether the domains have a common point."""
        return a is b or self._asked("meet", lambda: not a.pairs.domain().is_disjoint(b.pairs.domain()), a, b)

    def single_valued(self, a: Relation) -> bool:
        """Whether each first point has one second point."""
        return self._asked("single", lambda: a.pairs.is_single_valued(), a)

    def injective(self, a: Relation) -> bool:
        """Whether each second point has one first point."""
        return self._asked("injective", lambda: a.pairs.is_injective(), a)

    def _once(self, name: str, make: Callable[[], isl.Map], *operands: Relation) -> Relation:
        key = (name, *map(id, operands))
        if key not in self._known:
            self._known[key] = (operands, self._uniqued(make()))
        relation = self._known[key][1]
        assert isinstance(relation, Relation)
        return relation

    def _asked(self, name: str, answer: Callable[[], bool], *operands: Relation) -> bool:
        key = (name, *map(id, operands))
        if key not in self._known:
            self._known[key] = (operands, answer())
        return self._known[key][1] is True

    def _uniqued(self, pairs: isl.Map) -> Relation:
        same = self._unique.setdefault(hash(pairs), [])
        for each in same:
            if each.pairs.plain_is_equal(pairs):
                return each
        same.append(Relation(pairs, pairs.is_empty()))
        return same[-1]


def sample(a: Relation) -> tuple[Point, Point]:
    """The lexicographically first pair of a relation that has one."""
    first = a.pairs.domain().lexmin().sample_point()
    second = a.pairs.intersect_domain(first.to_set()).range().lexmin().sample_point()
    return _coordinates(first), _coordinates(second)


def at(a: Relation, point: Point) -> Point | None:
    """The first point that ``point`` is related to, None if there is none."""
    here = Domain.of_bounds([f"x{i}" for i in range(len(point))], [(x, x) for x in point])
    points = a.pairs.intersect_domain(here.set).range()
    return None if points.is_empty() else _coordinates(points.lexmin().sample_point())


def where(domain: Domain, sides: ir.AffineMap, equalities: Sequence[bool]) -> Domain:
    """The points of ``domain`` at which each result of ``sides`` is 0, or 0 or more where ``equalities`` say False."""
    count, points = len(domain.names), domain.set
    zero = constant(count, 0)
    for side, equality in zip(evaluate(sides, dimensions(count), count), equalities, strict=True):
        points = points.intersect(side.eq_set(zero) if equality else side.ge_set(zero))
    return Domain.of_set(domain.names, points)


def _arity(a: Relation) -> tuple[int, int]:
    return a.pairs.dim(isl.dim_type.in_), a.pairs.dim(isl.dim_type.out)


def _coordinates(point: isl.Point) -> Point:
    return tuple(integer(point.get_coordinate_val(_SET, i)) for i in range(point.to_set().dim(_SET)))
