"""What a transfer of a box consists of when parts of its array are on chip: each element once where it has to be."""

from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_mlir import ir

from polystage.analysis.layouts import Layout
from polystage.passes.staging.slices import Slice, pieces

EXTENT = 12
SHAPE = (3, EXTENT)


@pytest.fixture(scope="module")
def array() -> Iterator[ir.Value]:
    with ir.Context(), ir.Location.unknown():
        module = ir.Module.parse("func.func private @f() { %a = memref.alloc() : memref<3x12xf32> return }")
        function = module.body.operations[0]
        yield function.operation.regions[0].blocks[0].operations[0].operation.result


@st.composite
def divisions(draw: st.DrawFn) -> list[tuple[int, int, bool]]:
    """Parts of a dimension that are apart, and whether DRAM has them too."""
    ends = sorted(draw(st.lists(st.integers(0, EXTENT), max_size=6, unique=True)))
    pairs = zip(ends[::2], ends[1::2], strict=False)
    return [(low, high, draw(st.booleans())) for low, high in pairs]


@given(divisions(), st.integers(0, EXTENT - 1), st.integers(1, EXTENT), st.booleans())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_each_element_moves_where_it_is(
    array: ir.Value, parts: list[tuple[int, int, bool]], low: int, count: int, load: bool
) -> None:
    slices = [Slice(array, Layout(0, 8), 1, a, b, 0, 0, 0, None, through) for a, b, through in parts]
    box = ((1, 2), (low, min(low + count, EXTENT) - 1))
    found = list(pieces(box, slices, load=load))
    moved = [(each, point) for each, part in found for point in product(*(range(a, b + 1) for a, b in part))]
    assert len(moved) == len(set(moved))
    for point in product(*(range(extent) for extent in SHAPE)):
        owner = next((each for each in slices if each.low <= point[1] < each.high), None)
        ends = {each for each, other in moved if other == point}
        inside = all(a <= x <= b for x, (a, b) in zip(point, box, strict=True))
        both = owner is not None and owner.through and not load
        if not inside:
            assert not ends
        elif both:
            assert ends == {owner, None}
        else:
            assert ends == {owner}


def test_a_box_of_a_slice_begins_where_the_slice_does(array: ir.Value) -> None:
    part = Slice(array, Layout(0, 8), 1, 4, 9, 0, 2, 5, None, through=False)
    assert part.local(((0, 2), (4, 8))) == ((0, 2), (0, 4))
    assert part.shape == [3, 5]
    assert part.during(2, 5)
    assert not part.during(1, 3)
