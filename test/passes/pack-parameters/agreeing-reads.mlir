// Two slices of one parameter, both with the last dimension across the lanes, and a third read that no order hurts.
// RUN: polystage-opt --set-target=name=tiny --pack-parameters %s | FileCheck %s

// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %[[W:[a-z0-9]+]]: memref<8x16xf32> {polystage.kind = "parameter", polystage.name = "w.packed"}
// CHECK:       affine.load %[[W]][%[[J:.*]], %[[I:.*]]] : memref<8x16xf32>
// CHECK:       affine.load %[[W]][%[[J:.*]], %[[I:.*]] + 8] : memref<8x16xf32>
// CHECK:       affine.load %[[W]][%[[J:.*]], 0] : memref<8x16xf32>
func.func @main(%w: memref<16x8xf32> {polystage.kind = "parameter", polystage.name = "w"},
                %y: memref<8x8xf32> {polystage.kind = "output", polystage.name = "y"},
                %z: memref<8xf32> {polystage.kind = "output", polystage.name = "z"}) {
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %w[%i, %j] : memref<16x8xf32>
      %1 = affine.load %w[%i + 8, %j] : memref<16x8xf32>
      %2 = arith.addf %0, %1 : f32
      affine.store %2, %y[%i, %j] : memref<8x8xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 1 : i64}}
  affine.for %j = 0 to 8 {
    %0 = affine.load %w[0, %j] : memref<16x8xf32>
    affine.store %0, %z[%j] : memref<8xf32>
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  return
}
