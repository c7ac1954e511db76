// RUN: polystage-opt %s --hoist-parameters=strategy=off | FileCheck %s

// CHECK-LABEL: func.func @main(
// CHECK-SAME:    polystage.name = "w"
// CHECK:       memref.alloc() {polystage.name = "t0"}
// CHECK-NOT:   func.func @load
func.func @main(%w: memref<4xf32> {polystage.kind = "parameter", polystage.name = "w"},
                %y: memref<4xf32> {polystage.kind = "output", polystage.name = "output0"}) {
  %t = memref.alloc() {polystage.name = "t0"} : memref<4xf32>
  affine.for %i = 0 to 4 {
    %0 = affine.load %w[%i] : memref<4xf32>
    %1 = arith.mulf %0, %0 : f32
    affine.store %1, %t[%i] : memref<4xf32>
  }
  affine.for %i = 0 to 4 {
    %0 = affine.load %t[%i] : memref<4xf32>
    affine.store %0, %y[%i] : memref<4xf32>
  }
  return
}
