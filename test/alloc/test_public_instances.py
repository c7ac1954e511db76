"""The public hard instances of minimalloc, at the capacity they were made for; skipped where they are not at hand."""

import time
from pathlib import Path

import pytest

from polystage.alloc import Infeasible, Problem, Solution, Solver, problem_from_csv, solve, validate
from polystage.alloc.command import NODES

CHALLENGING = Path(__file__).parents[3] / "shared" / "data" / "minimalloc" / "challenging"
CAPACITY = 1 << 20
ALL = "ABCDEFGHIJK"

pytestmark = pytest.mark.skipif(not CHALLENGING.is_dir(), reason="the public instances are not on this machine")


def read(name: str, capacity: int = CAPACITY) -> Problem:
    file = CHALLENGING / f"{name}.{CAPACITY}.csv"
    return problem_from_csv(file.read_text(), capacity, str(file))


def solved(name: str, solver: Solver) -> bool:
    problem = read(name)
    outcome = solve(problem, solver)
    return isinstance(outcome, Solution) and validate(problem, outcome) == ()


@pytest.mark.parametrize("name", ["A", "B", "C"])
def test_some(name: str) -> None:
    assert solved(name, Solver())


def test_restarts_are_what_solves_them() -> None:
    assert not solved("A", Solver(nodes=5_000, search=False, blame=False))


@pytest.mark.parametrize("name", [name for name in ALL if name not in "CDJ"])
def test_a_byte_less_is_refused(name: str) -> None:
    """C, D and J leave some of the capacity free at all times, the others use all of it at some time."""
    outcome = solve(read(name, CAPACITY - 1))
    assert isinstance(outcome, Infeasible)
    assert (outcome.proof, outcome.gap) == ("load", 1)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(5))
def test_all(seed: int) -> None:
    begin = time.process_time()
    assert [name for name in ALL if not solved(name, Solver(seed, NODES, blame=False))] == []
    assert time.process_time() - begin < 15
