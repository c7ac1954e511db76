// RUN: polystage-opt %s --inline-index-tables --remove-dead-nests --split-input-file | FileCheck %s

// A table of positions makes a gather affine.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:[a-z0-9]*]]: memref<8x4xf32>, %[[Y:[a-z0-9]*]]: memref<4x4xf32>)
// CHECK: affine.for %[[I:.*]] = 0 to 4 {
// CHECK-NEXT: affine.for %[[J:.*]] = 0 to 4 {
// CHECK-NEXT: %[[V:.*]] = affine.load %[[X]][%[[I]] * 2, %[[J]]]
// CHECK-NEXT: affine.store %[[V]], %[[Y]][%[[I]], %[[J]]]
// CHECK-NEXT: }
// CHECK-NEXT: }
// CHECK-NEXT: return
func.func @main(%x: memref<8x4xf32>, %y: memref<4x4xf32>) {
  %t = memref.alloc() : memref<4xi32>
  affine.for %i = 0 to 4 {
    %0 = affine.apply affine_map<(d0) -> (d0 * 2)>(%i)
    %1 = arith.index_cast %0 : index to i32
    affine.store %1, %t[%i] : memref<4xi32>
  }
  affine.for %i = 0 to 4 {
    affine.for %j = 0 to 4 {
      %0 = affine.load %t[%i] : memref<4xi32>
      %1 = arith.index_cast %0 : i32 to index
      %2 = affine.apply affine_map<(d0) -> (d0)>(%j)
      %3 = memref.load %x[%1, %2] : memref<8x4xf32>
      affine.store %3, %y[%i, %j] : memref<4x4xf32>
    }
  } {polystage.indirect}
  return
}

// -----

// A table in floating point is computed where an index comes from it, and loaded where a value does.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:[a-z0-9]*]]: memref<8xf32>, %[[Y:[a-z0-9]*]]: memref<8xf32>, %[[Z:[a-z0-9]*]]: memref<8xf32>)
// CHECK: %[[T:.*]] = memref.alloc() : memref<8xf32>
// CHECK: affine.for
// CHECK: affine.store %{{.*}}, %[[T]]
// CHECK: affine.for
// CHECK-NOT: affine.load
// CHECK: arith.sitofp
// CHECK: arith.mulf
// CHECK: arith.fptosi
// CHECK: memref.load %[[X]]
// CHECK: affine.for
// CHECK: affine.load %[[T]]
func.func @main(%x: memref<8xf32>, %y: memref<8xf32>, %z: memref<8xf32>) {
  %half = arith.constant 5.0e-01 : f32
  %t = memref.alloc() : memref<8xf32>
  affine.for %i = 0 to 8 {
    %0 = affine.apply affine_map<(d0) -> (d0)>(%i)
    %1 = arith.index_cast %0 : index to i32
    %2 = arith.sitofp %1 : i32 to f32
    %3 = arith.mulf %2, %half : f32
    affine.store %3, %t[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %t[%i] : memref<8xf32>
    %1 = arith.fptosi %0 : f32 to i32
    %2 = arith.index_cast %1 : i32 to index
    %3 = memref.load %x[%2] : memref<8xf32>
    affine.store %3, %y[%i] : memref<8xf32>
  } {polystage.indirect}
  affine.for %i = 0 to 8 {
    %0 = affine.load %t[%i] : memref<8xf32>
    %1 = affine.load %x[%i] : memref<8xf32>
    %2 = arith.mulf %0, %1 : f32
    affine.store %2, %z[%i] : memref<8xf32>
  }
  return
}

// -----

// An array that is written twice is no table.
// CHECK-LABEL: func.func @main(
// CHECK: %[[T:.*]] = memref.alloc() : memref<8xi32>
// CHECK: affine.load %[[T]]
func.func @main(%y: memref<8xi32>) {
  %seven = arith.constant 7 : i32
  %t = memref.alloc() : memref<8xi32>
  affine.for %i = 0 to 8 {
    %0 = affine.apply affine_map<(d0) -> (d0)>(%i)
    %1 = arith.index_cast %0 : index to i32
    affine.store %1, %t[%i] : memref<8xi32>
  }
  affine.for %i = 0 to 4 {
    affine.store %seven, %t[%i] : memref<8xi32>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %t[%i] : memref<8xi32>
    affine.store %0, %y[%i] : memref<8xi32>
  }
  return
}
