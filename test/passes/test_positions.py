"""Steps that come again, as runs: one after another, by periods, and where they cannot be loops."""

from collections.abc import Iterator, Sequence

from hypothesis import given
from hypothesis import strategies as st

from polystage.passes.staging.positions import Action, Compute, Place, Run, Shape, compress, joined, place_of


def step(number: int, start: int) -> Place[Shape]:
    """A step in which one nest runs."""
    return place_of([Action(Compute(number, (1,)), (start,))])


def written(runs: Sequence[Run[Shape]]) -> Iterator[tuple[int, int]]:
    """The nests that runs stand for, and where each of them begins, in order."""
    for run in runs:
        for k in range(run.count):
            starts = [start + k * delta for start, delta in zip(run.first.starts, run.delta, strict=True)]
            for kind, (start,) in run.first.shape.shared(starts):
                assert isinstance(kind, Compute)
                yield kind.number, start


def outline(steps: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Steps of one repetition, and how many there are, of each run."""
    runs = compress([step(*each) for each in steps], lambda run: True, joined)
    return [(len(run.first.shape.actions), run.count) for run in runs]


def test_equal_steps_at_one_distance_are_a_run() -> None:
    assert outline([(0, 0), (0, 2), (0, 4), (0, 5)]) == [(1, 3), (1, 1)]


def test_steps_that_come_again_are_a_run_by_periods() -> None:
    assert outline([(7, 0), *((k % 2, k) for k in range(10)), (7, 1)]) == [(1, 1), (2, 5), (1, 1)]


def test_each_step_of_a_period_has_its_own_distance() -> None:
    steps = [(number, start) for k in range(4) for number, start in ((0, k), (1, 5 * k), (0, 3 - k))]
    assert outline(steps) == [(3, 4)]


def test_a_period_does_not_go_on_at_another_distance() -> None:
    assert outline([(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 3)]) == [(2, 2), (1, 1), (1, 1)]


def test_runs_that_cannot_be_loops_are_taken_apart() -> None:
    runs = list(compress([step(k % 2, k) for k in range(6)], lambda run: False, joined))
    assert [run.count for run in runs] == [1, 1, 1]
    assert list(written(runs)) == [(k % 2, k) for k in range(6)]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=40), st.booleans())
def test_runs_stand_for_all_steps_in_order(steps: Sequence[tuple[int, int]], by_periods: bool) -> None:
    runs = compress([step(*each) for each in steps], lambda run: True, joined if by_periods else None)
    assert list(written(list(runs))) == list(steps)
