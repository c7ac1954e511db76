import math

import numpy as np
import pytest
from torch_mlir import ir

from polystage.report.tolerance import difference, rounding_steps, tolerance

CHAIN = """
func.func @main(%x: memref<8x512xf32>, %w: memref<512xf32>, %y: memref<8xf32>) {
  %sum = memref.alloc() : memref<8xf32>
  %zero = arith.constant 0.0 : f32
  affine.for %i = 0 to 8 {
    affine.store %zero, %sum[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 8 {
    affine.for %k = 0 to 512 {
      %0 = affine.load %x[%i, %k] : memref<8x512xf32>
      %1 = affine.load %w[%k] : memref<512xf32>
      %2 = affine.load %sum[%i] : memref<8xf32>
      %3 = arith.mulf %0, %1 : f32
      %4 = arith.addf %2, %3 : f32
      affine.store %4, %sum[%i] : memref<8xf32>
    }
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %sum[%i] : memref<8xf32>
    %1 = math.exp %0 : f32
    affine.store %1, %y[%i] : memref<8xf32>
  }
  return
}
"""


def test_a_reduction_counts_its_length_and_a_function_its_units() -> None:
    with ir.Context():
        module = ir.Module.parse(CHAIN)
        assert rounding_steps(module.operation) == 512 * 2 + 4


def test_f32_grows_with_the_root_of_the_steps_up_to_the_ceiling() -> None:
    assert tolerance("f32", 200) == pytest.approx(4 * math.sqrt(400) * 2.0**-24)
    assert tolerance("f32", 10**12) == 1e-4


def test_a_narrow_type_may_be_no_worse_than_twice_pytorch() -> None:
    assert tolerance("bf16", 10**6, eager_error=0.01) == pytest.approx(0.02 + 2.0**-8)
    assert tolerance("bf16", 1, eager_error=1.0) == pytest.approx(4 * math.sqrt(2) * 2.0**-8)


def _product(columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.standard_normal((16, columns)).astype(np.float32)
    w = random.standard_normal((columns, 32)).astype(np.float32)
    return x, w, x @ w


def test_another_order_of_summation_passes() -> None:
    x, w, reference = _product(1024)
    halves = x[:, :512] @ w[:512] + x[:, 512:] @ w[512:]
    assert 0 < difference([halves], [reference]).max_rel <= tolerance("f32", 2 * 1024)


@pytest.mark.parametrize("fault", ["dropped tail", "shifted tap", "one wrong element"])
def test_planted_faults_fail(fault: str) -> None:
    x, w, reference = _product(1024)
    match fault:
        case "dropped tail":
            wrong = x[:, :1023] @ w[:1023]
        case "shifted tap":
            wrong = np.roll(x, 1, axis=1) @ w
        case _:
            wrong = reference.copy()
            wrong[3, 5] += 2e-4 * np.abs(reference).max()
    assert difference([wrong], [reference]).max_rel > tolerance("f32", 2 * 1024)


def test_infinities_stand_in_the_same_places() -> None:
    reference = np.array([1.0, -np.inf, np.nan], np.float32)
    assert difference([reference.copy()], [reference]).max_abs == 0
    assert difference([np.array([1.0, 0.0, np.nan], np.float32)], [reference]).max_rel == math.inf
    assert difference([np.array([np.nan, -np.inf, np.nan], np.float32)], [reference]).max_abs == math.inf


def test_shapes_have_to_be_equal() -> None:
    reference = np.ones((2, 1), np.float32)
    assert difference([np.ones((2, 2), np.float32)], [reference]).max_rel == math.inf


def test_integers_have_to_be_equal() -> None:
    reference = np.array([50_000, 7], np.int64)
    assert difference([reference + 1], [reference]).max_rel == math.inf
    assert difference([reference.copy()], [reference]).max_rel == 0
