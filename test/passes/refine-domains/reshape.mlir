// A loop that is divided becomes two, one for each digit; a nest that is linear already stays as it is.
// RUN: polystage-opt --refine-domains --mlir-print-local-scope %s | FileCheck %s

// CHECK-LABEL: func.func @main
func.func @main(%a: memref<56xf32>, %b: memref<8x7xf32>, %c: memref<56xf32>) {
  // CHECK: affine.for %[[HIGH:.*]] = 0 to 8
  // CHECK-NEXT: affine.for %[[LOW:.*]] = 0 to 7
  // CHECK-NEXT: affine.load %arg0[%[[HIGH]] * 7 + %[[LOW]]]
  // CHECK-NEXT: affine.store %{{.*}}, %arg1[%[[HIGH]], %[[LOW]]]
  affine.for %i = 0 to 56 {
    %0 = affine.load %a[%i] : memref<56xf32>
    affine.store %0, %b[%i floordiv 7, %i mod 7] : memref<8x7xf32>
  }
  // CHECK: affine.for %[[I:.*]] = 0 to 56
  // CHECK-NEXT: affine.load %arg0[%[[I]]]
  // CHECK-NOT: affine.for
  affine.for %i = 0 to 56 {
    %0 = affine.load %a[%i] : memref<56xf32>
    affine.store %0, %c[%i] : memref<56xf32>
  }
  return
}
