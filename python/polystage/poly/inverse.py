"""Inverse access functions, solved in structure and proved by isl."""

from fractions import Fraction

import islpy as isl

from .access import Access, compose, equal, identity, image
from .domain import Domain
from .expr import CONSTANT, Form, common_forms, constant, dimensions, function
from .split import divisors, split


def inverse(access: Access, iterations: str = "") -> Access | None:
    """The function from the touched elements back to the points of the domain, as an access to ``iterations``.

    Solved for permutations, offsets, strides, reversals and mixed radix in both directions (a reshape's ``8*i + j`` and
    its ``floor(x/8), x mod 8``): dimensions are split at their divisors, other floors are eliminated between the
    indices, and each linear form that remains is read digit by digit. None where that finds no inverse, as for a
    function that is not injective. isl proves ``inverse(f)(f(x)) == x`` on the whole domain. 0.5-1.5 ms.
    """
    cuts = divisors([access])
    digits = split(access.domain, cuts) if cuts else identity("", access.domain)
    solved = _solve(compose(access, digits) if cuts else access)
    if solved is None:
        return None
    candidate = Access(iterations, digits.function.pullback_multi_aff(solved), image(access))
    if not equal(compose(candidate, access), identity(iterations, access.domain)):
        return None
    return compose(candidate, identity(access.array, candidate.domain))


def _solve(access: Access) -> isl.MultiAff | None:
    """A function that inverts ``access`` if its linear forms are mixed-radix numbers; not yet proved."""
    count, rank, domain = len(access.domain.names), access.rank, access.domain
    indices = dimensions(rank)
    solved = {i: constant(rank, low) for i, (low, high) in enumerate(domain.bounds) if low >= high}
    pending = _linear_forms(access)
    while pending:
        pending.sort(key=lambda pair: len(pair[0].keys() - solved.keys()))
        form, combination = pending.pop(0)
        number = constant(rank, -int(form.pop(CONSTANT, Fraction(0))))
        for index, factor in combination.items():
            number = number.add(indices[index].scale_val(int(factor)))
        for dim in form.keys() & solved.keys():
            number = number.sub(solved[dim].scale_val(int(form.pop(dim))))
        solved |= _digits(form, number, domain)
    if len(solved) < count:
        return None
    return function([solved[i] for i in range(count)], rank)


def _linear_forms(access: Access) -> list[tuple[Form, Form]]:
    """Combinations of the indices in which all floors cancel: (form in the dimensions, factors of the indices)."""
    count = len(access.domain.names)
    forms, floors = common_forms([access.function.get_at(i) for i in range(access.rank)], count)
    rows = [(form, Form({index: Fraction(1)})) for index, form in enumerate(forms)]
    for atom in reversed(range(count, count + len(floors))):
        with_atom = [row for row in rows if atom in row[0]]
        if not with_atom:
            continue
        pivot = min(with_atom, key=lambda row: abs(row[0][atom]))
        rows = [_eliminate(row, pivot, atom) for row in rows if row is not pivot]
    return [_integral(form, combination) for form, combination in rows]


def _eliminate(row: tuple[Form, Form], pivot: tuple[Form, Form], atom: int) -> tuple[Form, Form]:
    factor = -row[0].get(atom, Fraction(0)) / pivot[0][atom]
    return row[0].plus(pivot[0], factor), row[1].plus(pivot[1], factor)


def _integral(form: Form, combination: Form) -> tuple[Form, Form]:
    """The row scaled so that all its coefficients are integers."""
    scale = Fraction(form.numerator()[1] * combination.numerator()[1])
    return Form().plus(form, scale), Form().plus(combination, scale)


def _digits(form: Form, number: isl.Aff, domain: Domain) -> dict[int, isl.Aff]:
    """The dimensions of ``form``, whose value is ``number``, read as digits from the most significant one down."""
    for dim, weight in form.items():
        number = number.add_constant_val(-int(weight) * domain.bounds[dim][weight < 0])
    digits: dict[int, isl.Aff] = {}
    for dim, weight in sorted(form.items(), key=lambda term: -abs(term[1])):
        digit = number.scale_down_val(abs(int(weight))).floor()
        number = number.mod_val(abs(int(weight)))
        low, high = domain.bounds[dim]
        digits[dim] = digit.add_constant_val(low) if weight > 0 else digit.neg().add_constant_val(high)
    return digits
