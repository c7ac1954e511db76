"""Native execution of affine, placed and linalg modules."""

import ml_dtypes
import numpy as np
import pytest
from torch_mlir import ir

from polystage.interp import jit
from polystage.interp.loop_order import make_innermost_contiguous
from polystage.interp.outline import Allocate, Call, Release, outline


def parse(text: str) -> ir.Module:
    return ir.Module.parse(text, ir.Context())


MATMUL = """
func.func @main(%a: memref<5x7xf32>, %b: memref<7x6xf32>, %c: memref<5x6xf32>) {
  %zero = arith.constant 0.0 : f32
  affine.for %i = 0 to 5 { affine.for %j = 0 to 6 {
    affine.store %zero, %c[%i, %j] : memref<5x6xf32>
  } }
  affine.for %i = 0 to 5 { affine.for %j = 0 to 6 { affine.for %k = 0 to 7 {
    %x = affine.load %a[%i, %k] : memref<5x7xf32>
    %y = affine.load %b[%k, %j] : memref<7x6xf32>
    %z = affine.load %c[%i, %j] : memref<5x6xf32>
    %p = arith.mulf %x, %y : f32
    %s = arith.addf %z, %p : f32
    affine.store %s, %c[%i, %j] : memref<5x6xf32>
  } } }
  return
}
"""


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def test_affine_matmul_writes_its_out_argument() -> None:
    a, b, c = random(5, 7), random(7, 6), np.full((5, 6), np.nan, np.float32)
    module = parse(MATMUL)
    text = str(module)
    jit.run(module, [a, b, c])
    np.testing.assert_allclose(c, a @ b, 1e-5)
    assert str(module) == text


def test_placed_module_runs_without_its_memories_and_layouts() -> None:
    module = parse(
        """
        #lanes = affine_map<(d0, d1) -> (d0 mod 4, d0 floordiv 4, d1)>
        func.func @main(%x: memref<8x3xf32>, %y: memref<8x3xf32>) {
          %two = arith.constant 2.0 : f32
          affine.for %i = 0 to 8 { affine.for %j = 0 to 3 {
            %tile = memref.alloc() : memref<8x3xf32, #lanes, 1>
            %v = affine.load %x[%i, %j] : memref<8x3xf32>
            affine.store %v, %tile[%i, %j] : memref<8x3xf32, #lanes, 1>
            %w = affine.load %tile[%i, %j] : memref<8x3xf32, #lanes, 1>
            %m = arith.mulf %w, %two : f32
            affine.store %m, %y[%i, %j] : memref<8x3xf32>
          } }
          return
        }
        """
    )
    x, y = random(8, 3), np.zeros((8, 3), np.float32)
    jit.run(module, [x, y])
    np.testing.assert_array_equal(y, x * 2)


@pytest.mark.parametrize("name", ["bf16", "f16"])
def test_narrow_floats_round_after_every_operation(name: str) -> None:
    dtype = {"bf16": ml_dtypes.bfloat16, "f16": np.float16}[name]
    module = parse(
        f"""
        func.func @main(%x: memref<64x{name}>, %y: memref<64x{name}>) {{
          affine.for %i = 0 to 64 {{
            %v = affine.load %x[%i] : memref<64x{name}>
            %e = math.exp %v : {name}
            %s = arith.addf %e, %v : {name}
            affine.store %s, %y[%i] : memref<64x{name}>
          }}
          return
        }}
        """
    )
    x = random(64).astype(dtype)
    y = np.zeros(64, dtype)
    jit.run(module, [x, y])
    exp = np.exp(x.astype(np.float32)).astype(dtype)
    np.testing.assert_array_equal(y, (exp.astype(np.float32) + x.astype(np.float32)).astype(dtype))


def test_booleans_and_gather() -> None:
    module = parse(
        """
        func.func @main(%t: memref<9x4xf32>, %r: memref<3xi32>, %m: memref<3xi1>, %y: memref<3x4xf32>) {
          %zero = arith.constant 0.0 : f32
          affine.for %i = 0 to 3 { affine.for %j = 0 to 4 {
            %n = affine.load %r[%i] : memref<3xi32>
            %row = arith.index_cast %n : i32 to index
            %v = memref.load %t[%row, %j] : memref<9x4xf32>
            %p = affine.load %m[%i] : memref<3xi1>
            %s = arith.select %p, %v, %zero : f32
            affine.store %s, %y[%i, %j] : memref<3x4xf32>
          } }
          return
        }
        """
    )
    table, rows, mask = random(9, 4), np.array([8, 0, 3], np.int32), np.array([True, False, True])
    y = np.zeros((3, 4), np.float32)
    jit.run(module, [table, rows, mask, y])
    np.testing.assert_array_equal(y, np.where(mask[:, None], table[rows], 0))


def test_linalg_returns_its_results() -> None:
    module = parse(
        """
        func.func @main(%a: tensor<5x7xf32>, %b: tensor<7x6xf32>) -> (tensor<5x6xf32>, tensor<30xf32>) {
          %zero = arith.constant 0.0 : f32
          %init = tensor.empty() : tensor<5x6xf32>
          %fill = linalg.fill ins(%zero : f32) outs(%init : tensor<5x6xf32>) -> tensor<5x6xf32>
          %c = linalg.matmul ins(%a, %b : tensor<5x7xf32>, tensor<7x6xf32>)
              outs(%fill : tensor<5x6xf32>) -> tensor<5x6xf32>
          %flat = tensor.collapse_shape %c [[0, 1]] : tensor<5x6xf32> into tensor<30xf32>
          return %c, %flat : tensor<5x6xf32>, tensor<30xf32>
        }
        """
    )
    a, b = random(5, 7), random(7, 6)
    c, flat = jit.run_linalg(module, [a, b])
    np.testing.assert_allclose(c, a @ b, 1e-5)
    np.testing.assert_array_equal(flat, c.ravel())


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ([random(5, 7)], "@main takes 3 arguments, 1 given"),
        ([random(5, 7), random(6, 7), random(5, 6)], r"argument 1 is float32\[6, 7\], @main takes float32\[7, 6\]"),
        ([random(5, 7), random(7, 6).astype(np.float64), random(5, 6)], r"argument 1 is float64\[7, 6\]"),
        ([random(7, 5).T, random(7, 6), random(5, 6)], "argument 0 is not C-contiguous"),
    ],
)
def test_wrong_arrays_are_refused(arrays: list[np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        jit.run(parse(MATMUL), arrays)


def nest_order(module: ir.Module) -> list[int]:
    """Trip counts from the outermost to the innermost loop of the last nest."""
    with module.context:
        main = module.body.operations[0].operation
        make_innermost_contiguous(main)
        loop = [op for op in main.regions[0].blocks[0].operations if op.operation.name == "affine.for"][-1].operation
    counts: list[int] = []
    while loop.name == "affine.for":
        counts.append(int(str(loop.attributes["upperBoundMap"]).rsplit("(", 1)[1].split(")")[0]))
        loop = loop.regions[0].blocks[0].operations[0].operation
    return counts


def test_contiguous_loop_moves_innermost() -> None:
    assert nest_order(parse(MATMUL)) == [5, 7, 6]


def test_loop_with_a_carried_dependence_stays() -> None:
    scan = """
    func.func @main(%x: memref<4x9xf32>) {
      affine.for %i = 0 to 8 { affine.for %j = 0 to 4 {
        %v = affine.load %x[%j, %i] : memref<4x9xf32>
        affine.store %v, %x[%j, %i + 1] : memref<4x9xf32>
      } }
      return
    }
    """
    assert nest_order(parse(scan)) == [8, 4]


def test_strided_reads_keep_the_order() -> None:
    transposed = MATMUL.replace("%b[%k, %j]", "%b[%j, %k]").replace("7x6", "6x7")
    assert nest_order(parse(transposed)) == [5, 6, 7]


def test_equal_nests_share_a_function_and_buffers_are_released() -> None:
    nest = """
    %{0} = memref.alloc() : memref<8xf32>
    affine.for %i = 0 to 8 {{
      %v = affine.load %{1}[%i] : memref<8xf32>
      %w = arith.addf %v, %v : f32
      affine.store %w, %{0}[%i] : memref<8xf32>
    }}"""
    body = "".join(nest.format(f"t{k + 1}", f"t{k}") for k in range(3))
    module = parse(f"func.func @main(%t0: memref<8xf32>) {{ {body} return }}")
    with module.context, ir.Location.unknown():
        plan = outline(module, module.body.operations[0].operation)
    assert plan.steps == (
        Allocate(1, 8, "f32"),
        Call("step_0", (0, 1)),
        Allocate(2, 8, "f32"),
        Call("step_0", (1, 2)),
        Release(1),
        Allocate(3, 8, "f32"),
        Call("step_0", (2, 3)),
        Release(2),
        Release(3),
    )
