// What one nest computes and several read as bf16 is cast where it is computed; what one nest only fills stays.
// RUN: polystage-opt --narrow-sums %s | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK: %[[M:.*]] = memref.alloc() {polystage.name = "mean.narrow"} : memref<8xbf16>
// CHECK: %[[D:.*]] = arith.divf
// CHECK-NEXT: %[[C:.*]] = arith.truncf %[[D]] : f32 to bf16
// CHECK-NEXT: affine.store %[[C]], %[[M]]
// CHECK: %[[X:.*]] = affine.load %[[M]][%{{.*}}] : memref<8xbf16>
// CHECK-NEXT: affine.store %[[X]]
// CHECK: %[[Y:.*]] = affine.load %[[M]][%{{.*}}] : memref<8xbf16>
// CHECK-NEXT: affine.store %[[Y]]
// CHECK: memref.alloc() {polystage.name = "fill"} : memref<8xf32>
func.func @main(%a: memref<8xf32>, %x: memref<8xbf16>, %y: memref<8xbf16>) {
  %four = arith.constant 4.0 : f32
  %mean = memref.alloc() {polystage.name = "mean"} : memref<8xf32>
  affine.for %i = 0 to 8 {
    %0 = affine.load %a[%i] : memref<8xf32>
    %1 = arith.divf %0, %four : f32
    affine.store %1, %mean[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %mean[%i] : memref<8xf32>
    %1 = arith.truncf %0 : f32 to bf16
    affine.store %1, %x[%i] : memref<8xbf16>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %mean[%i] : memref<8xf32>
    %1 = arith.truncf %0 : f32 to bf16
    affine.store %1, %y[%i] : memref<8xbf16>
  }
  %fill = memref.alloc() {polystage.name = "fill"} : memref<8xf32>
  affine.for %i = 0 to 8 {
    affine.store %four, %fill[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %fill[%i] : memref<8xf32>
    %1 = arith.truncf %0 : f32 to bf16
    affine.store %1, %x[%i] : memref<8xbf16>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %fill[%i] : memref<8xf32>
    %1 = arith.truncf %0 : f32 to bf16
    affine.store %1, %y[%i] : memref<8xbf16>
  }
  return
}
