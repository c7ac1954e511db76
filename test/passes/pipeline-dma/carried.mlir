// What an iteration loads was stored by the one before it: no transfer crosses iterations. A tile that is filled before
// the loop is no tile of one iteration, it has one copy.
// RUN: polystage-opt --set-target=name=tiny --pipeline-dma %s | FileCheck %s

#id = affine_map<(d0, d1)[s0] -> (d0, d1)>
#tile = affine_map<(d0, d1)[s0] -> (d0, s0 * 4 + d1)>
#next = affine_map<(d0, d1)[s0] -> (d0, s0 * 4 + d1 + 4)>
#all = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-LABEL: func.func @main
// CHECK: affine.for %{{.*}} = 0 to 9 {
// CHECK-NEXT: %[[L:.*]] = "npu.dma_start"
// CHECK-NEXT: "npu.dma_wait"(%[[L]])
// CHECK-NEXT: "npu.tensor_tensor"
// CHECK-NEXT: %[[S:.*]] = "npu.dma_start"
// CHECK-NEXT: "npu.dma_wait"(%[[S]])
func.func @main(%m: memref<8x40xf32>) {
  %a = memref.alloc() {polystage.name = "a"} : memref<8x4xf32, #npu.sbuf>
  %b = memref.alloc() {polystage.name = "b"} : memref<8x4xf32, #npu.sbuf>
  "npu.memset"(%b) {value = 1.0 : f32, sizes = array<i64: 8, 4>, maps = [#all]} : (memref<8x4xf32, #npu.sbuf>) -> ()
  affine.for %i = 0 to 9 {
    %0 = "npu.dma_start"(%m, %a, %i) {cause = "input", sizes = array<i64: 8, 4>, maps = [#tile, #id]} : (memref<8x40xf32>, memref<8x4xf32, #npu.sbuf>, index) -> !npu.token
    "npu.dma_wait"(%0) : (!npu.token) -> ()
    "npu.tensor_tensor"(%b, %b, %a) {op = "add", sizes = array<i64: 8, 4>, maps = [#all, #all, #all]} : (memref<8x4xf32, #npu.sbuf>, memref<8x4xf32, #npu.sbuf>, memref<8x4xf32, #npu.sbuf>) -> ()
    %1 = "npu.dma_start"(%b, %m, %i) {cause = "output", sizes = array<i64: 8, 4>, maps = [#id, #next]} : (memref<8x4xf32, #npu.sbuf>, memref<8x40xf32>, index) -> !npu.token
    "npu.dma_wait"(%1) : (!npu.token) -> ()
  }
  return
}
