// RUN: polystage-opt --set-target=name=tiny --pack-parameters=strategy=off %s | FileCheck %s

// CHECK-LABEL: func.func @main(
// CHECK-SAME:    memref<16x8xf32> {polystage.kind = "parameter", polystage.name = "w"}
// CHECK-NOT:   func.func @load
func.func @main(%w: memref<16x8xf32> {polystage.kind = "parameter", polystage.name = "w"},
                %y: memref<16x8xf32> {polystage.kind = "output", polystage.name = "y"}) {
  affine.for %i = 0 to 16 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %w[%i, %j] : memref<16x8xf32>
      affine.store %0, %y[%i, %j] : memref<16x8xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 1 : i64}}
  return
}
