// Buffers whose lives meet lie apart, others share; addresses are aligned to 4 bytes; the peak is noted.
// RUN: polystage-opt --set-target=name=tiny --allocate %s | FileCheck %s
// RUN: polystage-opt --set-target=name=tiny --allocate --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s --check-prefix=STATS

// STATS-DAG: 3 sbuf
// STATS-DAG: 1 psum
// STATS-DAG: 1 dram
// CHECK-DAG: npu.dram_peak = 256 : i64
// CHECK-DAG: npu.psum_peak = 20 : i64
// CHECK-DAG: npu.sbuf_peak = 1612 : i64
// CHECK-LABEL: func.func @main
func.func @main() {
  // CHECK: memref.alloc() {npu.address = 0 : i64, polystage.name = "d"}
  // CHECK: memref.alloc() {npu.address = [[A:[0-9]+]] : i64, polystage.name = "a"}
  // CHECK: memref.alloc() {npu.address = {{0|12}} : i64, polystage.name = "b"}
  // CHECK: memref.alloc() {npu.address = 0 : i64, polystage.name = "p"}
  // CHECK: memref.alloc() {npu.address = [[A]] : i64, polystage.name = "c"}
  %d = memref.alloc() {polystage.name = "d"} : memref<8x8xf32>
  %a = memref.alloc() {polystage.name = "a"} : memref<8x5xbf16, #npu.sbuf>
  %b = memref.alloc() {polystage.name = "b"} : memref<8x400xf32, #npu.sbuf>
  %p = memref.alloc() {polystage.name = "p"} : memref<8x5xf32, #npu.psum>
  "npu.memset"(%a) {value = 1.0 : f32, sizes = array<i64: 8, 5>, maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (memref<8x5xbf16, #npu.sbuf>) -> ()
  "npu.memset"(%p) {value = 1.0 : f32, sizes = array<i64: 8, 5>, maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (memref<8x5xf32, #npu.psum>) -> ()
  %c = memref.alloc() {polystage.name = "c"} : memref<8x3xf32, #npu.sbuf>
  "npu.memset"(%c) {value = 1.0 : f32, sizes = array<i64: 8, 3>, maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (memref<8x3xf32, #npu.sbuf>) -> ()
  "npu.memset"(%b) {value = 1.0 : f32, sizes = array<i64: 8, 400>, maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (memref<8x400xf32, #npu.sbuf>) -> ()
  return
}
