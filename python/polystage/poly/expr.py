"""From MLIR affine maps to isl functions by structural recursion (no text), and isl functions as linear forms."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import lcm

import islpy as isl
from torch_mlir import ir

from .bound import CONTEXT

CONSTANT = -1
"""The atom of a constant term."""

type_in, type_div = isl.dim_type.in_, isl.dim_type.div


def val(value: int) -> isl.Val:
    """``value`` as an isl value."""
    return isl.Val.int_from_si(CONTEXT, value)


def integer(value: isl.Val) -> int:
    """An integral isl value as an int."""
    return int(value.to_python())


def dimensions(count: int) -> tuple[isl.Aff, ...]:
    """The projections of the ``count``-dimensional space onto its dimensions."""
    space = isl.LocalSpace.from_space(isl.Space.set_alloc(CONTEXT, 0, count))
    return tuple(isl.Aff.var_on_domain(space, isl.dim_type.set, i) for i in range(count))


def constant(count: int, value: int) -> isl.Aff:
    """The constant function ``value`` on the ``count``-dimensional space."""
    return isl.Aff.val_on_domain_space(isl.Space.set_alloc(CONTEXT, 0, count), val(value))


def function(results: Sequence[isl.Aff], count: int) -> isl.MultiAff:
    """The function from the ``count``-dimensional space with the given results."""
    affs = isl.AffList.alloc(CONTEXT, len(results))
    for aff in results:
        affs = affs.add(aff)
    return isl.MultiAff.from_aff_list(isl.Space.alloc(CONTEXT, 0, count, len(results)), affs)


def evaluate(affine_map: ir.AffineMap, operands: Sequence[isl.Aff], count: int) -> list[isl.Aff]:
    """The results of ``affine_map`` at ``operands`` (its dims, then its symbols), which are functions on the
    ``count``-dimensional space; 2-5 us a result.
    """
    space = isl.Space.set_alloc(CONTEXT, 0, count)
    dims = affine_map.n_dims
    return [_evaluate(result, operands, dims, space) for result in affine_map.results]


def _evaluate(expr: ir.AffineExpr, operands: Sequence[isl.Aff], dims: int, space: isl.Space) -> isl.Aff:
    if isinstance(expr, ir.AffineDimExpr):
        return operands[expr.position]
    if isinstance(expr, ir.AffineSymbolExpr):
        return operands[dims + expr.position]
    if isinstance(expr, ir.AffineConstantExpr):
        return isl.Aff.val_on_domain_space(space, val(expr.value))
    assert isinstance(expr, ir.AffineBinaryExpr)
    left, right = _evaluate(expr.lhs, operands, dims, space), expr.rhs
    if isinstance(expr, ir.AffineAddExpr):
        return left.add(_evaluate(right, operands, dims, space))
    assert isinstance(right, ir.AffineConstantExpr), "products and divisions are by constants in an affine map"
    factor = val(right.value)
    if isinstance(expr, ir.AffineMulExpr):
        return left.scale_val(factor)
    if isinstance(expr, ir.AffineModExpr):
        return left.mod_val(factor)
    quotient = left.scale_down_val(factor)
    return quotient.floor() if isinstance(expr, ir.AffineFloorDivExpr) else quotient.ceil()


class Form(dict[int, Fraction]):
    """A linear form: atom -> non-zero coefficient. Atoms are the dimensions, then the floors, then the constant."""

    def plus(self, other: Mapping[int, Fraction], factor: Fraction) -> "Form":
        """``self + factor * other``."""
        total = {a: self.get(a, Fraction(0)) + factor * other.get(a, Fraction(0)) for a in self.keys() | other.keys()}
        return Form({atom: coefficient for atom, coefficient in total.items() if coefficient})

    def numerator(self) -> tuple["Form", int]:
        """``(n, k)`` with integral ``n`` and ``self == n / k``."""
        divisor = lcm(*(coefficient.denominator for coefficient in self.values()))
        return Form({atom: coefficient * divisor for atom, coefficient in self.items()}), divisor


def linear_form(aff: isl.Aff, count: int) -> Form:
    """``aff`` over its ``count`` dimensions, its floors (:func:`floors`, numbered from ``count``) and the constant."""
    values = [(i, aff.get_coefficient_val(type_in, i)) for i in range(count)]
    values += [(count + i, aff.get_coefficient_val(type_div, i)) for i in range(aff.dim(type_div))]
    values.append((CONSTANT, aff.get_constant_val()))
    return Form({atom: _fraction(value) for atom, value in values if not value.is_zero()})


def floors(aff: isl.Aff, count: int) -> list[Form]:
    """The argument of each floor in ``aff``; one may use the floors before it."""
    return [linear_form(aff.get_div(i), count) for i in range(aff.dim(type_div))]


def common_forms(affs: Sequence[isl.Aff], count: int) -> tuple[list[Form], list[Form]]:
    """The linear forms of ``affs`` over one shared list of floors, and the arguments of these floors."""
    forms: list[Form] = []
    atoms: dict[frozenset[tuple[int, Fraction]], int] = {}
    for aff in affs:
        shared = {atom: atom for atom in range(CONSTANT, count)}
        for i, argument in enumerate(floors(aff, count)):
            key = frozenset((shared[atom], coefficient) for atom, coefficient in argument.items())
            shared[count + i] = atoms.setdefault(key, count + len(atoms))
        form = linear_form(aff, count)
        forms.append(Form({shared[atom]: coefficient for atom, coefficient in form.items()}))
    return forms, [Form(key) for key in atoms]


def _fraction(value: isl.Val) -> Fraction:
    return Fraction(value.get_num_si(), integer(value.get_den_val()))
