"""Compiles a program level by level and runs it after each, to compare what it computes."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch_mlir import ir

from polystage import dialects
from polystage.analysis.implementation import ATTRIBUTE
from polystage.analysis.nests import main_function, read_nest, top_nests
from polystage.analysis.traffic import predict
from polystage.interp import affine, npu
from polystage.interp.counts import Counter
from polystage.passes.map_banks import candidates
from polystage.pipeline import PassFailure, Registry, run_pipeline

Array = np.ndarray[Any, Any]
REGISTRY = Registry("polystage.passes")
LEVER = re.compile(r"choose --sbuf (\d+)")


@dataclass(frozen=True)
class Flow:
    """How to compile: the target, and whether every pass gets its input as text."""

    target: str
    sbuf: str | None = None
    as_text: bool = False
    choose: Callable[[int], int] | None = None

    def set_target(self) -> str:
        return f"set-target{{name={self.target}{f' sbuf={self.sbuf}' if self.sbuf else ''}}}"


def parse(text: str) -> ir.Module:
    """A module in a new context."""
    context = ir.Context()
    context.emit_error_diagnostics = True
    with context, ir.Location.unknown():
        dialects.register(context)
        return ir.Module.parse(text)


def run_pass(module: ir.Module, pipeline: str, as_text: bool) -> ir.Module:
    """The module after ``pipeline``, through text if asked for."""
    run_pipeline(module.operation, pipeline, REGISTRY)
    return parse(module.operation.get_asm(enable_debug_info=False)) if as_text else module


def placed(text: str, flow: Flow) -> ir.Module:
    """The program with an implementation for each nest: the cheapest, or with ``choose`` one of the candidates."""
    module = run_pass(parse(text), f"{flow.set_target()},refine-domains,map-banks", flow.as_text)
    if flow.choose is not None:
        with module.context, ir.Location.unknown():
            for loop in top_nests(main_function(module.operation)):
                legal = list(candidates(read_nest(loop)))
                loop.attributes[ATTRIBUTE] = legal[flow.choose(len(legal))].to_attribute()
    return module


def interpret(module: ir.Module, args: Sequence[Array]) -> list[Array]:
    """The arguments after a run of an affine or placed module."""
    mine = [arg.copy() for arg in args]
    affine.run(module.operation, mine)
    return mine


def execute(module: ir.Module, args: Sequence[Array]) -> list[Array]:
    """The arguments after a run of an npu module with shadow memory; the counts have to be those predicted."""
    mine, counter = [arg.copy() for arg in args], Counter()
    npu.execute(module.operation, mine, listeners=[counter])
    assert counter.counts() == predict(module.operation)
    return mine


def needed_sbuf(failure: PassFailure) -> int | None:
    """The capacity that an error about a too small SBUF names."""
    found = [LEVER.search(each.message) for each in failure.diagnostics]
    return next((int(match[1]) for match in found if match), None)


def assert_same(got: Sequence[Array], wanted: Sequence[Array], *, exact: bool) -> None:
    """All arrays equal, or close where operations round."""
    for a, b in zip(got, wanted, strict=True):
        if exact or a.dtype.kind in "ib":
            np.testing.assert_array_equal(a, b)
        else:
            tolerance = 1e-5 if a.dtype == np.float32 else 2e-2
            np.testing.assert_allclose(a.astype(np.float32), b.astype(np.float32), rtol=tolerance, atol=tolerance)
