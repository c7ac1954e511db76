"""Inverses and splits: solved in structure, proved by isl, and here once more by brute force."""

import pytest
from affine_maps import access, boxes, points, value
from hypothesis import given
from hypothesis import strategies as st

from polystage import poly


def check(function: poly.Access) -> str:
    """The inverse as MLIR text, after trying it on every point."""
    inverse = poly.inverse(function, "D")
    assert inverse is not None
    assert inverse.array == "D"
    assert poly.equal_sets(inverse.domain, poly.image(function))
    if poly.count(function.domain) <= 500:
        assert all(value(inverse, value(function, p)) == p for p in points(function.domain.extents))
    return str(poly.to_affine_map(inverse)).rpartition(" -> ")[2]


@pytest.mark.parametrize(
    ("text", "extents", "expected"),
    [
        ("d1, d0", (3, 5), "(d1, d0)"),
        ("d0 + 3, d1 * 2 + 1", (3, 5), "(d0 - 3, (d1 - 1) floordiv 2)"),
        ("-d0 + 2, d1", (3, 5), "(-d0 + 2, d1)"),
        ("d0 * 12 + d1", (2, 12), "(d0 floordiv 12, d0 mod 12)"),
        ("d0 * 8 - d1 + 7, d2", (4, 8, 3), "(d0 floordiv 8, -(d0 mod 8) + 7, d1)"),
        ("d0 floordiv 8, d0 mod 8", (40,), "(d0 * 8 + d1)"),
        ("d0 floordiv 56, (d0 floordiv 8) mod 7, d0 mod 8", (112,), "(d0 * 56 + d1 * 8 + d2)"),
        ("d0 mod 8, d0 floordiv 8", (13,), "(d0 + d1 * 8)"),
        ("d0, d0 + d1", (4, 5), "(d0, -d0 + d1)"),
        ("0, d1, 5", (1, 4), "(0, d1)"),
        (
            "7 * (d0 floordiv 8) + d1 floordiv 7, 7 * (d0 mod 8) + d1 mod 7, d2",
            (64, 49, 96),
            "((d0 floordiv 7) * 8 + d1 floordiv 7, (d0 mod 7) * 7 + d1 mod 7, d2)",
        ),
    ],
)
def test_inverse_in_structure(text: str, extents: tuple[int, ...], expected: str) -> None:
    assert check(access(text, extents)) == expected


def test_inverse_of_a_reshape_with_unequal_strides() -> None:
    """A 2x12 array seen as 3x8: the floors are of a combination of both dimensions."""
    check(access("(d0 * 12 + d1) floordiv 8, (d0 * 12 + d1) mod 8", (2, 12)))


@pytest.mark.parametrize(
    ("text", "extents"),
    [
        ("d0", (4, 5)),
        ("d0 + d1", (4, 5)),
        ("d0 * 4 + d1", (3, 5)),
        ("d0 floordiv 2, d1", (4, 5)),
        ("d0 mod 3", (4,)),
    ],
)
def test_no_inverse_where_elements_meet(text: str, extents: tuple[int, ...]) -> None:
    assert poly.inverse(access(text, extents)) is None


@given(boxes(3), st.permutations(range(3)), st.tuples(*[st.integers(-3, 3)] * 3), st.tuples(*[st.integers(1, 3)] * 3))
def test_inverse_of_permuted_strided_indices(
    extents: list[int], order: list[int], offsets: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    check(access(", ".join(f"d{i} * {strides[i]} + {offsets[i]}" for i in order), extents))


@given(boxes(2), st.integers(1, 5), st.booleans())
def test_inverse_of_collapse_then_expand(extents: list[int], columns: int, swap: bool) -> None:
    flat = f"(d0 * {extents[1]} + d1)"
    digits = [f"{flat} floordiv {columns}", f"{flat} mod {columns}"]
    check(access(", ".join(reversed(digits) if swap else digits), extents))


def test_divisors_of_several_accesses() -> None:
    accesses = [access("d0 mod 8, d1", (64, 49)), access("d0 floordiv 16, d1 mod 7", (64, 49))]
    assert poly.divisors(accesses) == {"d0": (8, 16), "d1": (7,)}


def test_divisors_that_do_not_divide_each_other() -> None:
    assert poly.divisors([access("d0 mod 8, d0 floordiv 12", (48,))]) == {}


@given(st.integers(1, 40))
def test_split_makes_accesses_linear(extent: int) -> None:
    function = access("d0 floordiv 6, (d0 floordiv 2) mod 3, d0 mod 2", (extent,))
    digits = poly.split(function.domain, {"d0": (2, 6)})
    assert digits.domain.names == ("d0.2", "d0.1", "d0.0")
    assert poly.count(digits.domain) == extent
    assert poly.equal_sets(poly.image(digits), function.domain)
    assert None not in poly.linear(poly.compose(function, digits))
