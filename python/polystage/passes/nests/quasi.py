"""Quasi-affine expressions over the induction variables of one nest, simplified by the bounds of its loops.

An expression is ``const + sum factor * atom``; an atom is an induction variable (its depth, an int), a floor or a
remainder of an expression by a positive constant. Every function takes the *extents* of the loops (iv k runs over
``0 .. extents[k] - 1``) and returns the simplified form, so that equal expressions meet as equal values:

- terms that the divisor divides leave a floor or a remainder: ``(8 * i + j) floordiv 4 -> 2 * i + j floordiv 4``;
- what the bounds decide is decided: ``j floordiv 4 -> 0`` and ``j mod 4 -> j`` for j < 4, and by divisibility
  ``(4 * i + j) mod 8 -> 4 * (i mod 2) + j``;
- a floor and the remainder that belongs to it join: ``4 * (e floordiv 4) + e mod 4 -> e``, and what a floor leaves is
  a remainder: ``e - 4 * (e floordiv 4) -> e mod 4``.

Not handled: relations between different induction variables (domains are boxes).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import gcd

from torch_mlir import ir

Extents = Sequence[int]


@dataclass(frozen=True, slots=True)
class Floor:
    """``arg floordiv by``."""

    arg: "Quasi"
    by: int


@dataclass(frozen=True, slots=True)
class Mod:
    """``arg mod by``, between 0 and ``by - 1``."""

    arg: "Quasi"
    by: int


Atom = int | Floor | Mod


@dataclass(frozen=True, slots=True)
class Quasi:
    """``const + sum factor * atom`` with distinct atoms in a fixed order and factors that are not zero."""

    const: int
    terms: tuple[tuple[Atom, int], ...] = ()

    @property
    def is_const(self) -> bool:
        """Whether no induction variable occurs."""
        return not self.terms


ZERO = Quasi(0)


def iv(depth: int) -> Quasi:
    """The induction variable of the loop at ``depth``."""
    return Quasi(0, ((depth, 1),))


def span(expr: Quasi, extents: Extents) -> tuple[int, int]:
    """Bounds of the value over the box: exact for linear expressions of distinct ivs, else an enclosure."""
    low = high = expr.const
    for atom, factor in expr.terms:
        a, b = _atom_span(atom, extents)
        low += factor * (a if factor > 0 else b)
        high += factor * (b if factor > 0 else a)
    return low, high


def _atom_span(atom: Atom, extents: Extents) -> tuple[int, int]:
    if isinstance(atom, int):
        return 0, extents[atom] - 1
    low, high = span(atom.arg, extents)
    if isinstance(atom, Floor):
        return low // atom.by, high // atom.by
    return (low % atom.by, high % atom.by) if low // atom.by == high // atom.by else (0, atom.by - 1)


def ivs_of(expr: Quasi) -> set[int]:
    """Depths of the induction variables that occur."""
    depths: set[int] = set()
    for atom, _ in expr.terms:
        depths |= {atom} if isinstance(atom, int) else ivs_of(atom.arg)
    return depths


def add(a: Quasi, b: Quasi, extents: Extents) -> Quasi:
    """``a + b``."""
    if not a.terms:
        return Quasi(a.const + b.const, b.terms)
    if not b.terms:
        return Quasi(a.const + b.const, a.terms)
    factors = dict(a.terms)
    for atom, factor in b.terms:
        factors[atom] = factors.get(atom, 0) + factor
    return _joined(a.const + b.const, factors, extents)


def scale(a: Quasi, factor: int) -> Quasi:
    """``factor * a``."""
    if factor == 1:
        return a
    return Quasi(a.const * factor, tuple((atom, f * factor) for atom, f in a.terms) if factor else ())


def subtract(a: Quasi, b: Quasi, extents: Extents) -> Quasi:
    """``a - b``."""
    return add(a, scale(b, -1), extents)


def floordiv(a: Quasi, by: int, extents: Extents) -> Quasi:
    """``a floordiv by``, rounded towards minus infinity; ``by`` > 0."""
    whole = Quasi(a.const // by, tuple((atom, f // by) for atom, f in a.terms if f % by == 0))
    rest = Quasi(a.const % by, tuple((atom, f) for atom, f in a.terms if f % by))
    return add(whole, _floor(rest, by, extents), extents)


def mod(a: Quasi, by: int, extents: Extents) -> Quasi:
    """``a mod by``, never negative; ``by`` > 0."""
    rest = Quasi(a.const % by, tuple((atom, f) for atom, f in a.terms if f % by))
    low, high = span(rest, extents)
    if low // by == high // by:
        return Quasi(rest.const - by * (low // by), rest.terms)
    if (parts := _coarse_and_fine(rest, by, extents)) is not None:
        grain, coarse, fine = parts
        return add(scale(mod(coarse, by // grain, extents), grain), fine, extents)
    if (inner := _single(rest)) and isinstance(inner, Mod) and inner.by % by == 0:
        return mod(inner.arg, by, extents)
    return _of_atom(Mod(_reduced(rest, by), by))


def _floor(rest: Quasi, by: int, extents: Extents) -> Quasi:
    low, high = span(rest, extents)
    if low // by == high // by:
        return Quasi(low // by)
    if (parts := _coarse_and_fine(rest, by, extents)) is not None:
        grain, coarse, _ = parts
        return floordiv(coarse, by // grain, extents)
    if len(rest.terms) == 1 and isinstance(inner := rest.terms[0][0], Floor) and rest.terms[0][1] == 1:
        numerator = Quasi(inner.arg.const + rest.const * inner.by, inner.arg.terms)
        return floordiv(numerator, by * inner.by, extents)
    if isinstance(inner := _single(rest), Mod) and inner.by % by == 0:
        return mod(floordiv(inner.arg, by, extents), inner.by // by, extents)
    return _of_atom(Floor(rest, by))


def _coarse_and_fine(rest: Quasi, by: int, extents: Extents) -> tuple[int, Quasi, Quasi] | None:
    """``(g, c, f)`` with ``rest = g * c + f``, ``0 <= f < g`` and g > 1 a divisor of ``by``: the largest such g."""
    for grain in sorted({gcd(factor, by) for _, factor in rest.terms} - {1}, reverse=True):
        fine_terms = tuple((atom, f) for atom, f in rest.terms if f % grain)
        fine = Quasi(rest.const % grain, fine_terms)
        low, high = span(fine, extents)
        shift = low // grain
        if shift != high // grain:
            continue
        coarse_terms = tuple((atom, f // grain) for atom, f in rest.terms if f % grain == 0)
        coarse = Quasi(rest.const // grain + shift, coarse_terms)
        return grain, coarse, Quasi(fine.const - shift * grain, fine_terms)
    return None


def _reduced(rest: Quasi, by: int) -> Quasi:
    """Factors modulo ``by``, as long as that makes them smaller."""
    return Quasi(rest.const, tuple((atom, f % by if abs(f) > by else f) for atom, f in rest.terms))


def _single(expr: Quasi) -> Atom | None:
    """The atom of an expression that is nothing but one atom."""
    return expr.terms[0][0] if expr.const == 0 and len(expr.terms) == 1 and expr.terms[0][1] == 1 else None


def _of_atom(atom: Atom) -> Quasi:
    return Quasi(0, ((atom, 1),))


def _joined(const: int, factors: dict[Atom, int], extents: Extents) -> Quasi:
    """Sum of the terms, each remainder joined with its floor, and each floor with what it leaves a remainder of."""
    for atom, factor in list(factors.items()):
        if isinstance(atom, Floor) and factor and factor % atom.by == 0:
            times = -factor // atom.by
            if all(factors.get(a) == times * f for a, f in atom.arg.terms):
                used = {atom, *(a for a, _ in atom.arg.terms)}
                rest = {a: f for a, f in factors.items() if a not in used}
                left = Quasi(const - times * atom.arg.const, _ordered(rest))
                return add(left, scale(mod(atom.arg, atom.by, extents), times), extents)
        if not isinstance(atom, Mod) or not factor:
            continue
        quotient = _single(floordiv(atom.arg, atom.by, extents))
        if quotient is not None and factors.get(quotient) == factor * atom.by:
            rest = {a: f for a, f in factors.items() if a not in (atom, quotient)}
            return add(Quasi(const, _ordered(rest)), scale(atom.arg, factor), extents)
    return Quasi(const, _ordered(factors))


def _ordered(factors: dict[Atom, int]) -> tuple[tuple[Atom, int], ...]:
    present = [(atom, factor) for atom, factor in factors.items() if factor]
    if len(present) > 1:
        present.sort(key=lambda term: (0, term[0], "") if isinstance(term[0], int) else (1, 0, repr(term[0])))
    return tuple(present)


def substitute(expr: Quasi, values: Sequence[Quasi], extents: Extents) -> Quasi:
    """``expr`` with iv k replaced by ``values[k]``, which are expressions over loops of ``extents``."""
    total = Quasi(expr.const)
    for atom, factor in expr.terms:
        if isinstance(atom, int):
            value = values[atom]
        elif isinstance(atom, Floor):
            value = floordiv(substitute(atom.arg, values, extents), atom.by, extents)
        else:
            value = mod(substitute(atom.arg, values, extents), atom.by, extents)
        total = add(total, scale(value, factor), extents)
    return total


def evaluate(expr: Quasi, point: Sequence[int]) -> int:
    """The value at one point of the box."""
    total = expr.const
    for atom, factor in expr.terms:
        if isinstance(atom, int):
            value = point[atom]
        elif isinstance(atom, Floor):
            value = evaluate(atom.arg, point) // atom.by
        else:
            value = evaluate(atom.arg, point) % atom.by
        total += factor * value
    return total


def from_affine(expr: ir.AffineExpr, operands: Sequence[Quasi], dims: int, extents: Extents) -> Quasi:
    """An MLIR expression at ``operands`` (for its ``dims`` dims, then its symbols)."""
    if isinstance(expr, ir.AffineDimExpr):
        return operands[expr.position]
    if isinstance(expr, ir.AffineSymbolExpr):
        return operands[dims + expr.position]
    if isinstance(expr, ir.AffineConstantExpr):
        return Quasi(expr.value)
    assert isinstance(expr, ir.AffineBinaryExpr)
    left = from_affine(expr.lhs, operands, dims, extents)
    right = from_affine(expr.rhs, operands, dims, extents)
    if isinstance(expr, ir.AffineAddExpr):
        return add(left, right, extents)
    if isinstance(expr, ir.AffineMulExpr):
        left, right = (right, left) if left.is_const else (left, right)
        assert right.is_const, "products are by constants in an affine map"
        return scale(left, right.const)
    assert right.is_const and right.const > 0, "divisions are by positive constants in an affine map"
    if isinstance(expr, ir.AffineModExpr):
        return mod(left, right.const, extents)
    if isinstance(expr, ir.AffineFloorDivExpr):
        return floordiv(left, right.const, extents)
    return scale(floordiv(scale(left, -1), right.const, extents), -1)


def to_affine(expr: Quasi, position: Sequence[int]) -> ir.AffineExpr:
    """As an MLIR expression whose dim ``position[k]`` stands for iv k."""
    total: ir.AffineExpr | None = None
    for atom, factor in expr.terms:
        if isinstance(atom, int):
            term: ir.AffineExpr = ir.AffineExpr.get_dim(position[atom])
        elif isinstance(atom, Floor):
            term = ir.AffineExpr.get_floor_div(to_affine(atom.arg, position), atom.by)
        else:
            term = ir.AffineExpr.get_mod(to_affine(atom.arg, position), atom.by)
        term = term if factor == 1 else term * factor
        total = term if total is None else total + term
    if total is None:
        return ir.AffineExpr.get_constant(expr.const)
    return total + expr.const if expr.const else total


def to_map(exprs: Iterable[Quasi], rank: int) -> tuple[ir.AffineMap, list[int]]:
    """A map with one result an expression, and the depths of the ivs that are its operands."""
    exprs = list(exprs)
    used = sorted(set[int]().union(*(ivs_of(expr) for expr in exprs)))
    position = [0] * rank
    for dim, depth in enumerate(used):
        position[depth] = dim
    return ir.AffineMap.get(len(used), 0, [to_affine(expr, position) for expr in exprs]), used
