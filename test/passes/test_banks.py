"""Bank mapping as a discrete problem: the optimum is found, no strategy is better, each is deterministic."""

import pytest
from hypothesis import HealthCheck, given, settings
from random_banks import optimum, problems

from polystage.passes.banks.baselines import BASELINES
from polystage.passes.banks.descent import descend
from polystage.passes.banks.problem import (
    ANY,
    IN_DRAM,
    Array,
    Assignment,
    Choice,
    Item,
    Move,
    Problem,
    Region,
    summary,
)
from polystage.passes.banks.solve import solve

FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(problems())
@FEW
def test_global_is_the_optimum(problem: Problem):
    solution = solve(problem, seed=0, time_limit=10)
    least = optimum(problem)
    assert solution.ns == pytest.approx(least)
    assert solution.ns == problem.cost(solution.assignment)
    assert solution.bound_ns == pytest.approx(least, abs=1e-4)


@given(problems())
@FEW
def test_baselines_are_legal_and_descent_never_makes_them_worse(problem: Problem):
    for baseline in BASELINES.values():
        start = baseline(problem)
        better = descend(problem, start)
        for assignment in (start, better):
            assert all(0 <= k < len(a.homes) for a, k in zip(problem.arrays, assignment.homes, strict=True))
            assert all(0 <= k < len(i.choices) for i, k in zip(problem.items, assignment.choices, strict=True))
        assert problem.cost(better) <= problem.cost(start)
        assert optimum(problem) <= problem.cost(better) + 1e-9


@given(problems())
@settings(max_examples=10, deadline=None)
def test_the_same_problem_has_the_same_solution(problem: Problem):
    first, second = (solve(problem, seed=3, time_limit=10).assignment for _ in range(2))
    assert first == second


def chain(engine: float = 1.0) -> Problem:
    """t0 in DRAM, a nest that makes t1 from it, two that read t1, each with either dimension across the lanes."""

    def item(read: int, written: int | None, favourite: int, extra: float) -> Item:
        slots = (read,) if written is None else (read, written)
        choices = tuple(
            Choice(engine if wanted == favourite else engine + extra, (wanted,) * len(slots)) for wanted in (0, 1)
        )
        return Item(slots, choices, favourite, None if written is None else 1)

    arrays = (Array("t0", (IN_DRAM,), (0.0,)), Array("t1", (0, 1), (0.0, 0.0)))
    moves = {0: {1: Move(10.0, 64)}, 1: {0: Move(10.0, 64)}}
    regions = (Region(0, {IN_DRAM: {0: Move(5.0, 0, 64), 1: Move(5.0, 0, 64)}}), Region(1, moves), Region(1, moves))
    return Problem(arrays, regions, (item(0, 1, 0, 3), item(2, None, 1, 3), item(2, None, 1, 3)))


def test_local_relayouts_for_each_reader_and_the_others_share():
    problem = chain()
    assignment = BASELINES["local"](problem)
    assert assignment == Assignment((0, 0), (0, 1, 1))
    apart = summary(problem, assignment, shared=False)
    assert (apart.relayouts, apart.relayout_bytes, apart.ns) == (2, 128, 28.0)
    shared = summary(problem, assignment)
    assert (shared.relayouts, shared.relayout_bytes, shared.ns) == (1, 64, 18.0)


def test_greedy_follows_the_operand():
    assert BASELINES["greedy"](chain()) == Assignment((0, 0), (0, 0, 0))


def test_global_pays_at_the_one_nest_that_makes_the_array():
    solution = solve(chain(), seed=0, time_limit=10)
    assert solution.assignment == Assignment((0, 1), (1, 1, 1))
    assert (solution.ns, solution.gap) == (11.0, 0.0)


def test_propagate_starts_from_the_largest_contraction():
    problem = chain()
    first, second, third = problem.items
    contraction = Item(second.slots, second.choices, second.favourite, macs=100)
    problem = Problem(problem.arrays, problem.regions, (first, contraction, third))
    assert BASELINES["propagate"](problem) == Assignment((0, 1), (1, 1, 1))


def test_further_layouts_of_a_given_array_are_further_dram_bytes():
    moves = {IN_DRAM: {0: Move(5.0, 0, 64), 1: Move(5.0, 0, 64)}}
    items = tuple(Item((0,), (Choice(1.0, (wanted,)),)) for wanted in (0, 1, 1, ANY))
    problem = Problem((Array("x", (IN_DRAM,), (0.0,)),), (Region(0, moves),), items)
    found = summary(problem, Assignment((0,), (0, 0, 0, 0)))
    assert (found.dram_bytes, found.relayouts, found.ns) == (64, 0, 14.0)
