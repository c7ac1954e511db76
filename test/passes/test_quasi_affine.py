"""The simplifier of quasi-affine expressions and the fitting of tables, against plain evaluation."""

import itertools
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from polystage.passes.nests import pieces
from polystage.passes.nests import quasi as q
from polystage.passes.nests.quasi import Quasi

DIVISORS = (2, 3, 4, 6, 8, 12)
EXTENTS = st.lists(st.integers(1, 12), min_size=3, max_size=3)
LEAVES = st.one_of(st.integers(0, 2).map(lambda d: ("iv", d)), st.integers(-9, 20).map(lambda c: ("const", c)))


def _grow(inner: Any) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.tuples(st.just("+"), inner, inner),
        st.tuples(st.just("*"), inner, st.integers(-4, 12)),
        st.tuples(st.just("//"), inner, st.sampled_from(DIVISORS)),
        st.tuples(st.just("%"), inner, st.sampled_from(DIVISORS)),
    )


EXPRESSIONS = st.recursive(LEAVES, _grow, max_leaves=8)
ROW, COL = ("iv", 0), ("iv", 1)


def evaluated(tree: Any, point: tuple[int, ...]) -> int:
    match tree:
        case ("iv", int(depth)):
            return point[depth]
        case ("const", int(value)):
            return value
        case ("+", a, b):
            return evaluated(a, point) + evaluated(b, point)
        case ("*", a, factor):
            return evaluated(a, point) * factor
        case ("//", a, by):
            return evaluated(a, point) // by
        case _:
            return evaluated(tree[1], point) % tree[2]


def simplified(tree: Any, extents: list[int]) -> Quasi:
    match tree:
        case ("iv", int(depth)):
            return q.iv(depth)
        case ("const", int(value)):
            return Quasi(value)
        case ("+", a, b):
            return q.add(simplified(a, extents), simplified(b, extents), extents)
        case ("*", a, factor):
            return q.scale(simplified(a, extents), factor)
        case ("//", a, by):
            return q.floordiv(simplified(a, extents), by, extents)
        case _:
            return q.mod(simplified(tree[1], extents), tree[2], extents)


@settings(max_examples=400, deadline=None)
@given(EXPRESSIONS, EXTENTS)
@example(("+", ("*", ("//", ("+", ROW, ("const", 8)), 4), -4), ("+", ROW, ("const", 8))), [9, 1, 1])
def test_a_simplified_expression_has_the_same_values_inside_its_span(tree: Any, extents: list[int]):
    expression = simplified(tree, extents)
    low, high = q.span(expression, extents)
    for point in itertools.product(*map(range, extents)):
        value = evaluated(tree, point)
        assert q.evaluate(expression, point) == value
        assert low <= value <= high


@pytest.mark.parametrize(
    ("tree", "extents", "wanted"),
    [
        (("//", ("+", ("*", ROW, 8), COL), 4), [3, 4, 1], q.scale(q.iv(0), 2)),
        (("%", ("+", ("*", ROW, 4), COL), 4), [3, 4, 1], q.iv(1)),
        (("+", ("*", ("//", ROW, 5), 5), ("%", ROW, 5)), [99, 1, 1], q.iv(0)),
        (("+", ROW, ("*", ("//", ROW, 5), -5)), [99, 1, 1], Quasi(0, ((q.Mod(q.iv(0), 5), 1),))),
        (("//", ("//", ROW, 4), 3), [99, 1, 1], Quasi(0, ((q.Floor(q.iv(0), 12), 1),))),
        (("//", ("%", ROW, 12), 4), [99, 1, 1], Quasi(0, ((q.Mod(Quasi(0, ((q.Floor(q.iv(0), 4), 1),)), 3), 1),))),
        (("%", ("%", ROW, 12), 4), [99, 1, 1], Quasi(0, ((q.Mod(q.iv(0), 4), 1),))),
        (("//", ("+", ROW, ("const", 13)), 7), [1, 1, 1], Quasi(1)),
    ],
)
def test_bounds_and_divisibility_decide(tree: Any, extents: list[int], wanted: Quasi):
    assert simplified(tree, extents) == wanted


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(-20, 20), min_size=1, max_size=30))
def test_pieces_are_the_table(values: list[int]):
    found = pieces.fit(values)
    if found is None:
        assert len(values) > pieces.MOST_PIECES
        return
    assert [piece.start for piece in found] == [0, *(piece.stop for piece in found[:-1])]
    assert found[-1].stop == len(values)
    for piece in found:
        for i in range(piece.start, piece.stop):
            assert (piece.slope * i + piece.offset) // piece.divisor == values[i]


@pytest.mark.parametrize(
    ("values", "count"),
    [
        ([7], 1),
        ([3 * i - 4 for i in range(40)], 1),
        ([i * 6 // 10 for i in range(10)], 1),
        ([abs(5 - abs(i - 2)) for i in range(9)], 3),
        ([min(max(i - 3, 0), 9) for i in range(20)], 3),
    ],
)
def test_tables_of_the_field_take_few_pieces(values: list[int], count: int):
    found = pieces.fit(values)
    assert found is not None
    assert len(found) == count
