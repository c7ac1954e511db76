"""Chains of copies compute what numpy says, before and after eliminate-copies; every elimination is certified."""

import time

import numpy as np
import pytest
from copy_chains import Array, Program, chain
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch_mlir import ir

from polystage.certify import eliminations
from polystage.interp import affine
from polystage.pipeline import Registry, run_pipeline

CHECKS = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
REGISTRY = Registry("polystage.passes")
OPERATIONS = 20_000_000
SECONDS = 1.0
"""What the pass may take for one chain."""


@st.composite
def chains(draw: st.DrawFn) -> Program:
    return chain(lambda n: draw(st.integers(0, n - 1)))


def check(program: Program, strategy: str, *, certified: bool) -> None:
    with ir.Context(), ir.Location.unknown():
        module = ir.Module.parse(program.text).operation
        run_pipeline(module, "remove-dead-nests", REGISTRY)
        assert np.array_equal(executed(module, program), program.output)
        before = ir.Operation.parse(module.get_asm()).operation
        start = time.process_time()
        run_pipeline(module, f"eliminate-copies{{strategy={strategy}}}", REGISTRY)
        assert time.process_time() - start < SECONDS
        run_pipeline(module, "verify-normal-form", REGISTRY)
        if certified:
            assert not eliminations.check(before, module, OPERATIONS).refusals
        assert np.array_equal(executed(module, program), program.output)


def executed(module: ir.Operation, program: Program) -> Array:
    out = np.full(program.output.shape, -1, np.int32)
    affine.run(module, [*(array.copy() for array in program.inputs), out])
    return out


@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=CHECKS)
@given(chains(), st.sampled_from(("full", "full", "load-forward")))
def test_chains_compute_the_same(program: Program, strategy: str) -> None:
    check(program, strategy, certified=True)


@pytest.mark.long
@settings(max_examples=2000, deadline=None, suppress_health_check=CHECKS)
@given(chains())
def test_two_thousand_chains_compute_the_same(program: Program) -> None:
    check(program, "full", certified=False)
