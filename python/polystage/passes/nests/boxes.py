"""Splits a box of iterations until quasi-affine expressions are linear on each piece (policy of ``refine-domains``)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import gcd

from torch_mlir import ir

from polystage.analysis.nests import Linear, NotLinearError, add, constant_of, scale

MAX_PIECES = 4096


class TooManyPiecesError(Exception):
    """The bound on pieces was hit."""


@dataclass(frozen=True)
class Piece:
    """A box of the refined domain: new extents, and each old induction variable as a linear form of the new ones."""

    extents: tuple[int, ...]
    ivs: tuple[Linear, ...]

    def radix(self, dim: int, base: int) -> tuple["Piece", ...]:
        """Split loop ``dim`` into ``base * high + low``; the remainder of a ragged extent is a piece of its own."""
        extent = self.extents[dim]
        whole, rest = extent // base, extent % base
        high = self._replace(dim, (whole, base), (base, 1), 0)
        return (high, self._replace(dim, (rest,), (1,), whole * base)) if rest else (high,)

    def cut(self, dim: int, starts: Sequence[int]) -> tuple["Piece", ...]:
        """Cut loop ``dim`` into intervals that begin at ``starts`` (the first is 0)."""
        ends = [*starts[1:], self.extents[dim]]
        return tuple(self._replace(dim, (end - start,), (1,), start) for start, end in zip(starts, ends, strict=True))

    def _replace(self, dim: int, extents: tuple[int, ...], factors: tuple[int, ...], start: int) -> "Piece":
        def substitute(form: Linear) -> Linear:
            factor = form.dims[dim]
            digits = tuple(factor * f for f in factors)
            return Linear(form.const + factor * start, form.dims[:dim] + digits + form.dims[dim + 1 :])

        return Piece(self.extents[:dim] + extents + self.extents[dim + 1 :], tuple(map(substitute, self.ivs)))


@dataclass(frozen=True)
class NeedsSplitError(Exception):
    """How to split a piece so that one more quotient becomes linear."""

    apply: Callable[[Piece], tuple[Piece, ...]]


def whole_box(extents: tuple[int, ...]) -> Piece:
    """The box itself, its induction variables unchanged."""
    rank = len(extents)
    return Piece(extents, tuple(Linear(0, tuple(int(k == d) for k in range(rank))) for d in range(rank)))


def refine(piece: Piece, evaluate: Callable[[Piece], object]) -> Iterator[Piece]:
    """The pieces of ``piece``, earlier parts first, on which ``evaluate`` raises no ``NeedsSplitError``."""
    pending, count = [piece], 0
    while pending:
        current = pending.pop()
        try:
            evaluate(current)
        except NeedsSplitError as split:
            pending.extend(reversed(split.apply(current)))
            count += 1
            if count > MAX_PIECES:
                raise TooManyPiecesError from None
        else:
            yield current


def evaluate_expr(expr: ir.AffineExpr, operands: Sequence[Linear], extents: Sequence[int]) -> Linear:
    """The linear form of a quasi-affine expression on a box, or ``NeedsSplitError`` when it is none there yet."""
    match expr:
        case ir.AffineDimExpr():
            return operands[expr.position]
        case ir.AffineConstantExpr():
            return Linear(expr.value, (0,) * len(extents))
        case ir.AffineAddExpr():
            return add(evaluate_expr(expr.lhs, operands, extents), evaluate_expr(expr.rhs, operands, extents))
        case ir.AffineMulExpr():
            return scale(evaluate_expr(expr.lhs, operands, extents), constant_of(expr.rhs))
        case ir.AffineFloorDivExpr():
            return divide(evaluate_expr(expr.lhs, operands, extents), divisor_of(expr), extents)[0]
        case ir.AffineModExpr():
            return divide(evaluate_expr(expr.lhs, operands, extents), divisor_of(expr), extents)[1]
        case ir.AffineCeilDivExpr():
            negated = scale(evaluate_expr(expr.lhs, operands, extents), -1)
            return scale(divide(negated, divisor_of(expr), extents)[0], -1)
        case _:
            raise NotLinearError(str(expr))


def divisor_of(expr: ir.AffineBinaryExpr) -> int:
    """The divisor of a ``mod``, ``floordiv`` or ``ceildiv``."""
    divisor = constant_of(expr.rhs)
    if divisor < 1:
        raise NotLinearError(f"{expr}: the divisor is not positive")
    return divisor


def divide(form: Linear, divisor: int, extents: Sequence[int]) -> tuple[Linear, Linear]:
    """Quotient and remainder as linear forms; ``NeedsSplitError`` where the low part crosses a multiple."""
    high = Linear(form.const // divisor, tuple(f // divisor if f % divisor == 0 else 0 for f in form.dims))
    low = Linear(form.const % divisor, tuple(0 if f % divisor == 0 else f for f in form.dims))
    least, greatest = low.span(extents)
    if least // divisor == greatest // divisor:
        shift = least // divisor
        quotient = Linear(high.const + shift, high.dims)
        return quotient, Linear(low.const - shift * divisor, low.dims)
    raise _split_for(low, divisor, extents)


def _split_for(low: Linear, divisor: int, extents: Sequence[int]) -> NeedsSplitError:
    dims = [d for d, f in enumerate(low.dims) if f and extents[d] > 1]
    for dim in dims:
        base = divisor // gcd(low.dims[dim], divisor)
        if extents[dim] > base:
            return NeedsSplitError(partial(Piece.radix, dim=dim, base=base))
    dim = min(dims, key=lambda d: (extents[d], -abs(low.dims[d])))  # least pieces
    others = Linear(low.const, tuple(0 if d == dim else f for d, f in enumerate(low.dims)))
    least, greatest = others.span(extents)
    starts, previous = list[int](), None
    for x in range(extents[dim]):
        quotients = ((least + low.dims[dim] * x) // divisor, (greatest + low.dims[dim] * x) // divisor)
        if quotients != previous or quotients[0] != quotients[1]:
            starts.append(x)
        previous = quotients
    return NeedsSplitError(partial(Piece.cut, dim=dim, starts=starts))
