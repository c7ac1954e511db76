"""A buffer that starts in the place of another: one offset, handed over; what is refused, what a break of it is."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polystage.alloc import Buffer, Infeasible, Problem, Solution, Solver, solve, validate
from polystage.errors import UserError

CHAIN = (
    Buffer("a", 0, 4, 8),
    Buffer("b", 3, 6, 4, 4, reuses="a"),
    Buffer("c", 5, 9, 8, reuses="b"),
)


def test_a_chain_needs_no_more_than_its_largest() -> None:
    problem = Problem(8, CHAIN)
    outcome = solve(problem)
    assert isinstance(outcome, Solution)
    assert (set(outcome.offsets.values()), validate(problem, outcome)) == ({0}, ())


def test_what_a_smaller_heir_leaves_free_is_used() -> None:
    """In program order the heir is as large as its chain; the search puts `low` into what it leaves."""
    problem = Problem(8, (*CHAIN[:2], Buffer("low", 4, 6, 4)))
    outcome = solve(problem)
    assert isinstance(outcome, Solution)
    assert (outcome.offsets["low"], validate(problem, outcome)) == (4, ())


def test_the_handover_counts_once() -> None:
    outcome = solve(Problem(7, CHAIN))
    assert isinstance(outcome, Infeasible)
    assert (outcome.demand, outcome.proof) == (8, "load")


def test_one_pin_holds_for_all_and_two_must_agree() -> None:
    pinned = (CHAIN[0], CHAIN[1], Buffer("c", 5, 9, 8, pin=16, reuses="b"))
    outcome = solve(Problem(24, pinned))
    assert isinstance(outcome, Solution)
    assert set(outcome.offsets.values()) == {16}
    with pytest.raises(UserError, match="buffers a, b, c share one place and are pinned at 8, 16"):
        solve(Problem(24, (Buffer("a", 0, 4, 8, pin=8), *pinned[1:])))
    with pytest.raises(UserError, match="buffer a is pinned at 6, buffers in its place need a multiple of 4"):
        solve(Problem(24, (Buffer("a", 0, 4, 8, pin=6), *CHAIN[1:])))


def test_two_chains_pinned_on_each_other() -> None:
    late = Buffer("late", 5, 6, 1, pin=4)
    assert isinstance(solve(Problem(8, (Buffer("a", 0, 4, 8, pin=0), CHAIN[1], late))), Solution)
    with pytest.raises(UserError, match="buffers a and late are live together and pinned on each other"):
        solve(Problem(16, (Buffer("a", 0, 4, 8, pin=0), CHAIN[1], Buffer("late", 3, 6, 1, pin=4))))


def test_the_validator_knows_it() -> None:
    problem = Problem(32, CHAIN)
    assert validate(problem, Solution({"a": 8, "b": 8, "c": 8})) == ()
    (violation,) = validate(problem, Solution({"a": 8, "b": 8, "c": 16}))
    assert str(violation) == "reuse: buffer c is at 16, b, which it reuses, at 8"


def test_nobody_else_may_share() -> None:
    problem = Problem(32, (*CHAIN[:2], Buffer("x", 3, 4, 1)))
    assert [each.law for each in validate(problem, Solution({"a": 0, "b": 0, "x": 0}))] == ["overlap", "overlap"]


@pytest.mark.parametrize(
    ("heir", "message"),
    [
        (Buffer("h", 2, 9, 4, reuses="x"), "cannot reuse buffer x: there is none of that name"),
        (Buffer("h", 3, 9, 4, reuses="a"), "cannot reuse buffer a: buffer b already does"),
        (Buffer("h", 5, 9, 0, reuses="c"), "cannot reuse buffer c: one of them takes no bytes"),
        (Buffer("h", 5, 10, 4, reuses="c"), "cannot reuse buffer c: it starts at 5, the other only at 5"),
        (Buffer("h", 10, 12, 4, reuses="c"), "cannot reuse buffer c: it starts at 10, after the other died at 9"),
        (Buffer("h", 7, 9, 4, reuses="c"), "cannot reuse buffer c: it dies at 9, the other lives until 9"),
    ],
)
def test_refused(heir: Buffer, message: str) -> None:
    with pytest.raises(UserError) as caught:
        Problem(32, (*CHAIN, heir))
    assert caught.value.message == f"buffer h {message}"


def test_no_place_is_handed_on_before_it_is_free() -> None:
    with pytest.raises(UserError) as caught:
        Problem(32, (*CHAIN[:2], Buffer("c", 3 + 0, 9, 4, reuses="b")))
    assert caught.value.message == "buffer c cannot reuse buffer b: it starts at 3, the other only at 3"
    long = Buffer("a", 0, 6, 8)
    with pytest.raises(UserError) as caught:
        Problem(32, (long, Buffer("b", 3, 7, 4, reuses="a"), Buffer("c", 5, 9, 4, reuses="b")))
    assert caught.value.message == (
        "buffer c cannot reuse buffer b: it starts at 5, and buffer a, whose place it was, is still live"
    )


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 9)), min_size=2, max_size=12), st.integers(0, 3))
def test_long_chains(links: list[tuple[int, int]], extra: int) -> None:
    """A chain beside others packs into its own height and theirs."""
    times = [0]
    for life, _ in links:
        times.append(times[-1] + life)
    made = [
        Buffer(f"b{i}", start, end, size, reuses=f"b{i - 1}" if i else None)
        for i, ((start, end), (_, size)) in enumerate(zip(pairwise(times), links, strict=True))
    ]
    made += [Buffer(f"x{i}", i, times[-1], 1) for i in range(min(extra, times[-1]))]
    problem = Problem(max(size for _, size in links) + extra, tuple(made))
    outcome = solve(problem, Solver(best_fit=False))
    assert isinstance(outcome, Solution)
    assert validate(problem, outcome) == ()
