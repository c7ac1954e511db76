"""Three ways to assign banks without search, each with written rules for ties, so that nobody can make them worse.

In all of them a nest that loads nothing follows the home of the array it stores, and a home that nobody fixed is the
one its first reader wants. Ties are broken by the order of the choices: outermost loop first.
"""

from collections.abc import Callable, Mapping

from polystage.passes.banks.problem import REPLICATED, Assignment, Problem, fixes_home
from polystage.passes.banks.state import State


def local(problem: Problem) -> Assignment:
    """Each nest what it would take by itself; an array lies as the first nest that computes it leaves it."""
    state = State(problem)
    for item, nest in enumerate(problem.items):
        if not nest.follows:
            _take(state, item, nest.favourite)
    return _finished(state)


def favourites(problem: Problem) -> Assignment:
    """Each nest what it would take by itself, also those that load nothing; homes are of no account."""
    return Assignment((0,) * len(problem.arrays), tuple(item.favourite for item in problem.items))


def greedy(problem: Problem) -> Assignment:
    """In program order, the operands as they lie.

    Each nest runs on the engine that it would take by itself. Among these choices it takes those that relayout fewest
    bytes of its operands as they lie, of them the fastest.
    """
    state = State(problem)
    for item, nest in enumerate(problem.items):
        if not nest.follows:
            best = min(_same_engine(problem, item), key=lambda k: (state.relayout_bytes(item, k), nest.choices[k].ns))
            _take(state, item, best)
    return _finished(state)


def propagate(problem: Problem) -> Assignment:
    """Requirements pushed from contractions, those with most products first, to a fixpoint.

    A contraction takes the fastest choice among those that relayout fewest bytes of arrays whose home is fixed, and
    fixes the homes of the others that it touches. Then every nest that touches a fixed array and can work on it in
    place with one layout of its other arrays only, fixes these, and so on. What remains is greedy.
    """
    state = State(problem)
    largest = sorted((k for k, item in enumerate(problem.items) if item.macs), key=lambda k: -problem.items[k].macs)
    for item in largest:
        nest = problem.items[item]
        best = min(_same_engine(problem, item), key=lambda k: (state.relayout_bytes(item, k), nest.choices[k].ns))
        _take(state, item, best, every=True)
        _push(state, item)
    for item, nest in enumerate(problem.items):
        if state.choices[item] is None and not nest.follows:
            best = min(_same_engine(problem, item), key=lambda k: (state.relayout_bytes(item, k), nest.choices[k].ns))
            _take(state, item, best)
    return _finished(state)


BASELINES: Mapping[str, Callable[[Problem], Assignment]] = {"local": local, "greedy": greedy, "propagate": propagate}


def _same_engine(problem: Problem, item: int) -> list[int]:
    """The choices on the engine of the favourite."""
    nest = problem.items[item]
    engine = nest.choices[nest.favourite].engine
    return [k for k, choice in enumerate(nest.choices) if choice.engine == engine]


def _take(state: State, item: int, choice: int, *, every: bool = False) -> None:
    """Fix a choice and the home of what it stores; with ``every`` also the homes of what it loads."""
    state.choose(item, choice)
    nest = state.problem.items[item]
    for slot, (region, wanted) in enumerate(zip(nest.slots, nest.choices[choice].wants, strict=True)):
        if fixes_home(wanted) and (every or slot == nest.written):
            state.settle(state.problem.regions[region].array, wanted)


def _push(state: State, source: int) -> None:
    """Fix what follows from the homes of the arrays that a nest touches, to a fixpoint."""
    problem, pending = state.problem, [source]
    while pending:
        nest = problem.items[pending.pop(0)]
        for array in dict.fromkeys(problem.regions[region].array for region in nest.slots):
            if state.homes[array] is None or len(problem.arrays[array].homes) == 1:
                continue
            for item in dict.fromkeys(user for user, _ in problem.users[array]):
                forced = None if state.choices[item] is not None else _forced(state, item)
                if forced is not None:
                    _take(state, item, forced, every=True)
                    pending.append(item)


def _forced(state: State, item: int) -> int | None:
    """The only choice of a nest that moves nothing, None if there is none or several.

    Choices that differ only in whether the result is in one lane or on every lane count as one, the first.
    """
    nest = state.problem.items[item]
    if nest.follows:
        return None
    still = [k for k in _same_engine(state.problem, item) if not state.relayout_bytes(item, k)]
    plain = [k for k in still if nest.written is None or nest.choices[k].wants[nest.written] != REPLICATED]
    return still[0] if len(plain or still) == 1 else None


def _finished(state: State) -> Assignment:
    """Nests that load nothing follow, homes that are free follow their readers."""
    problem = state.problem
    for item, nest in enumerate(problem.items):
        choice = state.choices[item]
        if choice is not None:
            for region, wanted in zip(nest.slots, nest.choices[choice].wants, strict=True):
                if fixes_home(wanted):
                    state.settle(problem.regions[region].array, wanted)
    for item in range(len(problem.items)):
        if state.choices[item] is None:
            _take(state, item, state.best(item))
    return state.assignment()
