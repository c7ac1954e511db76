"""The plain interpreter of affine and placed modules, against numpy."""

from collections.abc import Iterator, Sequence
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray
from torch_mlir import ir

from polystage import dialects
from polystage.interp.affine import run

RANDOM = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def mlir_context() -> Iterator[None]:
    with ir.Context() as context:
        dialects.register(context)
        yield


def execute(arguments: str, body: str, arrays: Sequence[NDArray[Any]], globals_: str = "") -> None:
    text = f"{globals_}\nfunc.func @main({arguments}) {{\n{body}\nreturn\n}}"
    run(ir.Module.parse(text).operation, arrays)


def normal(*shape: int) -> NDArray[np.float32]:
    return RANDOM.standard_normal(shape).astype(np.float32)


def test_strided_convolution_with_reuse_of_the_output() -> None:
    x, w, y = normal(3, 9, 9), normal(4, 3, 3, 3), np.zeros((4, 4, 4), np.float32)
    execute(
        "%x: memref<3x9x9xf32>, %w: memref<4x3x3x3xf32>, %y: memref<4x4x4xf32>",
        """
        affine.for %o = 0 to 4 { affine.for %i = 0 to 4 { affine.for %j = 0 to 4 {
          affine.for %c = 0 to 3 { affine.for %p = 0 to 3 { affine.for %q = 0 to 3 {
            %0 = affine.load %x[%c, %i * 2 + %p, %j * 2 + %q] : memref<3x9x9xf32>
            %1 = affine.load %w[%o, %c, %p, %q] : memref<4x3x3x3xf32>
            %2 = affine.load %y[%o, %i, %j] : memref<4x4x4xf32>
            %3 = arith.mulf %0, %1 : f32
            %4 = arith.addf %2, %3 : f32
            affine.store %4, %y[%o, %i, %j] : memref<4x4x4xf32>
          } } } } } }""",
        [x, w, y],
    )
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::2, ::2]
    np.testing.assert_allclose(y, np.einsum("cijpq,ocpq->oij", windows, w), rtol=1e-5, atol=1e-5)


def test_a_recurrence_runs_in_order() -> None:
    x, y = normal(5, 6), np.zeros((5, 7), np.float32)
    execute(
        "%x: memref<5x6xf32>, %y: memref<5x7xf32>",
        """
        affine.for %i = 0 to 5 { affine.for %j = 0 to 6 {
          %0 = affine.load %x[%i, %j] : memref<5x6xf32>
          %1 = affine.load %y[%i, %j] : memref<5x7xf32>
          %2 = arith.addf %0, %1 : f32
          affine.store %2, %y[%i, %j + 1] : memref<5x7xf32>
        } }""",
        [x, y],
    )
    np.testing.assert_allclose(y[:, 1:], np.cumsum(x, 1), rtol=1e-5)


def test_a_nest_that_reads_what_its_last_iteration_wrote_elsewhere() -> None:
    """Reversal in place: no loop is independent, though the store alone selects by one index."""
    y = np.arange(6, dtype=np.float32)
    execute(
        "%y: memref<6xf32>",
        """
        affine.for %i = 0 to 6 {
          %0 = affine.load %y[-%i + 5] : memref<6xf32>
          affine.store %0, %y[%i] : memref<6xf32>
        }""",
        [y],
    )
    assert y.tolist() == [5, 4, 3, 3, 4, 5]


def test_a_loop_of_one_trip_that_the_store_leaves_out() -> None:
    x, y = normal(1), np.zeros(1, np.float32)
    execute(
        "%x: memref<1xf32>, %y: memref<1xf32>",
        """
        affine.for %i = 0 to 1 {
          %0 = affine.load %x[%i] : memref<1xf32>
          affine.store %0, %y[0] : memref<1xf32>
        }""",
        [x, y],
    )
    np.testing.assert_array_equal(y, x)


def test_staged_code_with_ragged_tiles_and_memory_spaces() -> None:
    x, y = normal(10), np.zeros(10, np.float32)
    execute(
        "%x: memref<10xf32>, %y: memref<10xf32>",
        """
        affine.for %t = 0 to 3 {
          %tile = memref.alloc() : memref<4xf32, affine_map<(d0) -> (d0 mod 2, d0 floordiv 2)>, #npu.sbuf>
          affine.for %i = 0 to min affine_map<(d0) -> (4, 10 - d0 * 4)>(%t) {
            %0 = affine.load %x[%t * 4 + %i] : memref<10xf32>
            affine.store %0, %tile[%i] : memref<4xf32, affine_map<(d0) -> (d0 mod 2, d0 floordiv 2)>, #npu.sbuf>
          }
          affine.for %i = 0 to min affine_map<(d0) -> (4, 10 - d0 * 4)>(%t) {
            %0 = affine.load %tile[%i] : memref<4xf32, affine_map<(d0) -> (d0 mod 2, d0 floordiv 2)>, #npu.sbuf>
            %1 = arith.negf %0 : f32
            affine.store %1, %y[%t * 4 + %i] : memref<10xf32>
          }
        }""",
        [x, y],
    )
    assert np.array_equal(y, -x)


def test_gather() -> None:
    table, which, y = normal(50, 8), np.array([3, 49, 3], np.int32), np.zeros((3, 8), np.float32)
    execute(
        "%table: memref<50x8xf32>, %which: memref<3xi32>, %y: memref<3x8xf32>",
        """
        affine.for %i = 0 to 3 { affine.for %j = 0 to 8 {
          %0 = affine.load %which[%i] : memref<3xi32>
          %1 = arith.index_cast %0 : i32 to index
          %2 = affine.apply affine_map<(d0) -> (7 - d0)>(%j)
          %3 = memref.load %table[%1, %2] : memref<50x8xf32>
          affine.store %3, %y[%i, %j] : memref<3x8xf32>
        } } {polystage.indirect}""",
        [table, which, y],
    )
    assert np.array_equal(y, table[which][:, ::-1])


def test_scatter_adds_in_order_where_indices_repeat() -> None:
    which, x, y = np.array([2, 0, 2, 2], np.int32), normal(4, 3), np.zeros((3, 3), np.float32)
    execute(
        "%which: memref<4xi32>, %x: memref<4x3xf32>, %y: memref<3x3xf32>",
        """
        affine.for %i = 0 to 4 { affine.for %j = 0 to 3 {
          %0 = affine.load %which[%i] : memref<4xi32>
          %1 = arith.index_cast %0 : i32 to index
          %2 = affine.load %x[%i, %j] : memref<4x3xf32>
          %3 = memref.load %y[%1, %j] : memref<3x3xf32>
          %4 = arith.addf %2, %3 : f32
          memref.store %4, %y[%1, %j] : memref<3x3xf32>
        } } {polystage.indirect}""",
        [which, x, y],
    )
    expected = np.zeros((3, 3), np.float32)
    np.add.at(expected, which, x)
    np.testing.assert_allclose(y, expected, rtol=1e-6)


def test_bf16_rounds_after_every_operation() -> None:
    x: NDArray[Any] = normal(100).astype(ml_dtypes.bfloat16)
    y: NDArray[Any] = np.zeros(100, ml_dtypes.bfloat16)
    execute(
        "%x: memref<100xbf16>, %y: memref<100xbf16>",
        """
        affine.for %i = 0 to 100 {
          %0 = affine.load %x[%i] : memref<100xbf16>
          %1 = arith.mulf %0, %0 : bf16
          %2 = arith.addf %1, %0 : bf16
          affine.store %2, %y[%i] : memref<100xbf16>
        }""",
        [x, y],
    )
    square = (x.astype(np.float32) ** 2).astype(ml_dtypes.bfloat16).astype(np.float32)
    assert np.array_equal(y, (square + x.astype(np.float32)).astype(ml_dtypes.bfloat16))


def test_constants_globals_and_reduction_to_a_scalar() -> None:
    y = np.zeros((), np.float32)
    execute(
        "%y: memref<f32>",
        """
        %half = arith.constant 0.5 : f32
        %c = memref.get_global @table : memref<3xf32>
        affine.for %z = 0 to 1 {
          affine.store %half, %y[] : memref<f32>
        }
        affine.for %i = 0 to 3 {
          %0 = affine.load %c[%i] : memref<3xf32>
          %1 = affine.load %y[] : memref<f32>
          %2 = arith.addf %0, %1 : f32
          affine.store %2, %y[] : memref<f32>
        }""",
        [y],
        'memref.global "private" constant @table : memref<3xf32> = dense<[1.0, 2.0, 4.0]>',
    )
    assert y == 7.5


def test_induction_variables_as_data_and_masks() -> None:
    y = np.zeros((4, 4), np.bool_)
    execute(
        "%y: memref<4x4xi1>",
        """
        affine.for %i = 0 to 4 { affine.for %j = 0 to 4 {
          %0 = arith.index_cast %i : index to i32
          %1 = affine.apply affine_map<(d0) -> (d0 + 1)>(%j)
          %2 = arith.index_cast %1 : index to i32
          %3 = arith.cmpi sge, %0, %2 : i32
          affine.store %3, %y[%i, %j] : memref<4x4xi1>
        } }""",
        [y],
    )
    assert np.array_equal(y, np.tri(4, k=-1, dtype=np.bool_))


def test_a_new_buffer_is_poison() -> None:
    y = np.zeros(3, np.float32)
    execute(
        "%y: memref<3xf32>",
        """
        %b = memref.alloc() : memref<3xf32>
        affine.for %i = 0 to 3 {
          %0 = affine.load %b[%i] : memref<3xf32>
          affine.store %0, %y[%i] : memref<3xf32>
        }""",
        [y],
    )
    assert np.isnan(y).all()


@pytest.mark.parametrize("index", ["%i - 1", "%i + 1"])
def test_out_of_bounds(index: str) -> None:
    body = f"""
    %one = arith.constant 1.0 : f32
    affine.for %i = 0 to 3 {{
      affine.store %one, %y[{index}] : memref<3xf32>
    }}"""
    with pytest.raises(IndexError, match=r"outside of dimension 0 \.\. 2"):
        execute("%y: memref<3xf32>", body, [np.zeros(3, np.float32)])


def test_unknown_operations_are_named() -> None:
    with pytest.raises(KeyError, match=r"math\.sincos"):
        execute(
            "%y: memref<3xf32>",
            """
            affine.for %i = 0 to 3 {
              %0 = affine.load %y[%i] : memref<3xf32>
              %1, %2 = math.sincos %0 : f32
              affine.store %1, %y[%i] : memref<3xf32>
            }""",
            [np.zeros(3, np.float32)],
        )
