"""How many banks of PSUM sums take, and which shapes would let a product cross from one bank to the next."""

import pytest

from polystage.analysis.layouts import Layout
from polystage.analysis.sums import banks_of
from polystage.machine import load

EDGE = load("edge")  # 8 banks of 256 sums, 16 lanes
ROWS = Layout(0, 16)


@pytest.mark.parametrize(
    ("shape", "columns", "banks"),
    [
        ((128, 64), {1}, 2),  # 8 blocks of lanes, 4 of which fill a bank
        ((128, 256), {1}, 8),  # a bank for each block
        ((32, 768), {1}, 6),  # three banks for each block, in three products
        ((128, 192), {1}, None),  # the second block would cross into the second bank
        ((16, 300), {1}, None),  # more than a product may write, and not whole banks
        ((16, 3, 64), {2}, 1),  # rows of 64 side by side
        ((16, 3, 64), {1}, None),  # columns of stride 64 do not lie side by side
        ((16, 4, 64), {1, 2}, 1),  # both at once
        ((16, 64), set[int](), 1),  # one sum at a time
    ],
)
def test_banks(shape: tuple[int, ...], columns: set[int], banks: int | None) -> None:
    assert banks_of(shape, ROWS, [frozenset(columns)], EDGE) == banks


def test_sums_in_one_lane_have_no_rows() -> None:
    assert banks_of((16, 64), Layout(None), [], EDGE) is None
