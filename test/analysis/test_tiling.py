from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parsing import nest_of

from polystage.analysis.implementation import Implementation
from polystage.analysis.layouts import Layout
from polystage.analysis.nests import Linear, Nest
from polystage.analysis.tiling import FreeDim, NestTiling, PointLoops, TileBuffer, depth_of, tiling_of
from polystage.machine import load

TINY = load("tiny")


def copy(source: str, target: str, extents: str, shapes: tuple[str, str]) -> Nest:
    arguments = ", ".join(
        f'%{name}: memref<{shape}xf32> {{polystage.name = "{name}"}}' for name, shape in zip("ab", shapes, strict=True)
    )
    body = f"%0 = affine.load %a[{source}] : memref<{shapes[0]}xf32>"
    return nest_of(f"{body} affine.store %0, %b[{target}] : memref<{shapes[1]}xf32>", extents, arguments)


def tiling(nest: Nest, lane: int | None = 0, kind: str = "elementwise") -> NestTiling:
    return tiling_of(nest, Implementation(kind, lane), TINY)


def test_lanes_come_in_blocks_and_free_dimensions_behind() -> None:
    tiled = tiling(copy("%d0, %d1", "%d1, %d0", "20 x 6", ("20x6", "6x20")))
    loaded, stored = tiled.buffers
    assert (loaded.loaded, loaded.stored, stored.loaded, stored.stored) == (True, False, False, True)
    assert loaded.shape((20, 6), tiled.blocks) == (8, 3, 6)
    assert stored.shape((8, 6), tiled.blocks) == (8, 6)
    assert stored.shape((3, 6), tiled.blocks) == (3, 6)
    assert loaded.bytes_per_lane((20, 6), tiled.blocks) == 3 * 6 * 4
    assert tiled.demand((20, 6)) == 2 * 3 * 6 * 4


def test_what_does_not_depend_on_the_lane_is_on_every_lane_once() -> None:
    tiled = tiling(copy("%d1", "%d0, %d1", "20 x 6", ("6", "20x6")))
    loaded, _ = tiled.buffers
    assert loaded.replicated
    assert loaded.shape((20, 6), tiled.blocks) == (8, 6)
    assert loaded.elements((20, 6), tiled.blocks) == 20 * 6


def test_filling_every_lane_from_a_chip_takes_the_room_of_a_one() -> None:
    nest = copy("%d1", "%d0, %d1", "20 x 6", ("6", "20x6"))
    source = nest.loads[0].array
    in_dram, on_chip = (
        tiling_of(nest, Implementation("elementwise", 0), TINY, placed) for placed in ({}, {source: Layout(None)})
    )
    assert on_chip.demand((20, 6)) == in_dram.demand((20, 6)) + 4


def test_a_nest_may_have_one_lane() -> None:
    tiled = tiling(copy("0", "0", "1", ("1", "1")), lane=None)
    assert [buffer.shape((1,), tiled.blocks) for buffer in tiled.buffers] == [(1,), (1,)]


def test_a_window_is_loaded_as_its_hull() -> None:
    tiled = tiling(copy("%d0, %d1 * 2 + %d2", "%d0, %d1, %d2", "8 x 5 x 3", ("8x11", "8x5x3")))
    assert tiled.buffers[0].free == (FreeDim(((1, 2), (2, 1)), ((1, 1),)),)
    assert tiled.buffers[0].shape((8, 5, 3), tiled.blocks) == (8, 11)
    assert tiled.buffers[0].shape((8, 2, 3), tiled.blocks) == (8, 5)


def test_far_rows_are_loaded_without_what_is_between() -> None:
    tiled = tiling(copy("%d1 * 10 + %d2", "%d0, %d1, %d2", "8 x 5 x 3", ("43", "8x5x3")))
    assert tiled.buffers[0].shape((8, 5, 3), tiled.blocks) == (8, 5, 3)


@pytest.mark.parametrize(
    ("target", "shape"), [("%d1 * 4 + %d2", "19"), ("%d1, %d1 + %d2", "5x7"), ("-%d1 + 4, %d2", "5x3")]
)
def test_results_have_a_dimension_for_each_loop(target: str, shape: str) -> None:
    tiled = tiling(copy("%d0", f"%d0, {target}", "8 x 5 x 3", ("8", f"8x{shape}")))
    stored = tiled.buffers[-1]
    assert sorted(dim.factors for dim in stored.free) == [((1, 1),), ((2, 1),)]
    assert sorted(stored.shape((8, 5, 3), tiled.blocks)) == [3, 5, 8]


def elements(buffer: TileBuffer, sizes: Sequence[int]) -> set[tuple[int, ...]]:
    """The elements of the array that a tile at the origin has in its buffer."""
    lanes = range(1 if buffer.lane is None else sizes[buffer.lane])
    found = set[tuple[int, ...]]()
    for lane, *free in product(lanes, *(range(dim.extent(sizes)) for dim in buffer.free)):
        index = [
            form.const + (0 if buffer.lane is None else lane * form.dims[buffer.lane]) for form in buffer.access.indices
        ]
        for dim, at in zip(buffer.free, free, strict=True):
            for position, stride in dim.strides:
                index[position] += stride * (at + dim.least(sizes))
        found.add(tuple(index))
    return found


def touched(buffer: TileBuffer, sizes: Sequence[int]) -> set[tuple[int, ...]]:
    def value(form: Linear, point: Sequence[int]) -> int:
        return form.const + sum(factor * x for factor, x in zip(form.dims, point, strict=True))

    return {tuple(value(form, point) for form in buffer.access.indices) for point in product(*map(range, sizes))}


INDEX = st.sampled_from(
    [
        "%d0",
        "%d1",
        "%d2",
        "%d0 + %d1",
        "%d1 * 2 + %d2",
        "%d1 * 9 + %d2",
        "-%d1 + 4",
        "-%d1 + %d2 + 4",
        "%d0 * 3 + %d1",
        "2",
    ]
)


@given(st.tuples(INDEX, INDEX), st.sampled_from((None, 0, 1, 2)), st.tuples(*[st.integers(1, 3)] * 3))
def test_a_buffer_holds_what_its_tile_touches(index: tuple[str, str], lane: int | None, sizes: tuple[int, ...]) -> None:
    tiled = tiling(copy(", ".join(index), "%d0, %d1, %d2", "3 x 4 x 3", ("40x40", "3x4x3")), lane)
    loaded, stored = tiled.buffers
    assert touched(loaded, sizes) <= elements(loaded, sizes)
    assert touched(stored, sizes) == elements(stored, sizes)


@given(st.permutations(["%d0", "%d1 * 3 + %d2", "%d1 - %d2 + 2"]), st.tuples(*[st.integers(1, 3)] * 3))
def test_what_is_written_back_is_what_was_stored(index: list[str], sizes: tuple[int, ...]) -> None:
    tiled = tiling(copy("%d0", ", ".join(index), "3 x 4 x 3", ("3", "20x20x20")))
    assert touched(tiled.buffers[-1], sizes) == elements(tiled.buffers[-1], sizes)


def test_transfers_stand_inside_of_the_tile_loops_they_depend_on() -> None:
    assert depth_of(frozenset({1}), trips=(2, 3, 4), order=(0, 1, 2)) == 2
    assert depth_of(frozenset({1}), trips=(2, 1, 4), order=(0, 1, 2)) == 0
    assert depth_of(frozenset({0, 2}), trips=(2, 3, 4), order=(2, 0, 1)) == 2


def test_the_loops_of_a_point_nest() -> None:
    whole = copy("%d0, %d1 * 2 + %d2", "%d0, %d1, %d2", "20 x 5 x 3", ("20x11", "20x5x3"))
    loops = PointLoops(((2, 8), (1, 5), (1, 1)))
    assert loops.kept == [(0, True, 2, 8), (0, False, 8, 1), (1, False, 5, 1)]
    assert loops.implementation(Implementation("elementwise", 0)) == Implementation("elementwise", 1)
    assert loops.implementation(Implementation("elementwise", 2)) == Implementation("elementwise", None)
    point = loops.nest(whole)
    assert point.extents == (2, 8, 5)
    assert point.loads[0].indices == (Linear(0, (8, 1, 0)), Linear(0, (0, 0, 2)))


def test_temporaries_of_each_block_of_lanes_are_charged() -> None:
    """``t += x * y`` is one instruction where x is one number per lane, two where it is one per lane and block."""
    body = """
      %x0 = affine.load %x[%d0] : memref<17xf32>
      %y0 = affine.load %y[%d1] : memref<6xf32>
      %t0 = affine.load %t[%d0, %d1] : memref<17x6xf32>
      %1 = arith.mulf %x0, %y0 : f32
      %0 = arith.addf %t0, %1 : f32
      affine.store %0, %t[%d0, %d1] : memref<17x6xf32>"""
    arguments = "%x: memref<17xf32>, %y: memref<6xf32>, %t: memref<17x6xf32>"
    tiled = tiling(nest_of(body, "17 x 6", arguments))
    assert tiled.temporaries((8, 6)) < tiled.temporaries((16, 6)) == 2 * 6 * 4
