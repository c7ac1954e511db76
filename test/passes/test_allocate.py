"""Where the solver finds no packing, buffers lie where `stage` planned them."""

from collections.abc import Mapping

import pytest
from flow import REGISTRY, parse
from torch_mlir import ir

from polystage.alloc import Infeasible, Problem, Solution, Solver
from polystage.analysis.values import array_name
from polystage.passes import allocate
from polystage.pipeline import PassFailure, run_pipeline

BYTES = 680  # three of them fit into a lane of tiny, 2,048 bytes
PLANNED = {"a": BYTES, "b": 0, "c": 2 * BYTES, "d": BYTES}


def program(planned: Mapping[str, int]) -> str:
    """Three buffers; ``d`` takes the place of ``a`` and ``c`` beside ``b``, if these are not on both sides of it."""

    def alloc(name: str, columns: int) -> str:
        plan = f", polystage.planned = {planned[name]} : i64" if name in planned else ""
        return f'%{name} = memref.alloc() {{polystage.name = "{name}"{plan}}} : memref<8x{columns}xf32, #npu.sbuf>'

    def use(name: str, columns: int) -> str:
        box = f"sizes = array<i64: 8, {columns}>, maps = [affine_map<(d0, d1) -> (d0, d1)>]"
        return f'"npu.memset"(%{name}) {{value = 1.0 : f32, {box}}} : (memref<8x{columns}xf32, #npu.sbuf>) -> ()'

    one, two = BYTES // 4, BYTES // 2
    lines = [alloc("a", one), alloc("b", one), alloc("c", one), use("a", one), use("c", one), alloc("d", two)]
    return "\n".join(["func.func @main() {", *lines, use("b", one), use("d", two), "return }"])


def addresses(planned: Mapping[str, int]) -> dict[str, int]:
    """The addresses of a program, by name."""
    module = parse(program(planned)).operation
    run_pipeline(module, "set-target{name=tiny},allocate", REGISTRY)
    body = module.regions[0].blocks[0].operations[0].operation.regions[0].blocks[0].operations
    allocs = [op.operation for op in body if op.operation.name == "memref.alloc"]
    return {array_name(op.results[0]): ir.IntegerAttr(op.attributes["npu.address"]).value for op in allocs}


@pytest.fixture
def poor_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A solver that goes in program order once."""
    poor = Solver(best_fit=False, search=False, blame=False)
    monkeypatch.setattr(allocate, "_QUIET", poor)

    def solve(problem: Problem, _: Solver | None = None) -> Solution | Infeasible:
        return poor.solve(problem)

    monkeypatch.setattr(allocate, "solve", solve)


@pytest.mark.usefixtures("poor_solver")
def test_buffers_lie_where_they_were_planned() -> None:
    assert addresses(PLANNED) == PLANNED


@pytest.mark.usefixtures("poor_solver")
@pytest.mark.parametrize("broken", [{}, {**PLANNED, "d": 0}, {**PLANNED, "d": 2 * BYTES}, {**PLANNED, "d": 682}])
def test_plans_that_cannot_be_are_left_alone(broken: Mapping[str, int]) -> None:
    if broken:
        assert addresses(broken) == PLANNED
    else:
        with pytest.raises(PassFailure):
            addresses(broken)


def test_what_the_solver_finds_goes_first() -> None:
    assert addresses({}) == addresses({**PLANNED, "b": 4})
