// Every access keeps the digits of the dimension apart: it becomes two dimensions. A fill is split, no nest falls apart.
// RUN: polystage-opt --refine-domains --split-dimensions --refine-domains --mlir-print-local-scope %s | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK-SAME: %[[X:[a-z0-9]+]]: memref<5x3xf32>
func.func @main(%x: memref<5x3xf32>, %y: memref<5x2xf32>) {
  %c0 = arith.constant 0.0 : f32
  // CHECK: %[[T:.*]] = memref.alloc() {{.*}} : memref<5x4xf32>
  %t = memref.alloc() {polystage.name = "t"} : memref<20xf32>
  // CHECK: affine.for %[[I:.*]] = 0 to 5
  // CHECK-NEXT: affine.for %[[J:.*]] = 0 to 4
  // CHECK-NEXT: affine.store %{{.*}}, %[[T]][%[[I]], %[[J]]]
  affine.for %i = 0 to 20 {
    affine.store %c0, %t[%i] : memref<20xf32>
  }
  // CHECK: affine.for %[[C:.*]] = 0 to 5
  // CHECK-NEXT: affine.for %[[P:.*]] = 0 to 3
  // CHECK: affine.store %{{.*}}, %[[T]][%[[C]], %[[P]] + 1]
  affine.for %c = 0 to 5 {
    affine.for %p = 0 to 3 {
      %0 = affine.load %x[%c, %p] : memref<5x3xf32>
      affine.store %0, %t[%c * 4 + %p + 1] : memref<20xf32>
    }
  }
  // CHECK: affine.load %[[T]][%{{.*}}, %{{.*}} + 2]
  affine.for %c = 0 to 5 {
    affine.for %p = 0 to 2 {
      %0 = affine.load %t[%c * 4 + %p + 2] : memref<20xf32>
      affine.store %0, %y[%c, %p] : memref<5x2xf32>
    }
  }
  return
}
