// Operands of a concat that no nest reads together are arrays of their own.
// RUN: polystage-opt --split-arrays --mlir-print-local-scope %s | FileCheck %s
// RUN: polystage-opt --split-arrays --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s --check-prefix=STATS

// STATS-DAG: 1 split
// STATS-DAG: 2 parts
// CHECK-LABEL: func.func @main
// CHECK-SAME: %[[X:[a-z0-9]+]]: memref<3x8xf32>, %[[Z:[a-z0-9]+]]: memref<2x8xf32>
func.func @main(%x: memref<3x8xf32>, %z: memref<2x8xf32>, %y: memref<3x8xf32>, %w: memref<8xf32>) {
  // CHECK-NEXT: %[[A:.*]] = memref.alloc() {polystage.name = "t.0"} : memref<3x8xf32>
  // CHECK-NEXT: %[[B:.*]] = memref.alloc() {polystage.name = "t.1"} : memref<2x8xf32>
  // CHECK-NOT: memref.alloc
  %t = memref.alloc() {polystage.name = "t"} : memref<5x8xf32>
  // CHECK: affine.load %[[X]]
  // CHECK-NEXT: affine.store %{{.*}}, %[[A]][%{{.*}}, %{{.*}}] : memref<3x8xf32>
  affine.for %i = 0 to 3 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %x[%i, %j] : memref<3x8xf32>
      affine.store %0, %t[%i, %j] : memref<5x8xf32>
    }
  }
  // CHECK: affine.load %[[Z]]
  // CHECK-NEXT: affine.store %{{.*}}, %[[B]][%{{.*}}, %{{.*}}] : memref<2x8xf32>
  affine.for %i = 0 to 2 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %z[%i, %j] : memref<2x8xf32>
      affine.store %0, %t[%i + 3, %j] : memref<5x8xf32>
    }
  }
  // CHECK: affine.load %[[A]][-%{{.*}} + 2, %{{.*}}] : memref<3x8xf32>
  affine.for %i = 0 to 3 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %t[2 - %i, %j] : memref<5x8xf32>
      affine.store %0, %y[%i, %j] : memref<3x8xf32>
    }
  }
  // CHECK: affine.load %[[B]][0, %{{.*}}] : memref<2x8xf32>
  // CHECK-NEXT: affine.load %[[B]][1, %{{.*}}] : memref<2x8xf32>
  affine.for %j = 0 to 8 {
    %0 = affine.load %t[3, %j] : memref<5x8xf32>
    %1 = affine.load %t[4, %j] : memref<5x8xf32>
    %2 = arith.addf %0, %1 : f32
    affine.store %2, %w[%j] : memref<8xf32>
  }
  return
}
