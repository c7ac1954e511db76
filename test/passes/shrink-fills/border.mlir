// What a copy overwrites need not be filled, nor what nobody reads.
// RUN: polystage-opt --shrink-fills --mlir-print-local-scope %s | FileCheck %s
// RUN: polystage-opt --shrink-fills --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s --check-prefix=STATS

// STATS-DAG: 1 shrunk
// STATS-DAG: 1 removed
// CHECK-LABEL: func.func @main
// CHECK-SAME: %[[X:[a-z0-9]+]]: memref<8xf32>, %[[Y:[a-z0-9]+]]: memref<8xf32>
func.func @main(%x: memref<8xf32>, %y: memref<8xf32>) {
  %c0 = arith.constant 0.0 : f32
  // CHECK: %[[T:.*]] = memref.alloc() {polystage.name = "t"}
  %t = memref.alloc() {polystage.name = "t"} : memref<11xf32>
  // CHECK: affine.for %{{.*}} = 0 to 1 {
  // CHECK-NEXT: affine.store %{{.*}}, %[[T]][9]
  affine.for %i = 0 to 11 {
    affine.store %c0, %t[%i] : memref<11xf32>
  }
  // CHECK: affine.load %[[X]]
  // CHECK-NEXT: affine.store %{{.*}}, %[[T]][%{{.*}} + 1]
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[%i] : memref<8xf32>
    affine.store %0, %t[%i + 1] : memref<11xf32>
  }
  // CHECK: memref.alloc() {polystage.name = "u"}
  // CHECK-NEXT: affine.for
  // CHECK-NEXT: affine.load %[[T]]
  %u = memref.alloc() {polystage.name = "u"} : memref<8xf32>
  affine.for %i = 0 to 8 {
    affine.store %c0, %u[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %t[%i + 2] : memref<11xf32>
    affine.store %0, %u[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %u[%i] : memref<8xf32>
    affine.store %0, %y[%i] : memref<8xf32>
  }
  return
}
