"""Boxes are split into pieces that cover them and on which quasi-affine expressions are the linear forms given."""

from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch_mlir import ir

from polystage.analysis.nests import Linear, NotLinearError
from polystage.passes.nests.boxes import Piece, evaluate_expr, refine, whole_box

LEAVES = st.sampled_from(["d0", "d1", "d2", "d0 * 3", "d1 * -2", "d2 * 7", "5", "-4"])


def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    divided = st.tuples(inner, st.sampled_from(("mod", "floordiv", "ceildiv")), st.integers(1, 7))
    sums = st.tuples(inner, inner).map(lambda pair: f"({pair[0]}) + ({pair[1]})")
    return sums | divided.map(lambda t: f"({t[0]}) {t[1]} {t[2]}")


def parsed(text: str) -> ir.AffineExpr:
    return ir.AffineMapAttr(ir.Attribute.parse(f"affine_map<(d0, d1, d2) -> ({text})>")).value.results[0]


def linear(form: Linear, point: Sequence[int]) -> int:
    return form.const + sum(factor * x for factor, x in zip(form.dims, point, strict=True))


@given(st.recursive(LEAVES, grow, max_leaves=4), st.tuples(*[st.integers(1, 7)] * 3))
def test_pieces_cover_the_box_and_give_its_values(text: str, extents: tuple[int, ...]) -> None:
    with ir.Context():
        expr = parsed(text)

        def evaluate(piece: Piece) -> Linear:
            return evaluate_expr(expr, piece.ivs, piece.extents)

        seen: dict[tuple[int, ...], int] = {}
        for piece in refine(whole_box(extents), evaluate):
            form = evaluate(piece)
            for point in product(*map(range, piece.extents)):
                origin = tuple(linear(iv, point) for iv in piece.ivs)
                assert origin not in seen
                seen[origin] = linear(form, point)
        assert seen == {point: value(expr, point) for point in product(*map(range, extents))}


def value(expr: ir.AffineExpr, point: Sequence[int]) -> int:
    """The expression at a point, with Python's integers."""
    match expr:
        case ir.AffineDimExpr():
            return point[expr.position]
        case ir.AffineConstantExpr():
            return expr.value
        case ir.AffineBinaryExpr():
            a, b = value(expr.lhs, point), value(expr.rhs, point)
        case _:
            raise AssertionError(expr)
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


def pieces(text: str, *extents: int) -> list[tuple[int, ...]]:
    with ir.Context():
        expr = parsed(text)
        found = refine(whole_box(extents), lambda piece: evaluate_expr(expr, piece.ivs, piece.extents))
        return [piece.extents for piece in found]


def test_a_loop_is_split_at_the_divisor() -> None:
    assert pieces("d0 floordiv 7", 56, 1, 1) == [(8, 7, 1, 1)]
    assert pieces("d0 floordiv 7", 7, 1, 1) == [(7, 1, 1)]
    assert pieces("d0 mod 4", 11, 1, 1) == [(2, 4, 1, 1), (3, 1, 1)]


def test_a_roll_is_two_pieces() -> None:
    assert pieces("(d0 + 3) mod 8", 8, 1, 1) == [(5, 1, 1), (3, 1, 1)]


def test_digits_that_do_not_cross_stay_together() -> None:
    assert pieces("(d0 * 8 + d1) floordiv 8", 5, 8, 1) == [(5, 8, 1)]


@pytest.mark.parametrize("text", ["d0 floordiv -2", "d0 mod 0", "d0 ceildiv -3"])
def test_divisors_are_positive(text: str) -> None:
    with pytest.raises(NotLinearError, match="the divisor is not positive"):
        pieces(text, 4, 1, 1)
