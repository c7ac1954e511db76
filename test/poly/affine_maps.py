"""Random affine maps and their values by brute force: what the polyhedral layer is compared with."""

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod

import islpy as isl
from hypothesis import strategies as st
from torch_mlir import ir

from polystage import poly

Point = tuple[int, ...]


def affine_map(results: str, dims: int) -> ir.AffineMap:
    """``(d0, d1, ...) -> (results)``."""
    text = f"affine_map<({', '.join(f'd{i}' for i in range(dims))}) -> ({results})>"
    return ir.AffineMapAttr(ir.Attribute.parse(text)).value


def access(results: str, extents: Sequence[int], array: str = "A") -> poly.Access:
    """The access ``results`` on the box ``0 <= d_i < extents[i]``."""
    domain = poly.Domain.box([f"d{i}" for i in range(len(extents))], extents)
    return poly.from_affine_map(affine_map(results, len(extents)), array, domain)


def points(extents: Sequence[int]) -> Iterator[Point]:
    return product(*(range(extent) for extent in extents))


def value(function: poly.Access, point: Point) -> Point:
    """The element that ``function`` touches at ``point``, as isl says."""
    space = isl.Space.alloc(isl.DEFAULT_CONTEXT, 0, 0, len(point))
    numbers = isl.MultiAff.zero(space)
    for i, coordinate in enumerate(point):
        numbers = numbers.set_at(i, numbers.get_at(i).add_constant_val(coordinate))
    result = function.function.pullback_multi_aff(numbers)
    return tuple(int(result.get_at(i).get_constant_val().to_python()) for i in range(function.rank))


def evaluate(expr: ir.AffineExpr, point: Point) -> int:
    """``expr`` at ``point``, with Python's integers."""
    if isinstance(expr, ir.AffineDimExpr):
        return point[expr.position]
    if isinstance(expr, ir.AffineConstantExpr):
        return expr.value
    assert isinstance(expr, ir.AffineBinaryExpr)
    a, b = evaluate(expr.lhs, point), evaluate(expr.rhs, point)
    match expr:
        case ir.AffineAddExpr():
            return a + b
        case ir.AffineMulExpr():
            return a * b
        case ir.AffineModExpr():
            return a % b
        case ir.AffineFloorDivExpr():
            return a // b
        case _:
            return -(-a // b)


def results(of: ir.AffineMap, point: Point) -> Point:
    return tuple(evaluate(result, point) for result in of.results)


def boxes(dims: int) -> st.SearchStrategy[list[int]]:
    """Extents of small boxes."""
    return st.lists(st.integers(1, 6), min_size=dims, max_size=dims).filter(lambda extents: prod(extents) <= 60)


def expressions(dims: int) -> st.SearchStrategy[str]:
    """Random quasi-affine expressions of ``d0 .. d<dims-1>``."""
    leaves = st.one_of(
        st.integers(0, dims - 1).map(lambda i: f"d{i}"),
        st.tuples(st.integers(-4, 4), st.integers(0, dims - 1)).map(lambda t: f"{t[0]} * d{t[1]}"),
        st.integers(-5, 5).map(str),
    )

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        divided = st.tuples(inner, st.sampled_from(("mod", "floordiv", "ceildiv")), st.integers(1, 7))
        return st.one_of(
            st.tuples(inner, inner).map(lambda t: f"({t[0]}) + ({t[1]})"),
            divided.map(lambda t: f"({t[0]}) {t[1]} {t[2]}"),
        )

    return st.recursive(leaves, grow, max_leaves=4)


def maps(dims: int) -> st.SearchStrategy[str]:
    """One to three random results."""
    return st.lists(expressions(dims), min_size=1, max_size=3).map(", ".join)
