// A recurrence that takes several steps at one place writes each step back: the next one reads it.
// RUN: polystage-opt --set-target=name=tiny --stage=strategy=local --mlir-print-local-scope %s | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK: affine.for %[[I:.*]] = 0 to 4 {
// CHECK-NEXT: affine.for %{{.*}} = 0 to 3 {
// CHECK: affine.load %arg0[3]
// CHECK: npu.nest = "transfer"
// CHECK: npu.nest = "compute"
// CHECK: affine.store %{{.*}}, %arg0[%[[I]]]
func.func @main(%c: memref<4xf32> {polystage.name = "c", polystage.kind = "output"}) {
  affine.for %i = 0 to 4 {
    affine.for %k = 0 to 3 {
      %0 = affine.load %c[3] : memref<4xf32>
      %1 = arith.addf %0, %0 : f32
      affine.store %1, %c[%i] : memref<4xf32>
    }
  } {npu.implementation = {kind = "fold"}}
  return
}
