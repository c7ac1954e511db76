// RUN: polystage-opt %s --hoist-parameters | FileCheck %s

// The transposed weight is computed once; inference reads it as a parameter and no longer the weight itself.
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %[[T:.*]]: memref<3x4xf32> {polystage.kind = "parameter", polystage.name = "hoisted.t0"}
// CHECK-SAME:    %[[X:[a-z0-9]+]]: memref<4xf32> {polystage.kind = "input"
// CHECK-NOT:   memref.alloc
// CHECK:       affine.load %[[T]][%{{.*}}, %{{.*}}] : memref<3x4xf32>
// CHECK-LABEL: func.func @load(
// CHECK-SAME:    %[[W:.*]]: memref<4x3xf32> {polystage.kind = "parameter", polystage.name = "w"}
// CHECK-SAME:    %[[OUT:.*]]: memref<3x4xf32> {polystage.kind = "output", polystage.name = "hoisted.t0"}
// CHECK:       affine.load %[[W]][%[[J:.*]], %[[I:.*]]] : memref<4x3xf32>
// CHECK:       affine.store %{{.*}}, %[[OUT]][%[[I]], %[[J]]] : memref<3x4xf32>
func.func @main(%w: memref<4x3xf32> {polystage.kind = "parameter", polystage.name = "w"},
                %x: memref<4xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<3x4xf32> {polystage.kind = "output", polystage.name = "output0"}) {
  %t = memref.alloc() {polystage.name = "t0"} : memref<3x4xf32>
  affine.for %i = 0 to 3 {
    affine.for %j = 0 to 4 {
      %0 = affine.load %w[%j, %i] : memref<4x3xf32>
      affine.store %0, %t[%i, %j] : memref<3x4xf32>
    }
  }
  affine.for %i = 0 to 3 {
    affine.for %j = 0 to 4 {
      %0 = affine.load %t[%i, %j] : memref<3x4xf32>
      %1 = affine.load %x[%j] : memref<4xf32>
      %2 = arith.mulf %0, %1 : f32
      affine.store %2, %y[%i, %j] : memref<3x4xf32>
    }
  }
  return
}
