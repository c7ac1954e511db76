// Three digits in one dimension, innermost last.
// RUN: polystage-opt --split-dimensions --refine-domains --mlir-print-local-scope %s | FileCheck %s

// CHECK-LABEL: func.func @main
func.func @main(%x: memref<5x3x2xf32>, %y: memref<2x3x5xf32>) {
  // CHECK: %[[T:.*]] = memref.alloc() {{.*}} : memref<5x3x2xf32>
  %t = memref.alloc() {polystage.name = "t"} : memref<30xf32>
  // CHECK: affine.store %{{.*}}, %[[T]][%arg2, %arg3, %arg4]
  affine.for %i = 0 to 5 {
    affine.for %j = 0 to 3 {
      affine.for %k = 0 to 2 {
        %0 = affine.load %x[%i, %j, %k] : memref<5x3x2xf32>
        affine.store %0, %t[%i * 6 + %j * 2 + %k] : memref<30xf32>
      }
    }
  }
  // CHECK: affine.load %[[T]][%arg4, %arg3, %arg2]
  affine.for %k = 0 to 2 {
    affine.for %j = 0 to 3 {
      affine.for %i = 0 to 5 {
        %0 = affine.load %t[%i * 6 + %j * 2 + %k] : memref<30xf32>
        affine.store %0, %y[%k, %j, %i] : memref<2x3x5xf32>
      }
    }
  }
  return
}
