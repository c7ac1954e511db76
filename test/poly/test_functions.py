"""Composition, images, footprints and the way to MLIR and back, against brute force on small boxes."""

from itertools import product

import pytest
from affine_maps import access, affine_map, boxes, expressions, maps, points, results, value
from hypothesis import given
from hypothesis import strategies as st

from polystage import poly


@given(boxes(2), maps(2))
def test_access_has_the_values_of_the_map(extents: list[int], text: str) -> None:
    function, mapping = access(text, extents), affine_map(text, 2)
    assert all(value(function, p) == results(mapping, p) for p in points(extents))


@given(boxes(2), st.tuples(expressions(2), expressions(2)), maps(2))
def test_composition_is_evaluation_one_after_the_other(extents: list[int], inner: tuple[str, str], outer: str) -> None:
    first, second = affine_map(", ".join(inner), 2), affine_map(outer, 2)
    on_anything = poly.Domain.of_bounds(("x", "y"), ((-1000, 1000), (-1000, 1000)))
    composed = poly.compose(poly.from_affine_map(second, "B", on_anything), access(", ".join(inner), extents))
    assert composed.array == "B"
    assert all(value(composed, p) == results(second, results(first, p)) for p in points(extents))


@given(boxes(2), maps(2))
def test_affine_map_round_trip(extents: list[int], text: str) -> None:
    function = access(text, extents)
    back = poly.to_affine_map(function)
    assert all(results(back, p) == value(function, p) for p in points(extents))
    assert poly.equal(function, poly.from_affine_map(back, "A", function.domain))


@pytest.mark.parametrize(
    "text",
    [
        "d1, d0",
        "d0 * 2 + 1, -d1 + 3",
        "d0 mod 8, d0 floordiv 8",
        "d0 floordiv 56, (d0 floordiv 8) mod 7, d0 mod 8",
        "d0 floordiv 8 + (d1 floordiv 7) * 7, d1 mod 7",
        "(d0 + 3) mod 56, d1",
        "0, d1",
    ],
)
def test_written_forms_survive(text: str) -> None:
    assert str(poly.to_affine_map(access(text, (112, 49)))) == str(affine_map(text, 2))


@given(boxes(2), maps(2))
def test_image_and_bounds(extents: list[int], text: str) -> None:
    function = access(text, extents)
    touched = {value(function, p) for p in points(extents)}
    columns = list(zip(*touched, strict=True))
    box = tuple((min(column), max(column)) for column in columns)
    image = poly.image(function)
    assert poly.count(image) == len(touched)
    assert image.bounds == poly.bounds(function) == box
    assert image.is_box == (set(product(*(range(low, high + 1) for low, high in box))) == touched)
    at_once = poly.box_image(function)
    assert at_once is None or poly.equal_sets(at_once, image)


@given(boxes(2), maps(2))
def test_injective(extents: list[int], text: str) -> None:
    function = access(text, extents)
    assert poly.injective(function) == (
        len({value(function, p) for p in points(extents)}) == len(list(points(extents)))
    )


@given(boxes(2), maps(2), st.integers(1, 4), st.integers(1, 4))
def test_footprint_is_the_largest_tile(extents: list[int], text: str, rows: int, columns: int) -> None:
    function = access(text, extents)
    tiles: dict[tuple[int, ...], set[tuple[int, ...]]] = {}
    for p in points(extents):
        tiles.setdefault((p[0] // rows, p[1] // columns), set()).add(value(function, p))
    spans = [[max(c) - min(c) + 1 for c in zip(*tile, strict=True)] for tile in tiles.values()]
    assert poly.footprint(function, {"d0": rows, "d1": columns}) == tuple(map(max, zip(*spans, strict=True)))


def test_footprint_leaves_unnamed_dimensions_whole() -> None:
    window = access("d0 * 2 + d2, d1 * 2 + d3", (28, 28, 3, 3))
    assert poly.footprint(window, {"d0": 4}) == (9, 57)


@pytest.mark.parametrize(("shape", "inside"), [((57, 57), True), ((56, 57), False)])
def test_in_bounds(shape: tuple[int, int], inside: bool) -> None:
    assert poly.in_bounds(access("d0 * 2 + d2, d1 * 2 + d3", (28, 28, 3, 3)), shape) == inside


def test_in_bounds_sees_negative_indices() -> None:
    assert not poly.in_bounds(access("d0 - 1", (4,)), (4,))


def test_equal_and_identity() -> None:
    padded = access("d0 + 1, d1 floordiv 4", (8, 4))
    assert poly.equal(padded, access("d0 + 1, 0", (8, 4)))
    assert not poly.equal(padded, access("d0 + 1, 0", (8, 4), array="B"))
    assert not poly.equal(padded, access("d0 + 1, 0", (9, 4)))
    assert poly.equal(poly.identity("A", padded.domain), access("d0, d1", (8, 4)))


def test_linear_names_the_dimensions() -> None:
    strided, quasi = poly.linear(access("d0 * 2 + d1 - 3, d0 mod 2", (8, 3)))
    assert strided == poly.Linear({"d0": 2, "d1": 1}, -3)
    assert quasi is None
    assert poly.used_dimensions(access("d0 mod 4, 7", (8, 3))) == {"d0"}


def test_window_partition_and_its_reverse_compose_to_the_identity() -> None:
    """Swin's 7x7 windows of a 56x56 image, and back (DESIGN section 3)."""
    partition = access("7 * (d0 floordiv 8) + d1 floordiv 7, 7 * (d0 mod 8) + d1 mod 7, d2", (64, 49, 96))
    reverse = access("8 * (d0 floordiv 7) + d1 floordiv 7, 7 * (d0 mod 7) + d1 mod 7, d2", (56, 56, 96))
    assert str(poly.to_affine_map(poly.compose(partition, reverse))) == "(d0, d1, d2) -> (d0, d1, d2)"
