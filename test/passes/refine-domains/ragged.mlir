// An extent that the divisor does not divide leaves a remainder nest. The induction variable as data follows.
// RUN: polystage-opt --refine-domains --mlir-print-local-scope %s | FileCheck %s

// CHECK-LABEL: func.func @main
func.func @main(%a: memref<3xf32>, %b: memref<11xi32>) {
  // CHECK: affine.for %[[HIGH:.*]] = 0 to 2
  // CHECK-NEXT: affine.for %[[LOW:.*]] = 0 to 4
  // CHECK-NEXT: affine.load %arg0[%[[HIGH]]]
  // CHECK: affine.apply affine_map<(d0, d1) -> (d0 * 4 + d1)>(%[[HIGH]], %[[LOW]])
  // CHECK: affine.for %[[REST:.*]] = 0 to 3
  // CHECK-NEXT: affine.load %arg0[2]
  // CHECK: affine.apply affine_map<(d0) -> (d0 + 8)>(%[[REST]])
  affine.for %i = 0 to 11 {
    %0 = affine.load %a[%i floordiv 4] : memref<3xf32>
    %1 = arith.fptosi %0 : f32 to i32
    %2 = affine.apply affine_map<(d0) -> (d0)>(%i)
    %3 = arith.index_cast %2 : index to i32
    %4 = arith.addi %1, %3 : i32
    affine.store %4, %b[%i] : memref<11xi32>
  }
  return
}
