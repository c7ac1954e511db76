"""Static traffic: bytes written down by hand, and the same that the reference executor counts while it runs."""

from collections.abc import Iterator

import numpy as np
import pytest
from torch_mlir import ir

from polystage import dialects, machine
from polystage.analysis.traffic import predict
from polystage.interp import npu
from polystage.interp.counts import Counter, Row

PROGRAM = """
func.func @main(%table: memref<50x12xf32> {{polystage.name = "table"}},
                %which: memref<8xi32> {{polystage.name = "which"}},
                %w: memref<8x6xf32> {{polystage.name = "w"}},
                %out: memref<6x12xbf16> {{polystage.name = "out", polystage.kind = "output"}}) {{
  %i = memref.alloc() {{npu.address = 0}} : memref<8xi32, #npu.sbuf>
  %rows = memref.alloc() {{npu.address = 32}} : memref<8x12xf32, #npu.sbuf>
  %ws = memref.alloc() {{npu.address = 96}} : memref<8x6xf32, #npu.sbuf>
  %acc = memref.alloc() {{npu.address = 0}} : memref<6x12xf32, #npu.psum>
  %sum = memref.alloc() {{npu.address = 160}} : memref<6xf32, #npu.sbuf>
  %res = memref.alloc() {{npu.address = 192}} : memref<6x12xbf16, #npu.sbuf>
  %t0 = "npu.dma_start"(%which, %i) {{cause = "input", sizes = array<i64: 8>, maps = [{d0}, {d0}]}}
      : (memref<8xi32>, memref<8xi32, #npu.sbuf>) -> !npu.token
  "npu.dma_wait"(%t0) : (!npu.token) -> ()
  %t1 = "npu.gather"(%table, %rows, %i) {{cause = "parameter", sizes = array<i64: 8, 12>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0>,
      maps = [affine_map<(d0, d1, d2) -> (d2, d1)>, {d01}, affine_map<(d0, d1) -> (d0)>]}}
      : (memref<50x12xf32>, memref<8x12xf32, #npu.sbuf>, memref<8xi32, #npu.sbuf>) -> !npu.token
  "npu.dma_wait"(%t1) : (!npu.token) -> ()
  %t2 = "npu.dma_start"(%w, %ws) {{cause = "parameter", sizes = array<i64: 8, 6>, maps = [{d01}, {d01}]}}
      : (memref<8x6xf32>, memref<8x6xf32, #npu.sbuf>) -> !npu.token
  "npu.dma_wait"(%t2) : (!npu.token) -> ()
  affine.for %j = 0 to 3 {{
    "npu.matmul"(%acc, %ws, %rows, %j) {{accumulate = false, sizes = array<i64: 8, 6, 4>,
        maps = [affine_map<(d0, d1, d2)[s0] -> (d1, d2 + 4 * s0)>, affine_map<(d0, d1, d2)[s0] -> (d0, d1)>,
                affine_map<(d0, d1, d2)[s0] -> (d0, d2 + 4 * s0)>]}}
        : (memref<6x12xf32, #npu.psum>, memref<8x6xf32, #npu.sbuf>, memref<8x12xf32, #npu.sbuf>, index) -> ()
  }}
  affine.for %j = 0 to 2 {{
    "npu.matmul"(%acc, %ws, %rows) {{accumulate = true, sizes = array<i64: 8, 6, 12>,
        maps = [affine_map<(d0, d1, d2) -> (d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1)>,
                affine_map<(d0, d1, d2) -> (d0, d2)>]}}
        : (memref<6x12xf32, #npu.psum>, memref<8x6xf32, #npu.sbuf>, memref<8x12xf32, #npu.sbuf>) -> ()
  }}
  "npu.tensor_reduce"(%sum, %acc) {{op = "add", sizes = array<i64: 6, 12>,
      maps = [affine_map<(d0, d1) -> (d0)>, {d01}]}}
      : (memref<6xf32, #npu.sbuf>, memref<6x12xf32, #npu.psum>) -> ()
  "npu.tensor_scalar"(%acc, %acc, %sum) {{op0 = "subtract", reverse0 = false, sizes = array<i64: 6, 12>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>, maps = [{d01}, {d01}, affine_map<(d0, d1) -> (d0)>]}}
      : (memref<6x12xf32, #npu.psum>, memref<6x12xf32, #npu.psum>, memref<6xf32, #npu.sbuf>) -> ()
  "npu.activation"(%res, %acc, %sum) {{func = "tanh", scale = 1.0 : f32, bias = 0.0 : f32, sizes = array<i64: 6, 12>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>, maps = [{d01}, {d01}, affine_map<(d0, d1) -> (d0)>]}}
      : (memref<6x12xbf16, #npu.sbuf>, memref<6x12xf32, #npu.psum>, memref<6xf32, #npu.sbuf>) -> ()
  %t3 = "npu.dma_start"(%res, %out) {{cause = "output", sizes = array<i64: 6, 12>, maps = [{d01}, {d01}]}}
      : (memref<6x12xbf16, #npu.sbuf>, memref<6x12xbf16>) -> !npu.token
  "npu.dma_wait"(%t3) : (!npu.token) -> ()
  return
}}
""".format(d0="affine_map<(d0) -> (d0)>", d01="affine_map<(d0, d1) -> (d0, d1)>")

ROWS_BY_HAND = (
    Row("dram", "out", "dma", "output", "write", 6 * 12 * 2),
    Row("dram", "table", "dma", "parameter", "read", 8 * 12 * 4),
    Row("dram", "w", "dma", "parameter", "read", 8 * 6 * 4),
    Row("dram", "which", "dma", "input", "read", 8 * 4),
    Row("psum", "", "scalar", "", "read", 6 * 12 * 4),
    Row("psum", "", "tensor", "", "read", 2 * 6 * 12 * 4),
    Row("psum", "", "tensor", "", "write", 3 * 6 * 4 * 4 + 2 * 6 * 12 * 4),
    Row("psum", "", "vector", "", "read", 2 * 6 * 12 * 4),
    Row("psum", "", "vector", "", "write", 6 * 12 * 4),
    # the result, and the indices of the gather over its whole box
    Row("sbuf", "", "dma", "", "read", 6 * 12 * 2 + 8 * 12 * 4),
    Row("sbuf", "", "dma", "", "write", 8 * 4 + 8 * 12 * 4 + 8 * 6 * 4),
    Row("sbuf", "", "scalar", "", "read", 6 * 4),
    Row("sbuf", "", "scalar", "", "write", 6 * 12 * 2),
    Row("sbuf", "", "tensor", "", "read", 3 * (8 * 6 + 8 * 4) * 4 + 2 * (8 * 6 + 8 * 12) * 4),
    Row("sbuf", "", "vector", "", "read", 6 * 4),
    Row("sbuf", "", "vector", "", "write", 6 * 4),
)


@pytest.fixture
def program() -> Iterator[ir.Module]:
    with ir.Context() as context:
        dialects.register(context)
        module = ir.Module.parse(PROGRAM)
        module.operation.attributes["polystage.target"] = machine.to_attribute(machine.load("tiny"))
        assert module.operation.verify()
        yield module


def test_bytes_by_hand(program: ir.Module) -> None:
    assert predict(program.operation).bytes.rows == ROWS_BY_HAND


def test_instructions_and_macs(program: ir.Module) -> None:
    counts = predict(program.operation)
    assert counts.macs == 3 * 8 * 6 * 4 + 2 * 8 * 6 * 12
    assert counts.instructions["matmul"] == 5
    assert counts.instructions["dma_start"] == 3


def test_prediction_equals_execution(program: ir.Module) -> None:
    random = np.random.default_rng(0)
    table, w = (random.standard_normal(shape).astype(np.float32) for shape in ((50, 12), (8, 6)))
    out = np.zeros((6, 12), "bfloat16")
    counter = Counter()
    npu.execute(program, [table, random.integers(0, 50, 8, np.int32), w, out], listeners=(counter,))
    assert counter.counts() == predict(program.operation)


def test_loops_without_constant_bounds_are_refused() -> None:
    text = """func.func @main() {
      affine.for %i = 0 to 4 {
        affine.for %j = 0 to affine_map<(d0) -> (d0)>(%i) { }
      }
      return
    }"""
    with ir.Context():
        module = ir.Module.parse(text)
        with pytest.raises(ValueError, match="constants"):
            predict(module.operation)
