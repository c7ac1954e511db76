"""The solver: what it returns is a packing, what it proves infeasible is, and it does not mind many buffers."""

import time

import pytest
from brute_force import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from polystage.alloc import Buffer, Infeasible, Problem, Solution, problem_from_csv, solve, validate
from polystage.errors import UserError

EXAMPLE = """id,lower,upper,size
b1,0,3,4
b2,3,9,4
b3,0,9,4
b4,9,21,4
b5,0,21,4
"""


@st.composite
def buffers(draw: st.DrawFn, *, pins: bool = False) -> tuple[Buffer, ...]:
    count = draw(st.integers(0, 14))
    made: list[Buffer] = []
    for i in range(count):
        lower = draw(st.integers(0, 12))
        alignment = draw(st.sampled_from([1, 1, 2, 4, 6]))
        size, life = draw(st.integers(0, 9)), draw(st.integers(0, 6))
        made.append(Buffer(f"b{i}", lower, lower + life, size, alignment))
    if pins and made:
        made[0] = Buffer("b0", made[0].lower, made[0].upper, made[0].size, 1, draw(st.integers(0, 5)))
    return tuple(made)


@settings(deadline=None)
@given(buffers(), st.integers(0, 60))
def test_solutions_are_valid(made: tuple[Buffer, ...], capacity: int) -> None:
    problem = Problem(capacity, made)
    outcome = solve(problem)
    if isinstance(outcome, Solution):
        assert validate(problem, outcome) == ()
        assert outcome.peak(problem) <= capacity
    else:
        assert outcome.gap > 0
        assert outcome.demand == outcome.bound + outcome.gap
        assert all(each.lower <= outcome.time < max(each.upper, each.lower + 1) for each in outcome.section)


@settings(max_examples=60, deadline=None)
@given(buffers().map(lambda made: made[:5]), st.integers(0, 20))
def test_proofs_are_right(made: tuple[Buffer, ...], capacity: int) -> None:
    problem = Problem(capacity, made)
    outcome = solve(problem)
    if isinstance(outcome, Infeasible) and outcome.proved:
        assert not fits(problem)


@settings(deadline=None)
@given(buffers(pins=True))
def test_pins_are_kept(made: tuple[Buffer, ...]) -> None:
    problem = Problem(1000, made)
    outcome = solve(problem)
    assert isinstance(outcome, Solution)
    assert validate(problem, outcome) == ()


@given(buffers())
def test_room_for_all_side_by_side_is_always_enough(made: tuple[Buffer, ...]) -> None:
    roomy = Problem(sum(buffer.size + buffer.alignment for buffer in made), made)
    assert isinstance(solve(roomy), Solution)


def test_deterministic() -> None:
    problem = problem_from_csv(EXAMPLE, 12)
    assert solve(problem) == solve(problem)


def test_the_example_of_minimalloc_fits_exactly() -> None:
    problem = problem_from_csv(EXAMPLE, 12)
    outcome = solve(problem)
    assert isinstance(outcome, Solution)
    assert (outcome.peak(problem), validate(problem, outcome)) == (12, ())


def test_infeasible_says_what_is_live_at_the_peak() -> None:
    outcome = solve(problem_from_csv(EXAMPLE, 11))
    assert isinstance(outcome, Infeasible)
    assert (outcome.demand, outcome.bound, outcome.gap, outcome.time, outcome.proved) == (12, 11, 1, 0, True)
    assert [buffer.name for buffer in outcome.section] == ["b1", "b3", "b5"]
    assert str(outcome) == "needs 12 bytes, 11 are there, 1 too few; live at time 0: b1 (4), b3 (4), b5 (4)"


def test_the_load_blames_no_more_than_it_must() -> None:
    made = (*problem_from_csv(EXAMPLE, 0).buffers, Buffer("small", 0, 1, 1))
    outcome = solve(Problem(11, made))
    assert isinstance(outcome, Infeasible)
    assert (outcome.demand, outcome.irreducible) == (13, True)
    assert [buffer.name for buffer in outcome.blame] == ["b1", "b3", "b5"]


def test_one_buffer_too_large() -> None:
    outcome = solve(Problem(7, (Buffer("large", 5, 6, 8, 16), Buffer("a", 0, 1, 7, 16))))
    assert isinstance(outcome, Infeasible)
    assert (outcome.demand, outcome.time, outcome.section) == (8, 5, outcome.blame)


def test_a_buffer_without_life_has_to_lie_in_the_memory() -> None:
    assert isinstance(solve(Problem(4, (Buffer("a", 2, 2, 4), Buffer("b", 0, 4, 4)))), Solution)
    outcome = solve(Problem(3, (Buffer("a", 2, 2, 4),)))
    assert isinstance(outcome, Infeasible)
    assert (outcome.demand, outcome.time) == (4, 2)


def test_alignment_counts_in_the_demand() -> None:
    pair = (Buffer("a", 0, 1, 5, 4), Buffer("b", 0, 1, 5, 4))
    assert isinstance(solve(Problem(13, pair)), Solution)
    outcome = solve(Problem(12, pair))
    assert isinstance(outcome, Infeasible)
    assert (outcome.demand, outcome.proved) == (13, True)


def test_the_hole_that_alignments_leave_is_proved_by_search() -> None:
    problem = Problem(6, (Buffer("a", 0, 1, 3, 4), Buffer("b", 0, 1, 3, 5), Buffer("c", 1, 2, 6)))
    outcome = solve(problem)
    assert isinstance(outcome, Infeasible)
    assert (outcome.proof, outcome.irreducible, [buffer.name for buffer in outcome.blame]) == (
        "search",
        True,
        ["a", "b"],
    )
    assert str(outcome) == (
        "no packing exists; the smallest found needs 8 bytes, 6 are there, 2 too few; in each other's way: a (3), b (3)"
    )


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ((Buffer("a", 0, 1, 8, pin=4),), "buffer a is pinned at 4 and ends at 12, beyond the capacity of 10 bytes"),
        (
            (Buffer("a", 0, 2, 4, pin=0), Buffer("b", 1, 3, 4, pin=2)),
            "buffers a and b are live together and pinned on each other",
        ),
    ],
)
def test_impossible_pins(made: tuple[Buffer, ...], message: str) -> None:
    with pytest.raises(UserError) as caught:
        solve(Problem(10, made))
    assert caught.value.message == message


@pytest.mark.long
@pytest.mark.parametrize("together", [1, 4])
def test_thousands_of_buffers_take_no_quadratic_time(together: int) -> None:
    def seconds(count: int) -> float:
        made = tuple(Buffer(f"b{i}", i, i + together, 64) for i in range(count))
        begin = time.perf_counter()
        assert isinstance(solve(Problem(64 * together, made)), Solution)
        return time.perf_counter() - begin

    seconds(1000)
    assert seconds(16000) < 16 * 8 * min(seconds(1000) for _ in range(3))
