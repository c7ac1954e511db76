"""Elements that no nest has written yet, or ever writes, do not move with what is around them."""

import numpy as np
import pytest
from flow import REGISTRY, Array, assert_same, execute, interpret, parse
from torch_mlir import ir

from polystage.pipeline import run_pipeline

CORNER = """
func.func @main(%x: memref<33x2x2xf32> {polystage.name = "x", polystage.kind = "input"},
                %y: memref<2x2x33xf32> {polystage.name = "y", polystage.kind = "output"}) {
  %t = memref.alloc() {polystage.name = "t"} : memref<2x2x33xf32>
  affine.for %l = 0 to 33 { affine.for %i = 0 to 2 {
    %0 = affine.load %x[%l, %i, 0] : memref<33x2x2xf32>
    %1 = math.absf %0 : f32
    affine.store %1, %t[%i, 0, %l] : memref<2x2x33xf32>
  } }
  affine.for %l = 0 to 33 {
    %0 = affine.load %x[%l, 0, 1] : memref<33x2x2xf32>
    %1 = arith.addf %0, %0 : f32
    affine.store %1, %t[0, 1, %l] : memref<2x2x33xf32>
  }
  affine.for %l = 0 to 33 {
    %0 = affine.load %x[%l, 1, 1] : memref<33x2x2xf32>
    %1 = affine.load %x[24, 1, 1] : memref<33x2x2xf32>
    %2 = arith.addf %0, %1 : f32
    affine.store %2, %t[1, 1, %l] : memref<2x2x33xf32>
  }
  affine.for %l = 0 to 33 { affine.for %i = 0 to 2 { affine.for %j = 0 to 2 {
    %0 = affine.load %t[%i, %j, -%l + 32] : memref<2x2x33xf32>
    affine.store %0, %y[%i, %j, %l] : memref<2x2x33xf32>
  } } }
  return
}
"""
"""``t`` is written in three parts, so that the hull of the first two has the third one in it."""

STRIDED = """
func.func @main(%x: memref<8x8xf32> {polystage.name = "x", polystage.kind = "input"},
                %y: memref<8x16xf32> {polystage.name = "y", polystage.kind = "output"},
                %z: memref<8x8xf32> {polystage.name = "z", polystage.kind = "output"}) {
  affine.for %i = 0 to 8 { affine.for %j = 0 to 8 {
    %0 = affine.load %x[%i, %j] : memref<8x8xf32>
    %1 = arith.addf %0, %0 : f32
    affine.store %1, %y[%i, %j * 2] : memref<8x16xf32>
  } }
  affine.for %i = 0 to 8 { affine.for %j = 0 to 8 {
    %0 = affine.load %y[%i, %j * 2] : memref<8x16xf32>
    %1 = arith.addf %0, %0 : f32
    affine.store %1, %z[%i, %j] : memref<8x8xf32>
  } }
  return
}
"""
"""Every other element of the result ``y`` is what it was."""


def staged(text: str, sbuf: str, options: str = "") -> ir.Module:
    """The program on tiny, staged."""
    module = parse(text)
    run_pipeline(
        module.operation, f"set-target{{name=tiny sbuf={sbuf}}},refine-domains,map-banks,stage{options}", REGISTRY
    )
    return module


def check(text: str, arguments: list[Array], sbuf: str, options: str) -> None:
    wanted = interpret(parse(text), arguments)
    module = staged(text, sbuf, options)
    assert_same(interpret(module, arguments), wanted, tolerance=0)
    run_pipeline(module.operation, "lower-to-npu,allocate", REGISTRY)
    assert_same(execute(module, arguments), wanted, tolerance=0)


def numbers(*shape: int) -> Array:
    return (np.arange(np.prod(shape)) % 17).astype(np.float32).reshape(shape)


@pytest.mark.parametrize("sbuf", ["256", "384", "512", "2KiB"])
@pytest.mark.parametrize("options", ["{effort=1}", "{effort=2}"])
def test_a_part_of_an_array_comes_back_when_it_is_there(sbuf: str, options: str) -> None:
    check(CORNER, [numbers(33, 2, 2), np.full((2, 2, 33), 77, np.float32)], sbuf, options)


@pytest.mark.parametrize("options", ["{strategy=local}", "{effort=0}", "{effort=2}"])
def test_a_result_that_is_written_in_part_keeps_the_rest(options: str) -> None:
    results = [np.full((8, 16), 77, np.float32), np.full((8, 8), 77, np.float32)]
    check(STRIDED, [numbers(8, 8), *results], "16KiB", options)
