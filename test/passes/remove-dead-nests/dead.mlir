// RUN: polystage-opt %s --remove-dead-nests | FileCheck %s

// %a is read only to compute %b, and %b, an accumulator, only by itself.
// CHECK-NOT: memref.global
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:[a-z0-9]*]]: memref<8xf32>, %[[Y:[a-z0-9]*]]: memref<8xf32>)
// CHECK-NOT: memref.alloc
// CHECK: affine.for
// CHECK-NEXT: affine.load %[[X]]
// CHECK-NEXT: affine.store %{{.*}}, %[[Y]]
// CHECK-NOT: affine.for
memref.global "private" constant @unused : memref<2xf32> = dense<[1.0, 2.0]>
func.func @main(%x: memref<8xf32>, %y: memref<8xf32>) {
  %zero = arith.constant 0.0 : f32
  %a = memref.alloc() : memref<8xf32>
  %b = memref.alloc() : memref<f32>
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[%i] : memref<8xf32>
    affine.store %0, %a[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 1 {
    affine.store %zero, %b[] : memref<f32>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %a[%i] : memref<8xf32>
    %1 = affine.load %b[] : memref<f32>
    %2 = arith.addf %0, %1 : f32
    affine.store %2, %b[] : memref<f32>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[%i] : memref<8xf32>
    affine.store %0, %y[%i] : memref<8xf32>
  }
  return
}
