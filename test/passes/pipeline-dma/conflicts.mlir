// A load waits for the store to the part of the array that it reads, and not for a store to another part.
// RUN: polystage-opt --set-target=name=tiny --pipeline-dma %s | FileCheck %s

#id = affine_map<(d0, d1) -> (d0, d1)>
#right = affine_map<(d0, d1) -> (d0, d1 + 4)>
// CHECK-LABEL: func.func @main
// CHECK: %[[OTHER:.*]] = "npu.dma_start"(%[[M:.*]], %[[C:.*]]) {cause = "apart"
// CHECK: "npu.memset"(%[[A:.*]]) {
// CHECK: %[[LEFT:.*]] = "npu.dma_start"(%[[A]], %[[M]]) {cause = "left"
// CHECK: "npu.dma_wait"(%[[LEFT]])
// CHECK: %[[SAME:.*]] = "npu.dma_start"(%[[M]], %[[B:.*]]) {cause = "same"
// CHECK-DAG: "npu.dma_wait"(%[[SAME]])
// CHECK-DAG: "npu.dma_wait"(%[[OTHER]])
// CHECK: npu.tensor_tensor
func.func @main(%m: memref<8x8xf32>) {
  %a = memref.alloc() {polystage.name = "a"} : memref<8x4xf32, #npu.sbuf>
  %b = memref.alloc() {polystage.name = "b"} : memref<8x4xf32, #npu.sbuf>
  %c = memref.alloc() {polystage.name = "c"} : memref<8x4xf32, #npu.sbuf>
  "npu.memset"(%a) {value = 1.0 : f32, sizes = array<i64: 8, 4>, maps = [#id]} : (memref<8x4xf32, #npu.sbuf>) -> ()
  %0 = "npu.dma_start"(%a, %m) {cause = "left", sizes = array<i64: 8, 4>, maps = [#id, #id]} : (memref<8x4xf32, #npu.sbuf>, memref<8x8xf32>) -> !npu.token
  "npu.dma_wait"(%0) : (!npu.token) -> ()
  %1 = "npu.dma_start"(%m, %c) {cause = "apart", sizes = array<i64: 8, 4>, maps = [#right, #id]} : (memref<8x8xf32>, memref<8x4xf32, #npu.sbuf>) -> !npu.token
  "npu.dma_wait"(%1) : (!npu.token) -> ()
  %2 = "npu.dma_start"(%m, %b) {cause = "same", sizes = array<i64: 8, 4>, maps = [#id, #id]} : (memref<8x8xf32>, memref<8x4xf32, #npu.sbuf>) -> !npu.token
  "npu.dma_wait"(%2) : (!npu.token) -> ()
  "npu.tensor_tensor"(%a, %b, %c) {op = "add", sizes = array<i64: 8, 4>, maps = [#id, #id, #id]} : (memref<8x4xf32, #npu.sbuf>, memref<8x4xf32, #npu.sbuf>, memref<8x4xf32, #npu.sbuf>) -> ()
  return
}
