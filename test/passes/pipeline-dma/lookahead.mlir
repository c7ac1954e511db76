// A start moves past so many other transfers at most.
// RUN: polystage-opt --set-target=name=tiny --pipeline-dma=lookahead=1 %s | FileCheck %s
// RUN: polystage-opt --set-target=name=tiny --pipeline-dma=lookahead=2 %s | FileCheck %s --check-prefix=TWO

// CHECK: cause = "one"
// CHECK: cause = "two"
// CHECK: npu.memset
// CHECK: cause = "three"
// CHECK: npu.memset

// TWO: cause = "one"
// TWO: cause = "two"
// TWO: cause = "three"
// TWO: npu.memset
// TWO: npu.memset
#id = affine_map<(d0, d1) -> (d0, d1)>
func.func @main(%x: memref<8x4xf32>, %y: memref<8x4xf32>) {
  %a = memref.alloc() {polystage.name = "a"} : memref<8x4xf32, #npu.sbuf>
  %b = memref.alloc() {polystage.name = "b"} : memref<8x4xf32, #npu.sbuf>
  %c = memref.alloc() {polystage.name = "c"} : memref<8x4xf32, #npu.sbuf>
  %d = memref.alloc() {polystage.name = "d"} : memref<8x4xf32, #npu.sbuf>
  %0 = "npu.dma_start"(%x, %a) {cause = "one", sizes = array<i64: 8, 4>, maps = [#id, #id]} : (memref<8x4xf32>, memref<8x4xf32, #npu.sbuf>) -> !npu.token
  "npu.dma_wait"(%0) : (!npu.token) -> ()
  "npu.memset"(%d) {value = 1.0 : f32, sizes = array<i64: 8, 4>, maps = [#id]} : (memref<8x4xf32, #npu.sbuf>) -> ()
  %1 = "npu.dma_start"(%x, %b) {cause = "two", sizes = array<i64: 8, 4>, maps = [#id, #id]} : (memref<8x4xf32>, memref<8x4xf32, #npu.sbuf>) -> !npu.token
  "npu.dma_wait"(%1) : (!npu.token) -> ()
  "npu.memset"(%d) {value = 1.0 : f32, sizes = array<i64: 8, 4>, maps = [#id]} : (memref<8x4xf32, #npu.sbuf>) -> ()
  %2 = "npu.dma_start"(%x, %c) {cause = "three", sizes = array<i64: 8, 4>, maps = [#id, #id]} : (memref<8x4xf32>, memref<8x4xf32, #npu.sbuf>) -> !npu.token
  "npu.dma_wait"(%2) : (!npu.token) -> ()
  "npu.memset"(%d) {value = 1.0 : f32, sizes = array<i64: 8, 4>, maps = [#id]} : (memref<8x4xf32, #npu.sbuf>) -> ()
  return
}
