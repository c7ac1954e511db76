// Two buffers that follow each other do not share bytes where there is room: the second could not be written before the
// first is read to its end.
// RUN: polystage-opt --set-target=name=tiny --pipeline-dma --allocate %s | FileCheck %s
// RUN: polystage-opt "--set-target=name=tiny sbuf=8KiB" --pipeline-dma --allocate %s | FileCheck %s --check-prefix=TIGHT

#id = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-DAG: memref.alloc() {npu.address = 0 : i64, polystage.name = "a"}
// CHECK-DAG: memref.alloc() {npu.address = 1024 : i64, polystage.name = "c"}
// TIGHT-DAG: npu.sbuf_peak = 1024
// TIGHT: return
func.func @main() {
  %a = memref.alloc() {polystage.name = "a"} : memref<8x128xf32, #npu.sbuf>
  %b = memref.alloc() {polystage.name = "b"} : memref<8x128xf32, #npu.sbuf>
  %c = memref.alloc() {polystage.name = "c"} : memref<8x128xf32, #npu.sbuf>
  "npu.memset"(%a) {value = 1.0 : f32, sizes = array<i64: 8, 128>, maps = [#id]} : (memref<8x128xf32, #npu.sbuf>) -> ()
  "npu.activation"(%b, %a) {func = "exp", sizes = array<i64: 8, 128>, maps = [#id, #id], operandSegmentSizes = array<i32: 1, 1, 0, 0, 0>} : (memref<8x128xf32, #npu.sbuf>, memref<8x128xf32, #npu.sbuf>) -> ()
  "npu.memset"(%c) {value = 1.0 : f32, sizes = array<i64: 8, 128>, maps = [#id]} : (memref<8x128xf32, #npu.sbuf>) -> ()
  "npu.tensor_tensor"(%c, %b, %c) {op = "add", sizes = array<i64: 8, 128>, maps = [#id, #id, #id]} : (memref<8x128xf32, #npu.sbuf>, memref<8x128xf32, #npu.sbuf>, memref<8x128xf32, #npu.sbuf>) -> ()
  return
}
