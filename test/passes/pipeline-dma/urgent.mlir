// A load that is needed first leaves first: what is needed later does not pass it, though it could start before the
// memset that the first one waits for. It passes it where engines have enough to do until then.
// RUN: polystage-opt --set-target=name=tiny --pipeline-dma --split-input-file %s | FileCheck %s

#id = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-LABEL: func.func @main
// CHECK-NOT: npu.dma_start
// CHECK: "npu.memset"(%[[A:[a-z_0-9]+]])
// CHECK: "npu.dma_start"(%{{.*}}, %[[A]]) {cause = "first"
// CHECK: "npu.dma_start"(%{{.*}}) {cause = "second"
// CHECK: npu.dma_wait
// CHECK: npu.tensor_tensor
func.func @main(%x: memref<8x4xf32>, %w: memref<8x64xf32>) {
  %a = memref.alloc() {polystage.name = "a"} : memref<8x4xf32, #npu.sbuf>
  %b = memref.alloc() {polystage.name = "b"} : memref<8x64xf32, #npu.sbuf>
  "npu.memset"(%a) {value = 1.0 : f32, sizes = array<i64: 8, 4>, maps = [#id]} : (memref<8x4xf32, #npu.sbuf>) -> ()
  %0 = "npu.dma_start"(%x, %a) {cause = "first", sizes = array<i64: 8, 4>, maps = [#id, #id]} : (memref<8x4xf32>, memref<8x4xf32, #npu.sbuf>) -> !npu.token
  "npu.dma_wait"(%0) : (!npu.token) -> ()
  %1 = "npu.dma_start"(%w, %b) {cause = "second", sizes = array<i64: 8, 64>, maps = [#id, #id]} : (memref<8x64xf32>, memref<8x64xf32, #npu.sbuf>) -> !npu.token
  "npu.dma_wait"(%1) : (!npu.token) -> ()
  "npu.tensor_tensor"(%b, %b, %a) {op = "add", sizes = array<i64: 8, 4>, maps = [#id, #id, #id]} : (memref<8x64xf32, #npu.sbuf>, memref<8x64xf32, #npu.sbuf>, memref<8x4xf32, #npu.sbuf>) -> ()
  return
}

// -----

#id = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-LABEL: func.func @main
// CHECK: "npu.dma_start"(%{{.*}}) {cause = "second"
// CHECK: affine.for
// CHECK: "npu.dma_start"(%{{.*}}) {cause = "first"
func.func @main(%x: memref<8x4xf32>, %w: memref<8x64xf32>) {
  %a = memref.alloc() {polystage.name = "a"} : memref<8x4xf32, #npu.sbuf>
  %b = memref.alloc() {polystage.name = "b"} : memref<8x64xf32, #npu.sbuf>
  %c = memref.alloc() {polystage.name = "c"} : memref<8x64xf32, #npu.sbuf>
  affine.for %i = 0 to 1000 {
    "npu.memset"(%c) {value = 1.0 : f32, sizes = array<i64: 8, 64>, maps = [#id]} : (memref<8x64xf32, #npu.sbuf>) -> ()
  }
  "npu.memset"(%a) {value = 1.0 : f32, sizes = array<i64: 8, 4>, maps = [#id]} : (memref<8x4xf32, #npu.sbuf>) -> ()
  %0 = "npu.dma_start"(%x, %a) {cause = "first", sizes = array<i64: 8, 4>, maps = [#id, #id]} : (memref<8x4xf32>, memref<8x4xf32, #npu.sbuf>) -> !npu.token
  "npu.dma_wait"(%0) : (!npu.token) -> ()
  %1 = "npu.dma_start"(%w, %b) {cause = "second", sizes = array<i64: 8, 64>, maps = [#id, #id]} : (memref<8x64xf32>, memref<8x64xf32, #npu.sbuf>) -> !npu.token
  "npu.dma_wait"(%1) : (!npu.token) -> ()
  "npu.tensor_tensor"(%b, %b, %a) {op = "add", sizes = array<i64: 8, 4>, maps = [#id, #id, #id]} : (memref<8x64xf32, #npu.sbuf>, memref<8x64xf32, #npu.sbuf>, memref<8x4xf32, #npu.sbuf>) -> ()
  return
}
