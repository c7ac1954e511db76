// A buffer lives until the transfers that use it have been waited for, also where a loop carries their tokens; what
// another token of the same loop stands for does not matter.
// RUN: polystage-opt --set-target=name=tiny --allocate --verify-dma %s | FileCheck %s

#id = affine_map<(d0, d1) -> (d0, d1)>
// CHECK: npu.sbuf_peak = 48 : i64
// CHECK-LABEL: func.func @main
func.func @main(%x: memref<8x4xf32>, %y: memref<8x4xf32>) {
  // CHECK: memref.alloc() {npu.address = [[A:[0-9]+]] : i64, polystage.name = "a"}
  // CHECK: memref.alloc() {npu.address = {{[0-9]+}} : i64, polystage.name = "b"}
  // CHECK: memref.alloc() {npu.address = {{[0-9]+}} : i64, polystage.name = "c"}
  // CHECK: memref.alloc() {npu.address = [[A]] : i64, polystage.name = "d"}
  // CHECK: memref.alloc() {npu.address = [[A]] : i64, polystage.name = "e"}
  %a = memref.alloc() {polystage.name = "a"} : memref<8x4xf32, #npu.sbuf>
  %b = memref.alloc() {polystage.name = "b"} : memref<8x4xf32, #npu.sbuf>
  %0 = "npu.dma_start"(%x, %a) {cause = "input", sizes = array<i64: 8, 4>, maps = [#id, #id]} : (memref<8x4xf32>, memref<8x4xf32, #npu.sbuf>) -> !npu.token
  %1 = "npu.dma_start"(%x, %b) {cause = "input", sizes = array<i64: 8, 4>, maps = [#id, #id]} : (memref<8x4xf32>, memref<8x4xf32, #npu.sbuf>) -> !npu.token
  %2, %3 = affine.for %i = 0 to 2 iter_args(%s = %0, %t = %1) -> (!npu.token, !npu.token) {
    %c = memref.alloc() {polystage.name = "c"} : memref<8x4xf32, #npu.sbuf>
    "npu.memset"(%c) {value = 1.0 : f32, sizes = array<i64: 8, 4>, maps = [#id]} : (memref<8x4xf32, #npu.sbuf>) -> ()
    affine.yield %s, %t : !npu.token, !npu.token
  }
  "npu.dma_wait"(%2) : (!npu.token) -> ()
  %d = memref.alloc() {polystage.name = "d"} : memref<8x4xf32, #npu.sbuf>
  "npu.memset"(%d) {value = 1.0 : f32, sizes = array<i64: 8, 4>, maps = [#id]} : (memref<8x4xf32, #npu.sbuf>) -> ()
  "npu.dma_wait"(%3) : (!npu.token) -> ()
  %e = memref.alloc() {polystage.name = "e"} : memref<8x8xf32, #npu.sbuf>
  "npu.memset"(%e) {value = 1.0 : f32, sizes = array<i64: 8, 4>, maps = [#id]} : (memref<8x8xf32, #npu.sbuf>) -> ()
  return
}
