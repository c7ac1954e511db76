"""Coordinate descent on the true cost of an assignment: one nest, or one array with the nests around it, at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

from polystage.passes.banks.problem import Assignment, Problem
from polystage.passes.banks.state import State

MAX_SWEEPS = 32
"""Bound on sweeps over all arrays; models of the zoo settle in two to five."""
_GAIN = 1e-6  # ns: what counts as better, so that rounding cannot make it turn in circles


@dataclass(frozen=True)
class Rehomed:
    """An array at another home, the choices of the nests around it there, and what that part costs."""

    home: int | None
    choices: Sequence[int | None]
    ns: float


def descend(problem: Problem, start: Assignment) -> Assignment:
    """An assignment that costs no more than ``start`` and that no single step improves."""
    state = State.of(problem, start)
    for _ in range(MAX_SWEEPS):
        improved = False
        for item in range(len(problem.items)):
            improved |= _choose_again(state, item)
        for array in range(len(problem.arrays)):
            improved |= _move_home(state, array)
        if not improved:
            break
    return state.assignment()


def _choose_again(state: State, item: int) -> bool:
    """Give a nest its best choice beside the others; whether that changed it."""
    before = state.choices[item]
    assert before is not None
    state.choose(item, None)
    best = state.best(item)
    better = state.choice_ns(item, best) < state.choice_ns(item, before) - _GAIN
    state.choose(item, best if better else before)
    return better


def _move_home(state: State, array: int) -> bool:
    """Move an array to the home at which it and the nests around it, choosing again, cost least."""
    homes = range(len(state.problem.arrays[array].homes))
    others = [rehomed(state, array, home) for home in homes if home != state.homes[array]]
    best = min(others, key=lambda each: each.ns, default=None)
    if best is None or best.ns >= around_ns(state, array) - _GAIN:
        return False
    _restore(state, array, best)
    return True


def rehomed(state: State, array: int, home: int) -> Rehomed:
    """The array at that home, the nests around it choosing again one after another; the state stays as it is."""
    around = _around(state, array)
    held = Rehomed(state.homes[array], [state.choices[item] for item in around], 0.0)
    state.homes[array] = home
    for item in around:
        state.choose(item, None)
    for item in around:
        state.choose(item, state.best(item))
    found = Rehomed(home, [state.choices[item] for item in around], around_ns(state, array))
    _restore(state, array, held)
    return found


def around_ns(state: State, array: int) -> float:
    """The part of the cost that depends on the home of an array and the choices of the nests around it."""
    problem, home = state.problem, state.homes[array]
    assert home is not None
    around = _around(state, array)
    regions = dict.fromkeys(region for item in around for region in problem.items[item].slots)
    total = problem.arrays[array].home_ns[home]
    for item in around:
        choice = state.choices[item]
        assert choice is not None
        total += problem.items[item].choices[choice].ns
    for region in regions:
        at = state.home(region)
        assert at is not None
        moves = problem.regions[region].moves[at]
        total += sum(move.ns for wanted, move in moves.items() if state.wanted[region, wanted])
    return total


def _around(state: State, array: int) -> list[int]:
    """The nests that access an array."""
    return list(dict.fromkeys(item for item, _ in state.problem.users[array]))


def _restore(state: State, array: int, held: Rehomed) -> None:
    state.homes[array] = held.home
    for item, choice in zip(_around(state, array), held.choices, strict=True):
        state.choose(item, choice)
