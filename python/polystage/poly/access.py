"""Access functions: from the iterations of a statement, or the elements of an array, to the elements of an array.

They stay functional: composition is a pullback and a gist, which keeps permutations, slices and reshapes as short as
they are. Relations serve only to check (DESIGN section 3).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import islpy as isl

from .domain import Domain
from .expr import CONSTANT, dimensions, function, integer, linear_form, type_in, val


@dataclass(frozen=True)
class Linear:
    """One index of an access without mod and floordiv: the sum of ``terms[name] * name``, and ``constant``."""

    terms: Mapping[str, int]
    constant: int


@dataclass(frozen=True, eq=False)
class Access:
    """``function`` takes a point of ``domain`` to an element of ``array``; compare with :func:`equal`.

    In a data-dependent access the last ``loaded`` dimensions of the domain stand for the indices loaded from memory,
    each with the extent of the array along the index that it selects.
    """

    array: str
    function: isl.MultiAff
    domain: Domain
    loaded: int = 0

    @cached_property
    def relation(self) -> isl.Map:
        """The graph of the function on the domain; of a data-dependent access, all elements that it may touch."""
        graph = isl.Map.from_multi_aff(self.function).intersect_domain(self.domain.set)
        if not self.loaded:
            return graph
        return graph.project_out(type_in, len(self.domain.names) - self.loaded, self.loaded)

    @property
    def rank(self) -> int:
        """The number of indices of the array."""
        return self.function.dim(isl.dim_type.out)

    def __str__(self) -> str:
        named = self.function
        for i, name in enumerate(self.domain.names):
            named = named.set_dim_name(type_in, i, name)
        return str(named.set_tuple_name(isl.dim_type.out, self.array))


def identity(array: str, domain: Domain) -> Access:
    """Each point of ``domain`` is the element of ``array`` with the same indices."""
    count = len(domain.names)
    return Access(array, function(dimensions(count), count), domain)


def compose(outer: Access, inner: Access) -> Access:
    """``outer`` after ``inner``: what ``inner`` touches when ``outer`` says where the elements of its array are.

    The image of ``inner`` must lie in ``outer.domain`` (:func:`subset`), else the result means nothing outside it.
    One pullback and one gist: 10 us, 140 us for a window partition and its reverse.
    """
    composed = outer.function.pullback_multi_aff(inner.function).gist(inner.domain.set)
    return Access(outer.array, composed, inner.domain, inner.loaded)


def equal(a: Access, b: Access) -> bool:
    """Whether ``a`` and ``b`` touch the same element of the same array at every point of one domain; 30 us."""
    return a.array == b.array and a.relation.is_equal(b.relation)


def injective(access: Access) -> bool:
    """Whether no two points of the domain touch the same element; 10 us, 200 us for a convolution's input."""
    return access.relation.is_injective()


def image(access: Access) -> Domain:
    """The elements that are touched, with dimensions ``x0, x1, ...``; 100-300 us."""
    return Domain.of_set([f"x{i}" for i in range(access.rank)], access.relation.range())


def box_image(access: Access) -> Domain | None:
    """The elements that are touched if the access shows at once that they form a box, else None; 10 us an index.

    So it is where the domain is a box and each index is a constant or an offset from a dimension of its own.
    """
    domain = access.domain
    low = dict(zip(domain.names, domain.bounds, strict=True))
    intervals: list[tuple[int, int]] = []
    for index in linear(access):
        if (
            index is None
            or len(index.terms) > 1
            or any(factor != 1 or name not in low for name, factor in index.terms.items())
        ):
            return None
        first, last = low.pop(next(iter(index.terms))) if index.terms else (0, 0)
        intervals.append((first + index.constant, last + index.constant))
    return Domain.of_bounds([f"x{i}" for i in range(access.rank)], intervals) if domain.is_box else None


def bounds(access: Access) -> tuple[tuple[int, int], ...]:
    """The lowest and highest value of each index; exact, about 15 us an index."""
    points = access.domain.set
    affs = (access.function.get_at(i) for i in range(access.rank))
    return tuple((integer(points.min_val(aff)), integer(points.max_val(aff))) for aff in affs)


def in_bounds(access: Access, shape: Sequence[int]) -> bool:
    """Whether no index leaves ``0 <= x_i < shape[i]``; costs what :func:`bounds` costs."""
    return all(low >= 0 and high < extent for (low, high), extent in zip(bounds(access), shape, strict=True))


def linear(access: Access) -> tuple[Linear | None, ...]:
    """Each index as a linear form in named dimensions; None where mod or floordiv occur. 7 us an index."""
    return tuple(_linear(access.function.get_at(i), access.domain.names) for i in range(access.rank))


def _linear(aff: isl.Aff, names: Sequence[str]) -> Linear | None:
    form = linear_form(aff, len(names))
    if any(atom >= len(names) for atom in form) or any(c.denominator != 1 for c in form.values()):
        return None
    constant = int(form.pop(CONSTANT, 0))
    return Linear({names[dim]: int(coefficient) for dim, coefficient in form.items()}, constant)


def used_dimensions(access: Access) -> frozenset[str]:
    """The dimensions on which the touched element depends; 2 us."""
    used = (access.function.involves_dims(type_in, i, 1) for i in range(len(access.domain.names)))
    return frozenset(name for name, involved in zip(access.domain.names, used, strict=True) if involved)


def footprint(access: Access, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """The extents of the smallest box that holds what any one tile touches.

    Along each dimension named in ``sizes`` the domain is cut into tiles of that size, from its low end; along the
    others not at all. Exact also with mod and floordiv: the largest distance between two points of one tile.
    10 us an index when all are linear and the domain is a box, else 1-5 ms an index.
    """
    domain = access.domain
    tile = {
        name: min(sizes.get(name, extent), extent) for name, extent in zip(domain.names, domain.extents, strict=True)
    }
    forms = linear(access)
    if domain.is_box and None not in forms:
        return tuple(1 + sum(abs(c) * (tile[name] - 1) for name, c in form.terms.items()) for form in forms if form)
    count = len(domain.names)
    dims = dimensions(2 * count)
    pairs = domain.set.flat_product(domain.set)
    for i, name in enumerate(domain.names):
        p, q = (_tile_number(dims[k], domain.bounds[i][0], tile[name]) for k in (i, count + i))
        pairs = pairs.intersect(p.eq_set(q))
    f, g = (access.function.pullback_multi_aff(function(dims[k : k + count], 2 * count)) for k in (0, count))
    return tuple(1 + integer(pairs.max_val(f.get_at(i).sub(g.get_at(i)))) for i in range(access.rank))


def _tile_number(position: isl.Aff, low: int, size: int) -> isl.Aff:
    return position.add_constant_val(val(-low)).scale_down_val(val(size)).floor()
