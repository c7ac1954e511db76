"""Named sets, counting, and the bound on isl's work."""

from itertools import product

import pytest
from affine_maps import access, boxes, maps, points, value
from hypothesis import given
from hypothesis import strategies as st

from polystage import poly


def interval(low: int, high: int) -> poly.Domain:
    return poly.Domain.of_bounds(("x",), ((low, high),))


def test_box() -> None:
    box = poly.Domain.box(("row", "column"), (3, 5))
    assert (box.extents, box.extent("column"), box.is_box, poly.count(box)) == ((3, 5), 5, True, 15)
    assert str(box) == "{ [row, column] : 0 <= row <= 2 and 0 <= column <= 4 }"


def test_empty_set() -> None:
    empty = poly.Domain.of_set(("x",), interval(3, 2).set)
    assert (empty.extents, poly.count(empty)) == ((0,), 0)


@given(boxes(2), maps(2))
def test_count(extents: list[int], text: str) -> None:
    function = access(text, extents)
    assert poly.count(poly.image(function)) == len({value(function, p) for p in points(extents)})


@given(
    st.lists(
        st.tuples(st.integers(-5, 5), st.integers(-5, 5), st.integers(1, 4), st.integers(1, 4)), min_size=1, max_size=4
    )
)
def test_union_of_boxes(rectangles: list[tuple[int, int, int, int]]) -> None:
    domains = [poly.Domain.of_bounds(("x", "y"), ((x, x + w - 1), (y, y + h - 1))) for x, y, w, h in rectangles]
    cells = {c for x, y, w, h in rectangles for c in product(range(x, x + w), range(y, y + h))}
    union = poly.union(domains)
    assert poly.count(union) == len(cells)
    assert all(poly.subset(domain, union) for domain in domains)
    assert union.bounds == tuple((min(c), max(c)) for c in zip(*cells, strict=True))


def test_subset_and_equal() -> None:
    assert poly.subset(interval(1, 3), interval(0, 3))
    assert not poly.subset(interval(1, 4), interval(0, 3))
    assert poly.equal_sets(poly.union([interval(0, 3), interval(4, 9)]), interval(0, 9))
    assert not poly.equal_sets(interval(0, 3), interval(0, 4))


def test_a_hit_bound_is_an_error_and_leaves_isl_usable() -> None:
    function = access("d0 * 3 + d1 floordiv 2, d1 mod 3", (40, 50))
    with pytest.raises(poly.OperationBoundError, match="more than 50 isl operations"), poly.bounded(50):
        poly.injective(function)
    assert not poly.injective(function)


def test_nested_bounds() -> None:
    function = access("d0 * 3 + d1 floordiv 2, d1 mod 3", (40, 50))
    with pytest.raises(poly.OperationBoundError), poly.bounded(50):
        with poly.bounded(10**6):
            assert not poly.injective(function)
        poly.injective(access("d0 + 7 * d1, d1 mod 5", (40, 50)))


def test_other_errors_pass_through() -> None:
    with pytest.raises(ZeroDivisionError), poly.bounded(10**6):
        _ = 1 // 0
