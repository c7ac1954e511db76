"""Plans for which no packing is found give way to plans for less room, and at last to nests one by one."""

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from flow import REGISTRY, assert_same, interpret, parse
from test_stage_holes import CORNER, numbers
from test_stage_rooms import program

from polystage.alloc import Buffer, Infeasible, Problem, Solution
from polystage.passes.staging.plan_emission import Decided, PlanWriter, Unit
from polystage.pipeline import run_pipeline

NOTHING = Infeasible(1, 0, 0, (), None, (), irreducible=False)


@pytest.mark.parametrize("failures", [0, 1, 2, 3])
def test_another_plan_is_made_where_no_packing_is_found(failures: int, monkeypatch: pytest.MonkeyPatch) -> None:
    decide, left = PlanWriter.decide, [failures]

    def failing(writer: PlanWriter) -> Decided | Infeasible:
        left[0] -= 1
        return decide(writer) if left[0] < 0 else NOTHING

    monkeypatch.setattr(PlanWriter, "decide", failing)
    arguments = [numbers(33, 2, 2), numbers(2, 2, 33)]
    module = parse(CORNER)
    run_pipeline(module.operation, "set-target{name=tiny},refine-domains,map-banks,stage", REGISTRY)
    assert left == [-1]
    assert_same(interpret(module, arguments), interpret(parse(CORNER), arguments), tolerance=0)


def test_units_are_as_large_as_they_can_be_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    larger = staged(program())
    problem = PlanWriter.problem

    def too_large(writer: PlanWriter, units: Sequence[Unit]) -> Problem:
        found = problem(writer, units)
        return replace(found, capacity=0) if writer.room != writer.least else found

    monkeypatch.setattr(PlanWriter, "problem", too_large)
    assert staged(program()) == larger

    def nothing_else(_writer: PlanWriter, _unit: Unit, _solution: Solution) -> Problem:
        return Problem(0, (Buffer("large", 0, 1, 1),))

    monkeypatch.setattr(PlanWriter, "around", nothing_else)
    assert staged(program()) != larger


def staged(text: str) -> str:
    """A program as it is staged, wherever its arrays are planned to lie."""
    module = parse(text)
    run_pipeline(module.operation, "set-target{name=tiny sbuf=128},refine-domains,map-banks,stage", REGISTRY)
    return re.sub(r"planned = \d+", "planned", str(module))
