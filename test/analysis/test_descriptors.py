"""Runs of elements that lie one after another both in DRAM and in a lane."""

import pytest

from polystage.analysis.descriptors import Order, box_run, excess_bytes, longest_run
from polystage.analysis.layouts import Layout
from polystage.machine import load

PLAIN = Order((32, 20, 20))
BY_LANES = Order((32, 20, 20), Layout(0, 16))


@pytest.mark.parametrize(
    ("order", "layout", "extents", "run"),
    [
        (PLAIN, Layout(0, 16), (16, 5, 20), 100),  # rows of one lane
        (PLAIN, Layout(0, 16), (16, 20, 5), 5),  # columns
        (PLAIN, Layout(0, 16), (32, 20, 20), 400),  # blocks of lanes are apart in DRAM
        (BY_LANES, Layout(0, 16), (32, 20, 20), 800),  # and are not where one lane's lie together
        (PLAIN, Layout(2, 16), (4, 4, 16), 1),  # neighbours in DRAM are on different lanes
        (Order((20, 32, 20), Layout(1, 16)), Layout(1, 16), (20, 16, 20), 400),  # one block of lanes
        (PLAIN, Layout(None), (1, 2, 20), 40),
    ],
)
def test_run_of_a_box(order: Order, layout: Layout, extents: tuple[int, ...], run: int) -> None:
    assert box_run(order, layout, extents) == run


def test_a_run_ends_where_one_side_jumps() -> None:
    assert longest_run([(1, 1, 4), (4, 4, 3), (16, 12, 2)]) == 12
    assert longest_run([(2, 1, 4)]) == 1


def test_small_descriptors_take_the_time_of_more_bytes() -> None:
    edge = load("edge")
    assert excess_bytes(1000, 512, edge) == 0
    assert excess_bytes(1000, 64, edge) == 3000
