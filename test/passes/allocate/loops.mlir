// A buffer that a loop uses lives through the whole loop; one that is allocated inside lives inside.
// RUN: polystage-opt --set-target=name=tiny --allocate %s | FileCheck %s

// CHECK: npu.sbuf_peak = 32 : i64
// CHECK-LABEL: func.func @main
func.func @main() {
  // CHECK: memref.alloc() {npu.address = [[OUTER:[0-9]+]] : i64, polystage.name = "outer"}
  // CHECK: affine.for
  // CHECK: memref.alloc() {npu.address = [[INNER:[0-9]+]] : i64, polystage.name = "inner"}
  // CHECK: memref.alloc() {npu.address = [[INNER]] : i64, polystage.name = "next"}
  %outer = memref.alloc() {polystage.name = "outer"} : memref<8x4xf32, #npu.sbuf>
  affine.for %i = 0 to 3 {
    "npu.memset"(%outer) {value = 1.0 : f32, sizes = array<i64: 8, 4>, maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (memref<8x4xf32, #npu.sbuf>) -> ()
    %inner = memref.alloc() {polystage.name = "inner"} : memref<8x4xf32, #npu.sbuf>
    "npu.memset"(%inner) {value = 1.0 : f32, sizes = array<i64: 8, 4>, maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (memref<8x4xf32, #npu.sbuf>) -> ()
    %next = memref.alloc() {polystage.name = "next"} : memref<8x4xf32, #npu.sbuf>
    "npu.memset"(%next) {value = 1.0 : f32, sizes = array<i64: 8, 4>, maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (memref<8x4xf32, #npu.sbuf>) -> ()
  }
  return
}
