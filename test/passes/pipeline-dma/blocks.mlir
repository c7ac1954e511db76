// A start moves up and a wait moves down, as far as nothing conflicts; the order of instructions stays.
// RUN: polystage-opt --set-target=name=tiny --pipeline-dma %s | FileCheck %s
// RUN: polystage-opt --set-target=name=tiny --pipeline-dma=strategy=off %s | FileCheck %s --check-prefix=OFF
// RUN: polystage-opt --set-target=name=tiny --pipeline-dma --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s --check-prefix=STATS

// STATS-DAG: 1 moved
// STATS-DAG: 0 loops

#id = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-LABEL: func.func @main
// CHECK: %[[T0:.*]] = "npu.dma_start"(%[[X:.*]], %[[A:.*]]) {cause = "input"
// CHECK: %[[T1:.*]] = "npu.dma_start"(%[[W:.*]], %[[C:.*]]) {cause = "parameter"
// CHECK-NEXT: "npu.dma_wait"(%[[T0]])
// CHECK: "npu.activation"(%[[B:.*]], %[[A]])
// CHECK: %[[T2:.*]] = "npu.dma_start"(%[[B]], %[[Y:.*]]) {cause = "output"
// CHECK-NEXT: "npu.dma_wait"(%[[T1]])
// CHECK: "npu.tensor_tensor"(%[[A]], %[[A]], %[[C]])
// CHECK-NEXT: %[[T3:.*]] = "npu.dma_start"(%[[A]], %[[Z:.*]]) {cause = "output"
// CHECK-NEXT: "npu.dma_wait"(%[[T2]])
// CHECK-NEXT: "npu.dma_wait"(%[[T3]])

// OFF-LABEL: func.func @main
// OFF: npu.dma_start
// OFF-NEXT: npu.dma_wait
// OFF-NEXT: npu.activation
// OFF-NEXT: npu.dma_start
// OFF-NEXT: npu.dma_wait
// OFF-NEXT: npu.dma_start
// OFF-NEXT: npu.dma_wait
// OFF-NEXT: npu.tensor_tensor
func.func @main(%x: memref<8x4xf32>, %w: memref<8x4xf32>, %y: memref<8x4xf32>, %z: memref<8x4xf32>) {
  %a = memref.alloc() {polystage.name = "a"} : memref<8x4xf32, #npu.sbuf>
  %b = memref.alloc() {polystage.name = "b"} : memref<8x4xf32, #npu.sbuf>
  %c = memref.alloc() {polystage.name = "c"} : memref<8x4xf32, #npu.sbuf>
  %0 = "npu.dma_start"(%x, %a) {cause = "input", sizes = array<i64: 8, 4>, maps = [#id, #id]} : (memref<8x4xf32>, memref<8x4xf32, #npu.sbuf>) -> !npu.token
  "npu.dma_wait"(%0) : (!npu.token) -> ()
  "npu.activation"(%b, %a) {func = "exp", sizes = array<i64: 8, 4>, maps = [#id, #id], operandSegmentSizes = array<i32: 1, 1, 0, 0, 0>} : (memref<8x4xf32, #npu.sbuf>, memref<8x4xf32, #npu.sbuf>) -> ()
  %1 = "npu.dma_start"(%b, %y) {cause = "output", sizes = array<i64: 8, 4>, maps = [#id, #id]} : (memref<8x4xf32, #npu.sbuf>, memref<8x4xf32>) -> !npu.token
  "npu.dma_wait"(%1) : (!npu.token) -> ()
  %2 = "npu.dma_start"(%w, %c) {cause = "parameter", sizes = array<i64: 8, 4>, maps = [#id, #id]} : (memref<8x4xf32>, memref<8x4xf32, #npu.sbuf>) -> !npu.token
  "npu.dma_wait"(%2) : (!npu.token) -> ()
  "npu.tensor_tensor"(%a, %a, %c) {op = "add", sizes = array<i64: 8, 4>, maps = [#id, #id, #id]} : (memref<8x4xf32, #npu.sbuf>, memref<8x4xf32, #npu.sbuf>, memref<8x4xf32, #npu.sbuf>) -> ()
  %3 = "npu.dma_start"(%a, %z) {cause = "output", sizes = array<i64: 8, 4>, maps = [#id, #id]} : (memref<8x4xf32, #npu.sbuf>, memref<8x4xf32>) -> !npu.token
  "npu.dma_wait"(%3) : (!npu.token) -> ()
  return
}
