"""Arrays folded while they wait, and parts of them made again: the program computes the same."""

import pytest
from flow import REGISTRY, assert_same, interpret, parse, settled
from hypothesis import HealthCheck, Phase, given, settings
from random_chains import chains
from random_program import Program
from torch_mlir import ir

from polystage.analysis.nest_reader import read_nest
from polystage.analysis.nests import main_function, top_nests
from polystage.analysis.values import array_name
from polystage.machine import load
from polystage.passes.banks.candidates import candidates
from polystage.passes.staging.folding import Wait, wait_of
from polystage.passes.staging.recomputing import products, remakes, rewrite
from polystage.passes.staging.schedule import Step, uses_of
from polystage.pipeline import run_pipeline

MACHINE = load("edge")


def waits_of(function: ir.Operation) -> tuple[list[Wait], list[Step]]:
    """All that waits, however short, with the first implementation of each nest, and the nests."""
    steps = [Step(nest, next(candidates(nest))) for nest in map(read_nest, top_nests(function))]
    found = (wait_of(array, uses, steps, MACHINE) for array, uses in uses_of(steps, MACHINE.lanes).items())
    return [wait for wait in found if wait is not None], steps


def fold_everything(function: ir.Operation, part: float = 0) -> int:
    """Fold all that waits but for what so large a part of the products makes again; of how many arrays that is some."""
    waits, steps = waits_of(function)
    slides = {array_name(wait.array): k % 3 for k, wait in enumerate(waits)}  # along some dimension
    again = list(remakes(waits, steps, int(part * products(steps)), MACHINE, slides)) if part else []
    rewrite(waits, again, steps)
    return len(again)


@pytest.mark.parametrize("part", [0, 0.1, 0.5, 10])
def test_folded_programs_compute_the_same(part: float) -> None:
    made_again = 0

    @settings(
        max_examples=50,
        deadline=None,
        derandomize=True,
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much),
        phases=(Phase.explicit, Phase.generate),
    )
    @given(chains())
    def check(program: Program) -> None:
        nonlocal made_again
        module = parse(settled(program.text))
        run_pipeline(module.operation, "refine-domains,shrink-fills", REGISTRY)
        wanted = interpret(module, program.args)
        with module.context, ir.Location.unknown():
            made_again += fold_everything(main_function(module.operation), part)
        assert module.operation.verify()
        assert_same(interpret(module, program.args), wanted, tolerance=program.tolerance)

    check()
    assert bool(made_again) == bool(part)


def test_some_arrays_are_folded() -> None:
    """What waits on three lanes of sixteen lies in five blocks, and its border is filled when it comes back."""
    module = parse(
        """
        func.func @main(%x: memref<3x8xf32> {polystage.kind = "input", polystage.name = "x"},
                        %y: memref<3x8xf32> {polystage.kind = "output", polystage.name = "y"},
                        %z: memref<3x8xf32> {polystage.kind = "output", polystage.name = "z"}) {
          %zero = arith.constant 0.0 : f32
          %t = memref.alloc() {polystage.name = "t"} : memref<3x10xf32>
          affine.for %i = 0 to 3 {
            affine.store %zero, %t[%i, 0] : memref<3x10xf32>
          }
          affine.for %i = 0 to 3 {
            affine.for %j = 0 to 8 {
              %0 = affine.load %x[%i, %j] : memref<3x8xf32>
              affine.store %0, %t[%i, %j + 1] : memref<3x10xf32>
            }
          }
          affine.for %i = 0 to 3 {
            affine.for %j = 0 to 8 {
              %0 = affine.load %x[%i, %j] : memref<3x8xf32>
              %1 = math.exp %0 : f32
              affine.store %1, %z[%i, %j] : memref<3x8xf32>
            }
          }
          affine.for %i = 0 to 3 {
            affine.for %j = 0 to 8 {
              %0 = affine.load %t[%i, %j] : memref<3x10xf32>
              affine.store %0, %y[%i, %j] : memref<3x8xf32>
            }
          }
          return
        }
        """
    )
    with module.context, ir.Location.unknown():
        fold_everything(main_function(module.operation))
    text = str(module)
    assert 'polystage.name = "t.folded"} : memref<15x2xf32>' in text
    assert text.count('kind = "relayout"') == 10
    fills = [line for line in text.splitlines() if "%cst" in line and "affine.store" in line]
    unfolded = next(line.split()[0] for line in text.splitlines() if "t.unfolded" in line)
    assert len(fills) == 1
    assert unfolded in fills[0]
