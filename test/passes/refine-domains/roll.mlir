// Where the low digits cross a multiple of the divisor the domain is cut; a piece of one trip has no loop.
// RUN: polystage-opt --refine-domains --mlir-print-local-scope %s | FileCheck %s

// CHECK-LABEL: func.func @main
func.func @main(%a: memref<8xf32>, %b: memref<8xf32>) {
  // CHECK: affine.for %[[I:.*]] = 0 to 7
  // CHECK-NEXT: affine.load %arg0[%[[I]] + 1]
  // CHECK-NEXT: affine.store %{{.*}}, %arg1[%[[I]]]
  // CHECK: affine.for %{{.*}} = 0 to 1
  // CHECK-NEXT: affine.load %arg0[0]
  // CHECK-NEXT: affine.store %{{.*}}, %arg1[7]
  affine.for %i = 0 to 8 {
    %0 = affine.load %a[(%i + 1) mod 8] : memref<8xf32>
    affine.store %0, %b[%i] : memref<8xf32>
  }
  return
}
