"""Lengths of unions of intervals, against counting on a grid."""

from hypothesis import given
from hypothesis import strategies as st

from polystage.interp.busy import Intervals, covered

PAIRS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 8)), max_size=12)


@given(st.lists(PAIRS, min_size=1, max_size=3))
def test_union(sets: list[list[tuple[int, int]]]) -> None:
    points, kept = set[int](), list[Intervals]()
    for pairs in sets:
        kept.append(Intervals())
        for begin, length in sorted(pairs):
            kept[-1].add(begin, begin + length)
            points |= set(range(begin, begin + length))
    assert covered(kept) == len(points)


def test_intervals_that_touch_are_one() -> None:
    one = Intervals()
    for begin in range(100):
        one.add(begin, begin + 1)
    assert len(one.begins) == 1
    assert covered([one]) == 100
