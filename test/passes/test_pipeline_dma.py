"""pipeline-dma on random programs: they compute the same and move the same bytes, and their transfers are proved."""

from collections.abc import Iterator

import numpy as np
import pytest
from random_transfers import COLUMNS, program
from torch_mlir import ir

from polystage import dialects
from polystage.analysis.nests import main_function
from polystage.analysis.traffic import predict
from polystage.certify.dma import check
from polystage.interp import npu
from polystage.interp.counts import Counter
from polystage.interp.memory import Array
from polystage.pipeline import Registry, run_pipeline

REGISTRY = Registry("polystage.passes")
OPTIONS = ("", "{buffers=1}", "{buffers=3}", "{lookahead=1}", "{buffers=3 lookahead=2}")


@pytest.fixture(autouse=True)
def mlir_context() -> Iterator[None]:
    with ir.Context() as context:
        dialects.register(context)
        context.attach_diagnostic_handler(lambda _: True)
        yield


def lowered(seed: int, passes: str, target: str = "set-target{name=tiny}") -> ir.Operation:
    module = ir.Operation.parse(f"module {{\n{program(seed)}\n}}").operation
    run_pipeline(module, f"{target},{passes}", REGISTRY)
    return module


def executed(module: ir.Operation) -> Array:
    x = np.random.default_rng(0).standard_normal((8, COLUMNS)).astype(np.float32)
    y = np.zeros_like(x)
    counter = Counter()
    npu.execute(module, [x, y], listeners=[counter])
    assert counter.counts() == predict(module)
    return y


@pytest.mark.parametrize("seed", range(40))
def test_random_programs_compute_the_same(seed: int) -> None:
    compare(seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(40, 2000))
def test_more_random_programs_compute_the_same(seed: int) -> None:
    compare(seed)


def compare(seed: int) -> None:
    """Whatever the options, the program computes the same and moves the same, and the proof accepts it."""
    plain = lowered(seed, "allocate")
    wanted = executed(plain)
    for options in OPTIONS:
        module = lowered(seed, f"pipeline-dma{options},allocate")
        assert check(main_function(module)).refusals == (), options
        np.testing.assert_array_equal(executed(module), wanted, options)
        assert predict(module) == predict(plain), options


@pytest.mark.parametrize("seed", range(20))
def test_what_fits_still_fits(seed: int) -> None:
    plain = lowered(seed, "allocate")
    peak = ir.IntegerAttr(plain.attributes["npu.sbuf_peak"]).value
    for spare in (0, 16, 48):  # bytes a lane; a tile has 16
        target = f"set-target{{name=tiny sbuf={8 * (peak + spare)}}}"
        for options in OPTIONS:
            module = lowered(seed, f"pipeline-dma{options},allocate", target)
            assert check(main_function(module)).refusals == ()
