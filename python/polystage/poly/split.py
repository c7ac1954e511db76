"""Splitting dimensions at the divisors of quasi-affine accesses, after which the accesses are linear."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import islpy as isl

from .access import Access
from .bound import CONTEXT
from .domain import Domain
from .expr import common_forms, constant, dimensions, function, val


def divisors(accesses: Sequence[Access]) -> dict[str, tuple[int, ...]]:
    """For each dimension of the accesses' one domain the divisors at which splitting it removes mod and floordiv.

    They are found where a single dimension is divided (``floor(q/8)``, ``q mod 8``), in increasing order, each a
    multiple of the one before; a dimension whose divisors do not divide each other is left out. 20 us an index.
    """
    names = accesses[0].domain.names
    found: dict[str, set[int]] = {}
    for access in accesses:
        _, floors = common_forms([access.function.get_at(i) for i in range(access.rank)], len(names))
        for argument in floors:
            (dim, coefficient), *others = argument.items()
            if not others and 0 <= dim < len(names) and coefficient.numerator == 1:
                found.setdefault(names[dim], set()).add(coefficient.denominator)
    chains = {name: tuple(sorted(ks)) for name, ks in found.items()}
    return {name: chain for name, chain in chains.items() if all(b % a == 0 for a, b in pairwise(chain))}


def split(domain: Domain, divisors: Mapping[str, Sequence[int]]) -> Access:
    """The function from digits to the points of ``domain``; accesses are composed with it.

    ``q`` with divisors (8, 56) becomes ``56*q.2 + 8*q.1 + q.0`` with ``q.0 < 8`` and ``q.1 < 7``; a ragged end stays
    exact in the new domain's set, which is then no box. 100-300 us.
    """
    weights = [(1, *divisors.get(name, ())) for name in domain.names]
    names = [
        f"{name}.{digit}" if len(ks) > 1 else name
        for name, ks in zip(domain.names, weights, strict=True)
        for digit in reversed(range(len(ks)))
    ]
    remaining = iter(dimensions(len(names)))
    digits = isl.Set.universe(isl.Space.set_alloc(CONTEXT, 0, len(names)))
    values: list[isl.Aff] = []
    for ks in weights:
        value = constant(len(names), 0)
        for above, weight in zip((None, *reversed(ks[1:])), reversed(ks), strict=True):
            digit = next(remaining)
            value = value.add(digit.scale_val(val(weight)))
            if above is not None:
                zero, end = constant(len(names), 0), constant(len(names), above // weight)
                digits = digits.intersect(digit.ge_set(zero)).intersect(digit.lt_set(end))
        values.append(value)
    recompose = function(values, len(names))
    points = digits.intersect(domain.set.preimage_multi_aff(recompose))
    return Access("", recompose, Domain.of_set(names, points))
