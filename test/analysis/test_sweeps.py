from collections.abc import Sequence

import pytest
from parsing import nests_of
from sweep_runs import Span, schedule_of
from sweeping import check, group, name_of, nests

from polystage.analysis.groups import Refused, Tile
from polystage.analysis.nests import Nest
from polystage.analysis.sweeps import Sweep, sweep
from polystage.analysis.swept_nests import Level
from polystage.analysis.windows import Window


def swept(
    program: Sequence[Nest],
    *live_out: str,
    tiles: Sequence[Tile],
    sink: int | None = None,
    live_in: Sequence[str] = (),
    once: frozenset[int] = frozenset(),
) -> Sweep:
    """The sweep of a group, executed and compared with program order."""
    found = sweep(group(program, *live_out, sink=sink, live_in=live_in), tiles, once=once)
    assert isinstance(found, Sweep), found
    check(found)
    return found


def refused(program: Sequence[Nest], *live_out: str, tiles: Sequence[Tile], sink: int | None = None) -> str:
    found = sweep(group(program, *live_out, sink=sink), tiles)
    assert isinstance(found, Refused)
    return found.reason


def windows(found: Sweep) -> dict[str, Window]:
    return {name_of(array): window for array, window in found.windows.items()}


def conv_chain() -> list[Nest]:
    """Two convolutions 3x3, with the border of the array between them."""
    return nests(
        {"x": "2x10x10", "p": "2x10x10", "q": "2x8x8", "w": "2x2x3x3", "y": "2x8x8", "v": "2x2x3x3"},
        "2x8x8: q[d0, d1, d2] =",
        "2x8x8x2x3x3: q[d0, d1, d2] += x[d3, d1 + d4, d2 + d5], w[d0, d3, d4, d5]",
        "2x8x8: p[d0, d1 + 1, d2 + 1] = q[d0, d1, d2]",
        "2x10: p[d0, 0, d1] =",
        "2x10: p[d0, 9, d1] =",
        "2x8: p[d0, d1 + 1, 0] =",
        "2x8: p[d0, d1 + 1, 9] =",
        "2x8x8: y[d0, d1, d2] =",
        "2x8x8x2x3x3: y[d0, d1, d2] += p[d3, d1 + d4, d2 + d5], v[d0, d3, d4, d5]",
    )


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_rows_of_a_chain_of_convolutions_slide(size: int) -> None:
    found = swept(conv_chain(), "y", tiles=[Tile(1, size)])
    held = windows(found)
    assert found.repeated == 0
    assert found.loaded(held["x"].array) == 2 * 10 * 10
    if size < 8:
        assert held["p"].extents == (2, size + 2, 10)
        assert (held["p"].level, held["p"].sliding) == (Level.STEP, 1)
        assert (held["w"].level, held["w"].sliding) == (Level.BEFORE, None)
        assert held["q"].transient and not held["p"].transient and not held["w"].transient


@pytest.mark.parametrize("live_out", [("y", "p"), ("y", "q"), ("y", "p", "q")])
@pytest.mark.parametrize("tiles", [[Tile(1, 2)], [Tile(2, 4), Tile(1, 3)], [Tile(1, 3), Tile(2, 2)]])
def test_what_lives_on_is_made_completely(live_out: tuple[str, ...], tiles: list[Tile]) -> None:
    found = swept(conv_chain(), *live_out, tiles=tiles)
    assert found.stored(windows(found)["y"].array) == 2 * 8 * 8


def test_the_halo_along_the_outer_loop_is_made_again() -> None:
    found = swept(conv_chain(), "y", tiles=[Tile(2, 4), Tile(1, 2)])
    columns = 5 + 5  # of the 8 that there are, in two sweeps
    assert found.iterations(1) == 2 * 8 * columns * 2 * 9
    assert found.repeated == 2 * 8 * 2 * (1 + 2 * 9 + 1) + 2 * (2 + 2)
    assert windows(found)["p"].extents == (2, 4, 6)


def test_the_next_convolution_may_be_tiled_by_what_it_sums() -> None:
    found = swept(conv_chain(), "y", tiles=[Tile(3, 1)])
    assert windows(found)["y"].level == Level.BEFORE
    assert windows(found)["q"].extents == (1, 8, 8)


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("live_out", [("y",), ("y", "a")])
def test_strides_and_pools(size: int, live_out: tuple[str, ...]) -> None:
    program = nests(
        {"x": "20", "w": "3", "a": "18", "b": "9", "y": "4"},
        "18: a[d0] =",
        "18x3: a[d0] += x[d0 + d1], w[d1]",
        "9: b[d0] =",
        "9x2: b[d0] += a[2 * d0 + d1]",
        "4: y[d0] =",
        "4: y[d0] = b[2 * d0]",
    )
    found = swept(program, *live_out, tiles=[Tile(0, size)])
    assert found.iterations(0) == (18 if "a" in live_out else 4 * 2 if size == 1 else found.iterations(0))


@pytest.mark.parametrize("size", [1, 3, 4])
def test_dilated_convolutions_keep_what_they_look_back_at(size: int) -> None:
    program = nests(
        {"x": "2x16", "a": "2x20", "b": "2x24", "y": "2x16", "w": "2x2x3"},
        "2x4: a[d0, d1] =",
        "2x16: a[d0, d1 + 4] = x[d0, d1]",
        "2x8: b[d0, d1] =",
        "2x16: b[d0, d1 + 8] =",
        "2x16x2x3: b[d0, d1 + 8] += a[d2, d1 + 2 * d3], w[d0, d2, d3]",
        "2x16: y[d0, d1] =",
        "2x16x2x3: y[d0, d1] += b[d2, d1 + 4 * d3], w[d0, d2, d3]",
    )
    found = swept(program, "y", tiles=[Tile(1, size)])
    assert windows(found)["a"].extents == (2, size + 4)
    assert windows(found)["b"].extents == (2, size + 8)
    assert found.repeated == 0


def matmuls() -> list[Nest]:
    return nests(
        {"x": "6x5", "w": "5x8", "h": "6x8", "g": "6x8", "v": "8x4", "y": "6x4"},
        "6x8: h[d0, d1] =",
        "6x8x5: h[d0, d1] += x[d0, d2], w[d2, d1]",
        "6x8: g[d0, d1] = h[d0, d1]",
        "6x4: y[d0, d1] =",
        "6x4x8: y[d0, d1] += g[d0, d2], v[d2, d1]",
    )


def test_a_tiled_reduction_keeps_its_sums_and_streams_its_operands() -> None:
    found = swept(matmuls(), "y", tiles=[Tile(2, 2)])
    held = windows(found)
    assert held["y"].extents == (6, 4) and held["y"].level == Level.BEFORE
    assert held["g"].extents == (6, 2) and held["w"].extents == (5, 2) and held["v"].extents == (2, 4)
    assert held["x"].extents == (6, 5) and held["x"].level == Level.BEFORE
    assert found.loaded(held["w"].array) == 40 and found.stored(held["y"].array) == 24


def test_what_uses_sums_runs_behind_all_steps() -> None:
    shapes = {"x": "6x5", "w": "5x8", "g": "6x8", "v": "8x4", "s": "6x4", "r": "6x4", "y": "6x4"}
    program = nests(
        shapes,
        "6x8: g[d0, d1] =",
        "6x8x5: g[d0, d1] += x[d0, d2], w[d2, d1]",
        "6x4: s[d0, d1] =",
        "6x4x8: s[d0, d1] += g[d0, d2], v[d2, d1]",
        "6x4: r[d0, d1] = s[d0, d1]",
        "6x4: y[d0, d1] = r[d0, d1]",
    )
    assert swept(program, "y", tiles=[Tile(2, 2)], sink=3).tail == 4
    assert swept(program[:4], "s", tiles=[Tile(2, 2)]).tail == 4
    assert swept(program, "y", tiles=[Tile(0, 2)]).tail == 6


def test_rows_outside_and_a_reduction_inside() -> None:
    found = swept(matmuls(), "y", tiles=[Tile(0, 3), Tile(2, 2)])
    held = windows(found)
    assert held["y"].level == Level.OUTER and held["y"].extents == (3, 4)
    assert found.repeated == 0
    assert found.loaded(held["w"].array) == 2 * 40
    assert found.loaded(held["x"].array) == 30


def test_a_reduction_outside_goes_on_with_its_sums() -> None:
    found = swept(matmuls(), "y", tiles=[Tile(2, 4), Tile(0, 2)])
    assert windows(found)["y"].level == Level.BEFORE
    assert found.repeated == 0


def test_columns_outside_make_the_rows_again() -> None:
    found = swept(matmuls(), "y", tiles=[Tile(1, 2), Tile(0, 2)])
    assert found.iterations(1) == 2 * 6 * 8 * 5


def attention() -> list[Nest]:
    """Two heads of three channels over four tokens."""
    shapes = {name: "4x6" for name in ("x", "q", "k", "v")} | {name: "6x6" for name in ("wq", "wk", "wv")}
    projections = [
        line
        for name in "qkv"
        for line in (f"4x6: {name}[d0, d1] =", f"4x6x6: {name}[d0, d1] += x[d0, d2], w{name}[d2, d1]")
    ]
    return nests(
        shapes | {"s": "2x4x4", "z": "2x4", "p": "2x4x4", "o": "2x4x3"},
        *projections,
        "2x4x4: s[d0, d1, d2] =",
        "2x4x4x3: s[d0, d1, d2] += q[d1, 3 * d0 + d3], k[d2, 3 * d0 + d3]",
        "2x4: z[d0, d1] =",
        "2x4x4: z[d0, d1] += s[d0, d1, d2]",
        "2x4x4: p[d0, d1, d2] = s[d0, d1, d2], z[d0, d1]",
        "2x4x3: o[d0, d1, d2] =",
        "2x4x3x4: o[d0, d1, d2] += p[d0, d1, d3], v[d3, 3 * d0 + d2]",
    )


def test_heads_outside_and_rows_inside() -> None:
    found = swept(attention(), "o", tiles=[Tile(0, 1), Tile(1, 2)])
    held = windows(found)
    assert found.repeated == 0
    assert held["k"].level == Level.OUTER and held["k"].extents == (4, 3)
    assert held["s"].level == Level.STEP and held["s"].extents == (1, 2, 4)
    assert held["q"].extents == (2, 3)
    assert held["x"].level == Level.BEFORE


def test_queries_of_a_head_are_made_before_its_rows() -> None:
    tiles = [Tile(0, 1), Tile(1, 1)]
    each = swept(attention(), "o", tiles=tiles)
    assert each.laborious == {1}  # six rows of weights for every row of queries
    found = swept(attention(), "o", tiles=tiles, once=each.laborious)
    assert found.repeated == 0 and not found.laborious
    assert windows(found)["q"].level == Level.OUTER and windows(found)["q"].extents == (4, 3)
    assert windows(found)["s"].extents == (1, 1, 4)


def test_heads_alone() -> None:
    found = swept(attention(), "o", "k", tiles=[Tile(0, 1)])
    assert found.repeated == 0
    assert windows(found)["s"].extents == (1, 4, 4)


def test_concat_of_two_producers() -> None:
    program = nests(
        {"a": "3x8", "b": "2x8", "c": "5x8", "y": "5x6"},
        "3x8: c[d0, d1] = a[d0, d1]",
        "2x8: c[d0 + 3, d1] = b[d0, d1]",
        "5x6: y[d0, d1] =",
        "5x6x3: y[d0, d1] += c[d0, d1 + d2]",
    )
    by_columns = swept(program, "y", tiles=[Tile(1, 2)])
    assert windows(by_columns)["c"].extents == (5, 4)
    by_rows = swept(program, "y", tiles=[Tile(0, 2)])
    assert windows(by_rows)["a"].extents == (2, 8)
    swept(program, "y", "c", tiles=[Tile(0, 2)])
    swept(program, "y", "c", tiles=[Tile(0, 2), Tile(1, 4)])


def test_a_residual_waits_for_its_join() -> None:
    program = nests(
        {"x": "12", "a": "12", "b": "10", "c": "8", "y": "8", "w": "3"},
        "12: a[d0] = x[d0]",
        "10: b[d0] =",
        "10x3: b[d0] += a[d0 + d1], w[d1]",
        "8: c[d0] =",
        "8x3: c[d0] += b[d0 + d1], w[d1]",
        "8: y[d0] = c[d0], a[d0 + 2]",
    )
    found = swept(program, "y", tiles=[Tile(0, 2)])
    assert windows(found)["a"].extents == (4,)
    assert found.repeated == 0


def test_arrays_that_grow_slide_for_each_writer() -> None:
    program = nests(
        {"x": "2x10", "b": "6x10", "y": "6x6", "w": "2x4x3"},
        "6x10: b[d0, d1] =",
        "2x10: b[d0, d1] = x[d0, d1]",
        "2x8x2x3: b[d0 + 2, d1 + 1] += b[d2, d1 + d3], w[d0, d2, d3]",
        "2x6x4x3: b[d0 + 4, d1 + 2] += b[d2, d1 + 1 + d3], w[d0, d2, d3]",
        "6x6: y[d0, d1] = b[d0, d1 + 2]",
    )
    found = swept(program, "y", tiles=[Tile(1, 1)])
    assert found.repeated == 0
    assert windows(found)["b"].extents == (6, 4)
    swept(program, "y", "b", tiles=[Tile(1, 2)])


def test_upsampling_makes_whole_blocks() -> None:
    program = nests(
        {"x": "6", "t": "12", "p": "14", "y": "12", "w": "3"},
        "6: p[2 * d0 + 1] = x[d0]",
        "6x2: p[2 * d0 + d1 + 1] = t[d0 + 6 * d1]",
        "1: p[0] =",
        "1: p[13] =",
        "12: y[d0] =",
        "12x3: y[d0] += p[d0 + d1], w[d1]",
    )
    for size in (1, 2, 3, 5):
        found = swept(program, "y", tiles=[Tile(0, size)])
        assert found.repeated == 0
        swept(program, "y", "p", tiles=[Tile(0, size)])


def test_tiles_of_the_sink_are_not_interleaved() -> None:
    program = nests({"x": "6x4", "y": "12x4"}, "6x2x4: y[2 * d0 + d1, d2] = x[d0, d2]")
    assert refused(program, "y", tiles=[Tile(1, 1)]) == "would store between what other tiles store"
    assert refused(program, "y", tiles=[Tile(2, 2), Tile(1, 1)]) == "would store between what other tiles store"
    swept(program, "y", tiles=[Tile(2, 2), Tile(0, 1)])


def padded_upsampling() -> list[Nest]:
    """Blocks of two rows are made where each row of the border is made when it is needed."""
    return nests(
        {"x": "6x4", "p": "14x5", "y": "12x4", "w": "3x2"},
        "14: p[d0, 0] =",
        "4: p[0, d0 + 1] =",
        "4: p[13, d0 + 1] =",
        "6x2x4: p[2 * d0 + d1 + 1, d2 + 1] = x[d0, d2]",
        "12x4: y[d0, d1] =",
        "12x4x3x2: y[d0, d1] += p[d0 + d2, d1 + d3], w[d2, d3]",
    )


@pytest.mark.parametrize("size", [1, 2, 3])
def test_borders_run_ahead_with_what_they_surround(size: int) -> None:
    found = swept(padded_upsampling(), "y", tiles=[Tile(0, size)])
    padded = next(array for array in found.windows if name_of(array) == "p")
    assert found.repeated == 0
    assert found.filled(padded)


@pytest.mark.parametrize(("store", "elements"), [("p[d0, d1 + 1]", 0), ("p[d0, 2 * d1]", 6 * 5)])
def test_what_a_nest_writes_over_does_not_come_from_outside(store: str, elements: int) -> None:
    """What lies between the elements that it writes does, as it goes out with them."""
    found = swept(nests({"p": "6x8"}, f"6x3: {store} ="), "p", tiles=[Tile(0, 2)], live_in=("p",))
    (array,) = found.windows
    assert found.loaded(array) == elements


def test_what_comes_only_in_part_from_outside_leaves_holes() -> None:
    found = swept(padded_upsampling()[3:], "y", tiles=[Tile(0, 1)], live_in=("p",))
    padded = next(array for array in found.windows if name_of(array) == "p")
    border = ((0, 13), (0, 0))
    assert found.filled(padded)  # if all of it does
    assert not found.filled(padded, border)
    assert found.loaded(padded, border) == 14


def overlapping_borders(*lines: str) -> list[Nest]:
    """Two halves of the channels, each a row apart from the other, over borders that reach into both."""
    return nests(
        {"x": "2x12x4", "p": "2x9x4", "y": "2x6x2"},
        *lines,
        "6x4: p[0, d0 + 2, d1] = x[0, 2*d0 + 1, d1]",
        "6x4: p[1, d0 + 1, d1] = x[1, 2*d0, d1]",
        "2x6x2: y[d0, d1, d2] =",
        "2x6x2x4: y[d0, d1, d2] += p[d0, d1 + d3, 2*d2]",
    )


@pytest.mark.parametrize(
    ("border", "written"), [("2x2x4: p[d0, d1 + 7, d2] =", True), ("2x2x2: p[d0, d1 + 7, 2*d2] =", False)]
)
@pytest.mark.parametrize("size", [1, 2, 3])
def test_borders_that_are_written_over_leave_no_hole_where_they_are_whole(
    border: str, written: bool, size: int
) -> None:
    found = swept(overlapping_borders("2x2x4: p[d0, d1, d2] =", border), "y", tiles=[Tile(1, size)])
    padded = next(array for array in found.windows if name_of(array) == "p")
    assert found.filled(padded) == written


def side_results() -> list[Nest]:
    """Two layers of a stack of gated convolutions: the second does not need the skip sums of the first."""
    return nests(
        {
            "x": "2x8",
            "a": "2x10",
            "g": "2x8",
            "s": "3x8",
            "b": "2x12",
            "h": "2x8",
            "r": "3x8",
            "w": "2x2x3",
            "v": "3x2",
        },
        "2x2: a[d0, d1] =",
        "2x8: a[d0, d1 + 2] = x[d0, d1]",
        "2x8: g[d0, d1] =",
        "2x8x2x3: g[d0, d1] += a[d2, d1 + d3], w[d0, d2, d3]",
        "2x8: b[d0, d1 + 4] = a[d0, d1 + 2], g[d0, d1]",
        "3x8: s[d0, d1] =",
        "3x8x2: s[d0, d1] += g[d2, d1], v[d0, d2]",
        "2x4: b[d0, d1] =",
        "2x8: h[d0, d1] =",
        "2x8x2x3: h[d0, d1] += b[d2, d1 + 2 * d3], w[d0, d2, d3]",
    )


@pytest.mark.parametrize("size", [1, 2, 3])
def test_side_results_are_made_as_far_as_their_operands_are(size: int) -> None:
    found = swept(side_results(), "h", "s", "b", tiles=[Tile(1, size)])
    held = windows(found)
    assert held["s"].extents == (3, size) and held["g"].extents[1] <= size
    assert found.repeated == 0
    both = swept(side_results(), "b", "s", sink=4, tiles=[Tile(1, size)], live_in=["b"])
    assert windows(both)["s"].extents == (3, size)


def test_several_results_of_one_input() -> None:
    program = attention()[:6]
    found = swept(program, "q", "k", "v", tiles=[Tile(0, 1)])
    held = windows(found)
    assert held["x"].extents == (1, 6) and held["q"].extents == (1, 6) and held["k"].extents == (1, 6)
    across = swept(program, "q", "k", "v", tiles=[Tile(0, 2), Tile(1, 3)])
    assert across.iterations(1) >= 4 * 6 * 6


def test_what_reads_itself_runs_before_the_loops() -> None:
    program = nests(
        {"x": "8", "a": "9", "y": "8"},
        "8: a[d0 + 1] = a[d0], x[d0]",
        "8: y[d0] = a[d0 + 1]",
    )
    found = swept(program, "y", tiles=[Tile(0, 2)])
    assert [box.level for box in found.boxes] == [Level.BEFORE, Level.STEP]
    assert refused(program[:1], "a", tiles=[Tile(0, 2)]) == "the sink reads what its own earlier iterations wrote"


def test_what_earlier_sweeps_began_is_not_kept() -> None:
    program = nests(
        {"x": "7x6", "turned": "6x7", "flipped": "7x6", "y": "6x13"},
        "6x7: turned[d0, d1] = x[d1, d0]",
        "7x6: flipped[d0, d1] = x[6 - d0, d1]",
        "6x7: y[d0, d1] = turned[d0, d1]",
        "6x6: y[d0, d1 + 7] = flipped[d0, d1]",
    )
    found = swept(program, "y", tiles=[Tile(1, 1), Tile(0, 1)], sink=2)
    lows = [low.tolist() for low, _ in windows(found)["y"].dims if not isinstance(low, int)]
    assert lows == [[[sweep] * 6 for sweep in range(7)]]  # each sweep makes a column more


def test_a_result_that_needs_all_of_an_array_waits_for_it() -> None:
    program = nests(
        {"x": "8", "a": "8", "t": "1", "y": "8", "z": "8"},
        "8: a[d0] = x[d0]",
        "1: t[0] =",
        "8: t[0] += a[d0]",
        "8: z[d0] = a[d0], t[0]",
        "8: y[d0] = a[d0]",
    )
    found = swept(program, "y", "z", tiles=[Tile(0, 3)])
    assert windows(found)["a"].extents == (8,)
    assert found.repeated == 0


def test_falling_stores_are_made_before_the_loops() -> None:
    program = nests({"x": "8", "a": "8", "y": "8"}, "8: a[7 - d0] = x[d0]", "8: y[d0] = a[d0]")
    found = swept(program, "y", tiles=[Tile(0, 2)])
    assert found.boxes[0].level == Level.BEFORE


def test_gathers_run_before_the_loops_and_their_table_has_no_window() -> None:
    text = """
      func.func @main(%table: memref<9x4xf32> {polystage.name = "table"}, %at: memref<6xi32> {polystage.name = "at"},
          %e: memref<6x4xf32> {polystage.name = "e"}, %y: memref<6x4xf32> {polystage.name = "y"}) {
        affine.for %i = 0 to 6 { affine.for %j = 0 to 4 {
          %0 = affine.load %at[%i] : memref<6xi32>
          %1 = arith.index_cast %0 : i32 to index
          %2 = memref.load %table[%1, %j] : memref<9x4xf32>
          affine.store %2, %e[%i, %j] : memref<6x4xf32>
        } }
        affine.for %i = 0 to 6 { affine.for %j = 0 to 4 {
          %0 = affine.load %e[%i, %j] : memref<6x4xf32>
          affine.store %0, %y[%i, %j] : memref<6x4xf32>
        } }
        return
      }"""
    program = nests_of(text)
    found = sweep(group(program, "y"), [Tile(0, 2)])
    assert isinstance(found, Sweep)
    assert [box.level for box in found.boxes] == [Level.BEFORE, Level.STEP]
    assert set(windows(found)) == {"at", "e", "y"}
    assert refused(program[:1], "e", tiles=[Tile(0, 2)]) == "the sink gathers"


def test_scatters_hold_the_whole_array_before_the_loops() -> None:
    text = """
      func.func @main(%x: memref<6xf32> {polystage.name = "x"}, %at: memref<6xi32> {polystage.name = "at"},
          %s: memref<9xf32> {polystage.name = "s"}, %y: memref<9xf32> {polystage.name = "y"}) {
        affine.for %i = 0 to 6 {
          %0 = affine.load %x[%i] : memref<6xf32>
          %1 = affine.load %at[%i] : memref<6xi32>
          %2 = arith.index_cast %1 : i32 to index
          memref.store %0, %s[%2] : memref<9xf32>
        }
        affine.for %i = 0 to 9 {
          %0 = affine.load %s[%i] : memref<9xf32>
          affine.store %0, %y[%i] : memref<9xf32>
        }
        return
      }"""
    found = sweep(group(nests_of(text), "y", live_in=["s"]), [Tile(0, 3)])
    assert isinstance(found, Sweep)
    held = windows(found)
    assert [box.level for box in found.boxes] == [Level.BEFORE, Level.STEP]
    assert held["s"].level == Level.BEFORE and held["s"].extents == (9,) and held["s"].loaded


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["8: y[d0] = a[d0]", "8: a[d0] = x[d0]"], "reads 'a' before a later nest of the group writes it"),
        (
            ["8: a[d0] = x[d0]", "8: b[d0 + 1] = b[d0], a[d0]", "8: y[d0] = a[d0]", "8: z[d0] = y[d0], b[d0]"],
            None,
        ),
        (
            ["8: y[d0] = x[d0]", "8: b[d0 + 1] = b[d0], y[d0]"],
            "reads what its own earlier iterations wrote, and 'y' is made tile by tile",
        ),
        (
            ["8: a[d0] = x[d0]", "8: y[d0] = a[d0]", "4: a[d0] = z[d0]"],
            "reads 'a' before a later nest of the group writes it",
        ),
    ],
)
def test_order(lines: list[str], reason: str | None) -> None:
    program = nests({name: "9" for name in "xyzab"}, *lines)
    sink = next(k for k, line in enumerate(lines) if " y[" in line)
    if reason is None:
        swept(program, "z", "y", tiles=[Tile(0, 2)], sink=sink)
    else:
        assert refused(program, "y", tiles=[Tile(0, 2)], sink=sink) == reason


def test_sums_that_began_outside_are_not_added_again() -> None:
    program = nests(
        {"x": "8x4", "a": "8x4", "y": "6x4", "w": "3"},
        "8x4: a[d0, d1] += x[d0, d1]",
        "6x4: y[d0, d1] =",
        "6x4x3: y[d0, d1] += a[d0 + d2, d1], w[d2]",
    )
    swept(program, "y", tiles=[Tile(0, 2)])
    swept(program, "y", tiles=[Tile(1, 2), Tile(0, 2)])
    assert refused(program, "y", tiles=[Tile(0, 2), Tile(1, 2)]) == "would add to 'a' again in every sweep"


def test_sums_over_sweeps_are_not_there_before_the_end() -> None:
    program = nests({"x": "4x8", "y": "4", "z": "4"}, "4: y[d0] =", "4x8: y[d0] += x[d0, d1]", "4: z[d0] = y[d0]")
    reason = refused(program, "y", "z", tiles=[Tile(1, 2), Tile(0, 2)], sink=1)
    assert reason == "uses sums that later sweeps go on with"
    swept(program, "y", "z", tiles=[Tile(0, 2), Tile(1, 2)], sink=1)
    swept(program, "y", "z", tiles=[Tile(1, 3)], sink=1)


def test_a_side_result_does_not_look_back_into_another_sweep() -> None:
    program = nests(
        {"x": "8x4", "a": "8x4", "y": "8x4", "z": "7x4"},
        "8x4: a[d0, d1] = x[d0, d1]",
        "8x4: y[d0, d1] = a[d0, d1]",
        "7x4: z[d0, d1] = a[d0, d1], a[d0 + 1, d1]",
    )
    reason = refused(program, "y", "z", tiles=[Tile(0, 2), Tile(1, 2)], sink=1)
    assert reason == "uses elements of 'a' that another sweep makes"
    swept(program, "y", "z", tiles=[Tile(1, 2), Tile(0, 2)], sink=1)


@pytest.mark.parametrize("tiles", [[], [Tile(0, 0)], [Tile(0, 1), Tile(0, 2)], [Tile(0, 1), Tile(1, 1), Tile(2, 1)]])
def test_tiles_are_of_one_or_two_loops(tiles: list[Tile]) -> None:
    with pytest.raises(ValueError, match="one or two tile loops"):
        sweep(group(matmuls(), "y"), tiles)


def test_regular_steps_are_one_run() -> None:
    found = sweep(group(conv_chain(), "y"), [Tile(2, 2), Tile(1, 1)])
    assert isinstance(found, Sweep)
    schedule = schedule_of(found)
    assert [(run.first, run.count) for run in schedule.sweeps] == [(0, 1), (1, 2), (3, 1)]
    assert [(run.first, run.count) for run in schedule.sweeps[1].steps] == [(0, 1), (1, 7), (8, 1)]
    middle = schedule.sweeps[1].steps[1]
    assert middle.nests[8] == (Span(0, 2), Span(0, 1, 1), Span(2, 2, 0, 2), Span(0, 2), Span(0, 3), Span(0, 3))
    motion = next(motion for array, motion in middle.windows.items() if name_of(array) == "p")
    assert motion.window == (Span(0, 2), Span(0, 3, 1), Span(2, 4, 0, 2))
    assert motion.new == (Span(0, 2), Span(2, 1, 1), Span(2, 4, 0, 2))
