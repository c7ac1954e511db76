// Sums that two nests read as bf16 are cast once, for both; the nest that adds goes on in f32.
// RUN: polystage-opt --narrow-sums --mlir-print-local-scope %s | FileCheck %s
// RUN: polystage-opt --narrow-sums --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s --check-prefix=STATS

// STATS-DAG: 1 narrowed
// CHECK-LABEL: func.func @main
func.func @main(%a: memref<8x4xf32>, %x: memref<1x8xbf16>, %y: memref<1x8xbf16>) {
  %c0 = arith.constant 0.0 : f32
  // CHECK: %[[N:.*]] = memref.alloc() {polystage.name = "t.narrow"} : memref<1x8xbf16>
  // CHECK: %[[T:.*]] = memref.alloc() {polystage.name = "t"} : memref<1x8xf32>
  %t = memref.alloc() {polystage.name = "t"} : memref<1x8xf32>
  affine.for %i = 0 to 8 {
    affine.store %c0, %t[0, %i] : memref<1x8xf32>
  }
  // CHECK: arith.addf
  // CHECK-NEXT: affine.store %{{.*}}, %[[T]]
  affine.for %i = 0 to 8 {
    affine.for %k = 0 to 4 {
      %0 = affine.load %t[0, %i] : memref<1x8xf32>
      %1 = affine.load %a[%i, %k] : memref<8x4xf32>
      %2 = arith.addf %0, %1 : f32
      affine.store %2, %t[0, %i] : memref<1x8xf32>
    }
  }
  // CHECK: affine.for %[[I:.*]] = 0 to 8 {
  // CHECK-NEXT: %[[WIDE:.*]] = affine.load %[[T]][0, %[[I]]]
  // CHECK-NEXT: %[[CAST:.*]] = arith.truncf %[[WIDE]] : f32 to bf16
  // CHECK-NEXT: affine.store %[[CAST]], %[[N]][0, %[[I]]]
  // CHECK: %[[LOADED:.*]] = affine.load %[[N]]
  // CHECK-NEXT: arith.negf %[[LOADED]]
  affine.for %i = 0 to 8 {
    %0 = affine.load %t[0, %i] : memref<1x8xf32>
    %1 = arith.truncf %0 : f32 to bf16
    %2 = arith.negf %1 : bf16
    affine.store %2, %x[0, %i] : memref<1x8xbf16>
  }
  // CHECK: %[[AGAIN:.*]] = affine.load %[[N]]
  // CHECK-NEXT: arith.addf %[[AGAIN]], %[[AGAIN]]
  affine.for %i = 0 to 8 {
    %0 = affine.load %t[0, %i] : memref<1x8xf32>
    %1 = arith.truncf %0 : f32 to bf16
    %2 = arith.addf %1, %1 : bf16
    affine.store %2, %y[0, %i] : memref<1x8xbf16>
  }
  return
}
