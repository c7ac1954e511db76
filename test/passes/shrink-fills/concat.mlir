// The border of a concat is filled for each operand by itself.
// RUN: polystage-opt --shrink-fills --mlir-print-local-scope %s | FileCheck %s

// CHECK-LABEL: func.func @main
func.func @main(%x: memref<3x8xf32>, %z: memref<2x8xf32>, %y: memref<5x10xf32>) {
  %c0 = arith.constant 0.0 : f32
  // CHECK: %[[T:.*]] = memref.alloc() {polystage.name = "t"}
  %t = memref.alloc() {polystage.name = "t"} : memref<5x10xf32>
  // CHECK: affine.for %[[I:.*]] = 0 to 2 {
  // CHECK-NEXT: affine.store %{{.*}}, %[[T]][%[[I]] + 3, 0]
  // CHECK: affine.for %[[J:.*]] = 0 to 2 {
  // CHECK-NEXT: affine.store %{{.*}}, %[[T]][%[[J]] + 3, 9]
  // CHECK: affine.for %[[K:.*]] = 0 to 3 {
  // CHECK-NEXT: affine.store %{{.*}}, %[[T]][%[[K]], 0]
  // CHECK: affine.for %[[L:.*]] = 0 to 3 {
  // CHECK-NEXT: affine.store %{{.*}}, %[[T]][%[[L]], 9]
  // CHECK: affine.load
  affine.for %i = 0 to 5 {
    affine.for %j = 0 to 10 {
      affine.store %c0, %t[%i, %j] : memref<5x10xf32>
    }
  }
  affine.for %i = 0 to 3 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %x[%i, %j] : memref<3x8xf32>
      affine.store %0, %t[%i, %j + 1] : memref<5x10xf32>
    }
  }
  affine.for %i = 0 to 2 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %z[%i, %j] : memref<2x8xf32>
      affine.store %0, %t[%i + 3, %j + 1] : memref<5x10xf32>
    }
  }
  affine.for %i = 0 to 5 {
    affine.for %j = 0 to 10 {
      %0 = affine.load %t[%i, %j] : memref<5x10xf32>
      affine.store %0, %y[%i, %j] : memref<5x10xf32>
    }
  }
  return
}
