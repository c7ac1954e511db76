"""skew-loops and order-instructions on random programs: they compute the same, bit for bit."""

from collections.abc import Iterator

import numpy as np
import pytest
from random_loops import ROWS, WIDTH, program
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
WAYS = (
    "skew-loops",
    "order-instructions{gain=-9}",
    "order-instructions{gain=-9 window=4}",
    "order-instructions{gain=-9 instructions=20}",
    "skew-loops,order-instructions{gain=-9},pipeline-dma",
)


@pytest.fixture(autouse=True)
def mlir_context() -> Iterator[None]:
    with ir.Context() as context:
        dialects.register(context)
        context.attach_diagnostic_handler(lambda _: True)
        yield


def lowered(seed: int, passes: str) -> ir.Operation:
    module = ir.Operation.parse(f"module {{\n{program(seed)}\n}}").operation
    run_pipeline(module, f"set-target{{name=edge}},{passes},allocate", REGISTRY)
    return module


def executed(module: ir.Operation) -> Array:
    x = np.random.default_rng(0).standard_normal((8, ROWS, WIDTH)).astype(np.float32)
    y = np.zeros_like(x)
    counter = Counter()
    npu.execute(module, [x, y], listeners=[counter])
    assert counter.counts() == predict(module)
    return y


@pytest.mark.parametrize("seed", range(60))
def test_random_programs_compute_the_same(seed: int) -> None:
    compare(seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(60, 2000))
def test_more_random_programs_compute_the_same(seed: int) -> None:
    compare(seed)


def compare(seed: int) -> None:
    """Whatever the order, the program computes the same and moves the same, and the proof accepts it."""
    plain = lowered(seed, "skew-loops{strategy=off}")
    wanted = executed(plain)
    assert np.isfinite(wanted).all()
    for way in WAYS:
        module = lowered(seed, way)
        assert check(main_function(module)).refusals == (), way
        np.testing.assert_array_equal(executed(module), wanted, way)
        assert predict(module) == predict(plain), way


def test_most_programs_are_changed() -> None:
    changed = [str(lowered(seed, WAYS[1])) != str(lowered(seed, "skew-loops{strategy=off}")) for seed in range(20)]
    assert sum(changed) > 15
    skewed = [str(lowered(seed, WAYS[0])) != str(lowered(seed, "skew-loops{strategy=off}")) for seed in range(60)]
    assert sum(skewed) > 5
