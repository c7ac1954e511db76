// Tiles that a loop loads and stores get copies; the load of the next iteration starts before this one is worked on, and
// the store of the last one ends behind it.
// RUN: polystage-opt --set-target=name=tiny --pipeline-dma --mlir-print-local-scope %s | FileCheck %s
// RUN: polystage-opt --set-target=name=tiny --pipeline-dma=buffers=1 %s | FileCheck %s --check-prefix=ONE
// RUN: polystage-opt --set-target=name=tiny --pipeline-dma=buffers=3 --mlir-print-local-scope %s | FileCheck %s --check-prefix=THREE
// RUN: polystage-opt --set-target=name=tiny --pipeline-dma --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s --check-prefix=STATS

// STATS: 1 loops

// CHECK-LABEL: func.func @main
// CHECK: %[[A:.*]] = memref.alloc() {polystage.name = "a"} : memref<8x2x4xf32, #npu.sbuf>
// CHECK: %[[L0:.*]] = "npu.dma_start"(%[[X:.*]], %[[A]]
// CHECK: %[[L1:.*]] = "npu.dma_start"(%[[X]], %[[A]]
// CHECK: "npu.dma_wait"(%[[L0]])
// CHECK: %[[B:.*]] = memref.alloc() {polystage.name = "b"} : memref<8x2x4xf32, #npu.sbuf>
// CHECK: npu.activation
// CHECK: %[[S0:.*]] = "npu.dma_start"(%[[B]], %[[Y:.*]], %{{.*}}, %{{.*}})
// CHECK: %[[R:.*]]:2 = affine.for %[[I:.*]] = 1 to 9 iter_args(%[[LOAD:.*]] = %[[L1]], %[[STORE:.*]] = %[[S0]]) -> (!npu.token, !npu.token) {
// CHECK-DAG: %[[NEXT:.*]] = affine.apply affine_map<(d0) -> (d0 + 1)>(%[[I]])
// CHECK-DAG: %[[THERE:.*]] = affine.apply affine_map<(d0) -> ((d0 + 1) mod 2)>(%[[I]])
// CHECK-DAG: %[[HERE:.*]] = affine.apply affine_map<(d0) -> (d0 mod 2)>(%[[I]])
// CHECK: %[[LATER:.*]] = "npu.dma_start"(%[[X]], %[[A]], %[[NEXT]], %[[THERE]])
// CHECK-NEXT: "npu.dma_wait"(%[[LOAD]])
// CHECK-NEXT: "npu.activation"(%[[B]], %[[A]], %[[HERE]])
// CHECK-SAME: affine_map<(d0, d1)[s0] -> (d0, s0, d1)>
// CHECK-NEXT: "npu.dma_wait"(%[[STORE]])
// CHECK-NEXT: %[[STORED:.*]] = "npu.dma_start"(%[[B]], %[[Y]], %[[I]], %[[HERE]])
// CHECK-NEXT: affine.yield %[[LATER]], %[[STORED]]
// CHECK: "npu.dma_wait"(%[[R]]#0)
// CHECK: npu.activation
// CHECK: "npu.dma_wait"(%[[R]]#1)
// CHECK: %[[S9:.*]] = "npu.dma_start"(%[[B]], %[[Y]]
// CHECK: "npu.dma_wait"(%[[S9]])

// ONE: affine.for %{{.*}} = 0 to 10 {
// ONE-NEXT: npu.dma_start
// ONE-NEXT: npu.dma_wait
// ONE-NEXT: npu.activation
// ONE-NEXT: npu.dma_start
// ONE-NEXT: npu.dma_wait

// THREE: memref<8x3x4xf32, #npu.sbuf>
// THREE: affine.for %{{.*}} = 1 to 8 iter_args(%[[FIRST:.*]] = %{{.*}}, %[[SECOND:.*]] = %{{.*}}, %{{.*}} = %{{.*}}) -> (!npu.token, !npu.token, !npu.token) {
// THREE-DAG: affine.apply affine_map<(d0) -> (d0 + 2)>
// THREE-DAG: affine.apply affine_map<(d0) -> ((d0 + 2) mod 3)>
// THREE: %[[THIRD:.*]] = "npu.dma_start"
// THREE: "npu.dma_wait"(%[[FIRST]])
// THREE: affine.yield %[[SECOND]], %[[THIRD]],
#id = affine_map<(d0, d1)[s0] -> (d0, d1)>
#tile = affine_map<(d0, d1)[s0] -> (d0, s0 * 4 + d1)>
func.func @main(%x: memref<8x40xf32>, %y: memref<8x40xf32>) {
  %a = memref.alloc() {polystage.name = "a"} : memref<8x4xf32, #npu.sbuf>
  %b = memref.alloc() {polystage.name = "b"} : memref<8x4xf32, #npu.sbuf>
  affine.for %i = 0 to 10 {
    %0 = "npu.dma_start"(%x, %a, %i) {cause = "input", sizes = array<i64: 8, 4>, maps = [#tile, #id]} : (memref<8x40xf32>, memref<8x4xf32, #npu.sbuf>, index) -> !npu.token
    "npu.dma_wait"(%0) : (!npu.token) -> ()
    "npu.activation"(%b, %a) {func = "exp", sizes = array<i64: 8, 4>, maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>], operandSegmentSizes = array<i32: 1, 1, 0, 0, 0>} : (memref<8x4xf32, #npu.sbuf>, memref<8x4xf32, #npu.sbuf>) -> ()
    %1 = "npu.dma_start"(%b, %y, %i) {cause = "output", sizes = array<i64: 8, 4>, maps = [#id, #tile]} : (memref<8x4xf32, #npu.sbuf>, memref<8x40xf32>, index) -> !npu.token
    "npu.dma_wait"(%1) : (!npu.token) -> ()
  }
  return
}
