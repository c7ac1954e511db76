// RUN: polystage-opt --verify-dma --mlir-pass-statistics %s 2>&1 | FileCheck %s

// Copies of a tile are used in turn: the next is loaded while this one is read.

// CHECK-DAG: 2 transfers
// CHECK-DAG: 3 sets

#tile = affine_map<(d0, d1)[s0, s1] -> (d0, s0 * 4 + d1)>
#copy = affine_map<(d0, d1)[s0, s1] -> (d0, s1, d1)>
func.func @main(%x: memref<8x40xf32>) {
  %a = memref.alloc() {npu.address = 0 : i64} : memref<8x2x4xf32, #npu.sbuf>
  %zero = affine.apply affine_map<() -> (0)>()
  %t0 = "npu.dma_start"(%x, %a, %zero, %zero) {cause = "input", sizes = array<i64: 8, 4>, maps = [#tile, #copy]} : (memref<8x40xf32>, memref<8x2x4xf32, #npu.sbuf>, index, index) -> !npu.token
  %r = affine.for %i = 0 to 9 iter_args(%t = %t0) -> (!npu.token) {
    %next = affine.apply affine_map<(d0) -> (d0 + 1)>(%i)
    %there = affine.apply affine_map<(d0) -> ((d0 + 1) mod 2)>(%i)
    %here = affine.apply affine_map<(d0) -> (d0 mod 2)>(%i)
    %t1 = "npu.dma_start"(%x, %a, %next, %there) {cause = "input", sizes = array<i64: 8, 4>, maps = [#tile, #copy]} : (memref<8x40xf32>, memref<8x2x4xf32, #npu.sbuf>, index, index) -> !npu.token
    "npu.dma_wait"(%t) : (!npu.token) -> ()
    "npu.memset"(%a, %here) {value = 0.0 : f32, sizes = array<i64: 8, 4>, maps = [affine_map<(d0, d1)[s0] -> (d0, s0, d1)>]} : (memref<8x2x4xf32, #npu.sbuf>, index) -> ()
    affine.yield %t1 : !npu.token
  }
  "npu.dma_wait"(%r) : (!npu.token) -> ()
  return
}
