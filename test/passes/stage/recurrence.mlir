// What a recurrence stored is written back before the next iteration reads it, also where the read does not move.
// RUN: polystage-opt --set-target=name=tiny --stage=strategy=local --mlir-print-local-scope %s | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK: affine.for %[[J:.*]] = 0 to 6 {
// CHECK: affine.load %arg0[%{{.*}}, 0]
// CHECK: npu.nest = "transfer"
// CHECK: npu.nest = "compute"
// CHECK: affine.store %{{.*}}, %arg0[%{{.*}}, %[[J]]]
// CHECK: npu.nest = "transfer"
func.func @main(%c: memref<8x6xf32> {polystage.name = "c", polystage.kind = "output"}) {
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 6 {
      %0 = affine.load %c[%i, 0] : memref<8x6xf32>
      %1 = arith.addf %0, %0 : f32
      affine.store %1, %c[%i, %j] : memref<8x6xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  return
}
