"""Access functions from and to MLIR affine maps."""

from collections.abc import Iterator, Sequence
from fractions import Fraction

from torch_mlir import ir

from .access import Access
from .domain import Domain
from .expr import CONSTANT, Form, dimensions, evaluate, floors, function, linear_form


def from_affine_map(affine_map: ir.AffineMap, array: str, domain: Domain) -> Access:
    """The access to ``array`` whose indices are the results of ``affine_map`` at the dimensions; 7-14 us."""
    count = len(domain.names)
    return Access(array, function(evaluate(affine_map, dimensions(count), count), count), domain)


def to_affine_map(access: Access) -> ir.AffineMap:
    """The access function as an MLIR map in the current MLIR context, its dims those of the domain; 15-40 us an index.

    An index that is integral only on the domain (``x/2`` where x is even) becomes a floordiv.
    """
    count = len(access.domain.names)
    affs = [access.function.get_at(i) for i in range(access.rank)]
    results = [_expression(linear_form(aff, count), floors(aff, count), count) for aff in affs]
    return ir.AffineMap.get(count, 0, results)


def _expression(form: Form, floors: Sequence[Form], count: int) -> ir.AffineExpr:
    """``form`` as an MLIR expression, with ``x - k*floor(x/k)`` written ``x mod k``."""
    form, divisor = form.numerator()
    if divisor != 1:
        return ir.AffineExpr.get_floor_div(_expression(form, floors, count), divisor)
    terms: list[ir.AffineExpr] = []
    while (atom := max(form, default=CONSTANT)) >= count:
        factor = form.pop(atom)
        for argument, modulus in _quotients(atom, floors, count):
            rest = form.plus(argument, factor / modulus)
            if factor % modulus == 0 and len(rest) < len(form):
                form = rest
                terms.append(
                    ir.AffineExpr.get_mod(_expression(argument, floors, count), modulus) * int(-factor / modulus)
                )
                break
        else:
            argument, modulus = floors[atom - count].numerator()
            terms.append(ir.AffineExpr.get_floor_div(_expression(argument, floors, count), modulus) * int(factor))
    constant = int(form.pop(CONSTANT, Fraction(0)))
    total: ir.AffineExpr = ir.AffineExpr.get_constant(0)
    for term in (*(ir.AffineExpr.get_dim(dim) * int(form[dim]) for dim in sorted(form)), *reversed(terms)):
        total = total + term
    return total + constant


def _quotients(atom: int, floors: Sequence[Form], count: int) -> Iterator[tuple[Form, int]]:
    """The ways to write a floor as ``floor(x / k)``: ``floor(d/56)`` is also ``floor(floor(d/8) / 7)``."""
    argument = floors[atom - count]
    for finer, inner in enumerate(floors):
        ratio = next(iter(inner.values())) / argument.get(next(iter(inner)), Fraction(1))
        if ratio > 1 and ratio.denominator == 1 and inner == Form().plus(argument, ratio):
            yield Form({count + finer: Fraction(1)}), int(ratio)
    yield argument.numerator()
