"""The exact search alone, on small problems that brute force answers too; with all switches and with any one off."""

import random
from dataclasses import fields, replace

import pytest
from brute_force import fits, tiny_problem

from polystage.alloc import Infeasible, Problem, Solution, Solver, Switches, solve, validate

ALL = Switches()
NONE = Switches(**{field.name: False for field in fields(Switches)})
OFF = {field.name: replace(ALL, **{field.name: False}) for field in fields(Switches)}


# 2373: a floor that is raised while another section has not yet followed must not fall again
@pytest.fixture(scope="module")
def answers() -> list[tuple[Problem, bool]]:
    return [(problem, fits(problem)) for problem in map(tiny_problem, [*range(300), 2373])]


def check(problem: Problem, possible: bool, solver: Solver) -> None:
    outcome = solve(problem, solver)
    if isinstance(outcome, Solution):
        assert validate(problem, outcome) == ()
        assert possible
    else:
        assert outcome.proved
        assert not possible


def test_against_brute_force(answers: list[tuple[Problem, bool]]) -> None:
    assert 100 < sum(possible for _, possible in answers) < 225
    for problem, possible in answers:
        check(problem, possible, Solver(best_fit=False))


def test_best_fit_before_it_changes_no_answer(answers: list[tuple[Problem, bool]]) -> None:
    for problem, possible in answers:
        check(problem, possible, Solver())


@pytest.mark.parametrize("switches", [*OFF.values(), NONE], ids=[*OFF, "all"])
def test_switched_off(answers: list[tuple[Problem, bool]], switches: Switches) -> None:
    for problem, possible in answers[:100]:
        check(problem, possible, Solver(best_fit=False, blame=False, switches=switches))


@pytest.mark.long
def test_any_switches_against_brute_force() -> None:
    for seed in range(1000, 5000):
        rng = random.Random(seed)
        switches = Switches(**{field.name: rng.random() < 0.6 for field in fields(Switches)})
        problem = tiny_problem(seed)
        check(problem, fits(problem), Solver(seed, best_fit=False, blame=False, switches=switches))


@pytest.mark.parametrize("seed", range(3))
def test_seeds(answers: list[tuple[Problem, bool]], seed: int) -> None:
    for problem, possible in answers[:50]:
        check(problem, possible, Solver(seed, best_fit=False, blame=False))


def test_without_search_nothing_but_load_is_proved(answers: list[tuple[Problem, bool]]) -> None:
    outcomes = [solve(problem, Solver(search=False)) for problem, _ in answers]
    assert {outcome.proof for outcome in outcomes if isinstance(outcome, Infeasible)} == {"load", None}


def test_blame_is_irreducible(answers: list[tuple[Problem, bool]]) -> None:
    """What is blamed has no packing by itself; without any one block of it, it has."""
    searched = 0
    for problem, _ in answers:
        outcome = solve(problem)
        if isinstance(outcome, Solution) or outcome.proof != "search" or any(each.reuses for each in outcome.blame):
            continue
        searched += 1
        assert outcome.irreducible
        assert not fits(replace(problem, buffers=outcome.blame))
        for buffer in outcome.blame:
            assert fits(replace(problem, buffers=tuple(each for each in outcome.blame if each != buffer)))
    assert searched > 10
