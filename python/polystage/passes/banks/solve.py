"""Bank mapping for a whole function as a tight integer program (DESIGN 4.2, ALGORITHMS C).

One boolean for each choice of a nest and each home of an array. For each slot, *pair* variables q[home, wanted] whose
marginals are the homes of its array and what the choices of its nest want: with them the linear relaxation is nearly
integral, which it is not with products of booleans. Relayouts are shared: w[region, home, wanted] >= q of every slot.

The program is seeded with the best baseline after coordinate descent; the better of seed and solution is returned.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from polystage.passes.banks.baselines import BASELINES
from polystage.passes.banks.descent import descend
from polystage.passes.banks.problem import Assignment, Problem

SOLVER = "scip"


@dataclass(frozen=True)
class Solution:
    """An assignment, its cost, a lower bound of the cost of any other, and the seconds it took."""

    assignment: Assignment
    ns: float
    bound_ns: float
    seconds: float

    @property
    def gap(self) -> float:
        """How far from the optimum it may be, as a part of the cost; 0 where it is proved optimal."""
        return max(0.0, (self.ns - self.bound_ns) / self.ns) if self.ns else 0.0


def seed_of(problem: Problem) -> Assignment:
    """The best of the baselines after coordinate descent."""
    found = [descend(problem, baseline(problem)) for baseline in BASELINES.values()]
    return min(found, key=problem.cost)


def solve(problem: Problem, *, seed: int, time_limit: float) -> Solution:
    """The cheapest assignment found within ``time_limit`` seconds; deterministic where it is proved optimal."""
    begin = time.perf_counter()
    start = seed_of(problem)
    program = _Program(problem)
    program.hint(start)
    found, bound = program.solve(seed, time_limit)
    best = start if found is None or problem.cost(start) <= problem.cost(found) else found
    ns = problem.cost(best)
    return Solution(best, ns, min(bound, ns), time.perf_counter() - begin)


class _Program:
    """The integer program; what is decided already (one choice, one home) has no variables."""

    def __init__(self, problem: Problem) -> None:
        from ortools.linear_solver.python import model_builder

        self.problem, self.model = problem, model_builder.Model()
        self.terms: list[Any] = []
        self.coefficients: list[float] = []
        self.constant = 0.0
        self.homes = [self._one_of(array.home_ns) for array in problem.arrays]
        self.choices = [self._one_of([choice.ns for choice in item.choices]) for item in problem.items]
        self.shared: dict[tuple[int, int, int], list[Any]] = {}
        for number, item in enumerate(problem.items):
            for slot in range(len(item.slots)):
                self._pair(number, slot)
        self._share()

    def _one_of(self, costs: Sequence[float]) -> list[Any]:
        """A boolean for each possibility, one of them true; none where there is one possibility."""
        if len(costs) == 1:
            self.constant += costs[0]
            return [1]
        least = min(costs)
        self.constant += least
        variables = [self.model.new_bool_var(None) for _ in costs]
        for variable, cost in zip(variables, costs, strict=True):
            self._pay(variable, cost - least)
        self.model.add(sum(variables) == 1)
        return variables

    def _pay(self, variable: Any, cost: float) -> None:
        self.terms.append(variable)
        self.coefficients.append(cost)

    def _pair(self, number: int, slot: int) -> None:
        """The variables q[home, wanted] of one slot, and who shares their relayouts."""
        item = self.problem.items[number]
        region = item.slots[slot]
        array = self.problem.regions[region].array
        moves = self.problem.regions[region].moves
        homes = dict(zip(self.problem.arrays[array].homes, self.homes[array], strict=True))
        wanted: dict[int, list[Any]] = {}
        for choice, variable in zip(item.choices, self.choices[number], strict=True):
            wanted.setdefault(choice.wants[slot], []).append(variable)
        if len(homes) == 1 or len(wanted) == 1:
            single = len(homes) == 1
            for home, at in homes.items():
                for layout, choosers in wanted.items():
                    if layout in moves[home]:
                        self.shared.setdefault((region, home, layout), []).append(sum(choosers) if single else at)
            return
        pairs = {(home, layout): self.model.new_num_var(0, 1, None) for home in homes for layout in wanted}
        for home, at in homes.items():
            self.model.add(sum(pairs[home, layout] for layout in wanted) == at)
            for layout in wanted:
                if layout in moves[home]:
                    self.shared.setdefault((region, home, layout), []).append(pairs[home, layout])
        for layout, choosers in wanted.items():
            self.model.add(sum(pairs[home, layout] for home in homes) == sum(choosers))

    def _share(self) -> None:
        """One relayout for all slots of a region that want it."""
        for (region, home, wanted), users in self.shared.items():
            ns = self.problem.regions[region].moves[home][wanted].ns
            if any(isinstance(user, int) for user in users):
                self.constant += ns
                continue
            relayout = self.model.new_num_var(0, 1, None)
            self._pay(relayout, ns)
            for user in users:
                self.model.add(relayout >= user)

    def hint(self, assignment: Assignment) -> None:
        """Start from an assignment."""
        decided = [*zip(self.homes, assignment.homes, strict=True), *zip(self.choices, assignment.choices, strict=True)]
        for variables, taken in decided:
            for position, variable in enumerate(variables):
                if not isinstance(variable, int):
                    self.model.add_hint(variable, int(position == taken))

    def solve(self, seed: int, time_limit: float) -> tuple[Assignment | None, float]:
        """An assignment if one was found in time, and the lower bound."""
        from ortools.linear_solver.python import model_builder

        self.model.minimize(_weighted_sum(model_builder, self.terms, self.coefficients) + self.constant)
        solver = model_builder.Solver(SOLVER)
        solver.set_time_limit_in_seconds(time_limit)
        solver.set_solver_specific_parameters(f"randomization/randomseedshift = {seed}\nlimits/gap = 0\n")
        status = solver.solve(self.model)
        if status not in (model_builder.SolveStatus.OPTIMAL, model_builder.SolveStatus.FEASIBLE):
            return None, 0.0

        def taken(variables: Sequence[Any]) -> int:
            values = [1.0 if isinstance(each, int) else float(solver.value(each)) for each in variables]
            return values.index(max(values))

        found = Assignment(tuple(map(taken, self.homes)), tuple(map(taken, self.choices)))
        return found, float(solver.best_objective_bound)


def _weighted_sum(builder: Any, terms: Sequence[Any], coefficients: Sequence[float]) -> Any:
    return builder.LinearExpr.weighted_sum(terms, coefficients) if terms else 0.0
