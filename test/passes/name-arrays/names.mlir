// RUN: polystage-opt %s --name-arrays | FileCheck %s

// CHECK: func.func @main(
// CHECK-SAME: %{{.*}}: memref<8xf32> {polystage.kind = "parameter", polystage.name = "w"},
// CHECK-SAME: %[[X:[a-z0-9]*]]: memref<8xf32> {polystage.kind = "input", polystage.name = "arg1"},
// CHECK-SAME: %{{[a-z0-9]*}}: memref<8xf32> {polystage.kind = "output", polystage.name = "output0"},
// CHECK-SAME: %{{[a-z0-9]*}}: memref<8xf32> {polystage.kind = "output", polystage.name = "output1"})

// Allocations stand before their first use, and are numbered in that order.
// CHECK: %[[FIRST:.*]] = memref.alloc() {polystage.name = "t0"} : memref<8xf32>
// CHECK-NEXT: affine.for
// CHECK: affine.store %{{.*}}, %[[FIRST]]
// CHECK: %[[SECOND:.*]] = memref.alloc() {polystage.name = "t1"} : memref<8xf32>
// CHECK-NEXT: affine.for
// CHECK: affine.store %{{.*}}, %[[SECOND]]
func.func @main(%w: memref<8xf32> {polystage.kind = "parameter", polystage.name = "w"}, %x: memref<8xf32>,
                %y: memref<8xf32> {bufferize.result}, %z: memref<8xf32> {bufferize.result}) {
  %second = memref.alloc() {alignment = 64 : i64} : memref<8xf32>
  %first = memref.alloc() {alignment = 64 : i64} : memref<8xf32>
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[%i] : memref<8xf32>
    affine.store %0, %first[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %first[%i] : memref<8xf32>
    affine.store %0, %second[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %second[%i] : memref<8xf32>
    affine.store %0, %y[%i] : memref<8xf32>
  }
  return
}
