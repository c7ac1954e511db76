// A copy between memories is one transfer whose box is the loops of more than one trip; tile loops become symbols.
// RUN: polystage-opt --set-target=name=tiny --lower-to-npu --mlir-print-local-scope %s | FileCheck %s
// RUN: polystage-opt --set-target=name=tiny --lower-to-npu --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s --check-prefix=STATS

// STATS-DAG: 2 transfers
// CHECK-LABEL: func.func @main
// CHECK: %[[TILE:.*]] = memref.alloc()
// CHECK: affine.for %[[T:.*]] = 0 to 4 {
// CHECK-NEXT: %[[IN:.*]] = "npu.dma_start"(%arg0, %[[TILE]], %[[T]]) {cause = "parameter",
// CHECK-SAME: maps = [affine_map<(d0, d1)[s0] -> (d0, d1 + s0 * 5)>, affine_map<(d0, d1)[s0] -> (d0, d1)>]
// CHECK-SAME: sizes = array<i64: 8, 5>
// CHECK-NEXT: "npu.dma_wait"(%[[IN]])
// CHECK-NEXT: %[[OUT:.*]] = "npu.dma_start"(%[[TILE]], %arg1, %[[T]]) {cause = "output",
// CHECK-SAME: maps = [affine_map<(d0, d1)[s0] -> (d0, d1)>, affine_map<(d0, d1)[s0] -> (d1 + s0 * 5, d0)>]
// CHECK-NEXT: "npu.dma_wait"(%[[OUT]])
// CHECK-NEXT: }
func.func @main(%a: memref<8x20xf32> {polystage.name = "a", polystage.kind = "parameter"},
                %b: memref<20x8xf32> {polystage.name = "b", polystage.kind = "output"}) {
  %tile = memref.alloc() {polystage.name = "a.tile"} : memref<8x5xf32, #npu.sbuf>
  affine.for %t = 0 to 4 {
    affine.for %l = 0 to 8 {
      affine.for %f = 0 to 5 {
        %0 = affine.load %a[%l, %t * 5 + %f] : memref<8x20xf32>
        affine.store %0, %tile[%l, %f] : memref<8x5xf32, #npu.sbuf>
      }
    } {npu.nest = "transfer"}
    affine.for %l = 0 to 8 {
      affine.for %f = 0 to 5 {
        %0 = affine.load %tile[%l, %f] : memref<8x5xf32, #npu.sbuf>
        affine.store %0, %b[%t * 5 + %f, %l] : memref<20x8xf32>
      }
    } {npu.nest = "transfer"}
  }
  return
}
