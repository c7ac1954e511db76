"""Compiles a program level by level and runs it after each, to compare what it computes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import cycle
from typing import Any

import numpy as np
from torch_mlir import ir

from polystage import dialects
from polystage.analysis.implementation import ATTRIBUTE
from polystage.analysis.nest_reader import read_nest
from polystage.analysis.nests import main_function, top_nests
from polystage.analysis.traffic import predict
from polystage.interp import affine, npu
from polystage.interp.counts import Counter
from polystage.passes.banks.candidates import candidates
from polystage.pipeline import PassFailure, Registry, run_pipeline

Array = np.ndarray[Any, Any]
REGISTRY = Registry("polystage.passes")
LEVER = re.compile(r"choose --sbuf (\d+)")


@dataclass(frozen=True)
class Flow:
    """How to compile: the target, its SBUF, and whether every pass gets its input as text.

    ``choices`` pick one of the legal implementations for each nest (modulo their number); empty takes the cheapest.
    """

    target: str
    sbuf: str | None = None
    as_text: bool = False
    choices: tuple[int, ...] = ()

    def placed(self, text: str) -> ir.Module:
        """The program with an implementation for each nest."""
        sbuf = f" sbuf={self.sbuf}" if self.sbuf else ""
        module = self.run(parse(text), f"set-target{{name={self.target}{sbuf}}}", "refine-domains", "map-banks")
        if self.choices:
            with module.context, ir.Location.unknown():
                loops = top_nests(main_function(module.operation))
                for loop, choice in zip(loops, cycle(self.choices), strict=False):
                    legal = list(candidates(read_nest(loop)))
                    loop.attributes[ATTRIBUTE] = legal[choice % len(legal)].to_attribute()
        return module

    def staged(self, text: str, module: ir.Module | None = None) -> ir.Module:
        """The program on tile buffers, from ``module`` if it is placed; a too small SBUF gets what the error names."""
        module = self.placed(text) if module is None else module
        try:
            return self.run(module, "stage")
        except PassFailure as failure:
            found = [LEVER.search(each.message) for each in failure.diagnostics]
            named = [match[1] for match in found if match]
            if not named:
                raise
            larger = replace(self, sbuf=named[0])
            return larger.run(larger.placed(text), "stage")

    def run(self, module: ir.Module, *passes: str) -> ir.Module:
        """The module after each of ``passes``."""
        for name in passes:
            run_pipeline(module.operation, name, REGISTRY)
            module = parse(assembly(module)) if self.as_text else module
        return module


def parse(text: str) -> ir.Module:
    """A module; all are in one context, which takes 10 ms to make."""
    with _context(), ir.Location.unknown():
        return ir.Module.parse(text)


@cache
def _context() -> ir.Context:
    context = ir.Context()
    context.emit_error_diagnostics = True
    dialects.register(context)
    return context


def assembly(module: ir.Module) -> str:
    """The module as text."""
    return module.operation.get_asm(enable_debug_info=False)


def settled(text: str) -> str:
    """``text`` parsed and printed until it stays: MLIR simplifies a map each time it builds it."""
    again = assembly(parse(text))
    return text if again == text else settled(again)


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


def assert_same(got: Sequence[Array], wanted: Sequence[Array], *, tolerance: float) -> None:
    """All arrays equal, floats as close as ``tolerance``; 0: equal."""
    for a, b in zip(got, wanted, strict=True):
        if tolerance == 0 or a.dtype.kind in "ib":
            np.testing.assert_array_equal(a, b)
        else:
            np.testing.assert_allclose(a.astype(np.float32), b.astype(np.float32), rtol=tolerance, atol=tolerance)
