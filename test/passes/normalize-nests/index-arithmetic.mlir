// RUN: polystage-opt %s --normalize-nests --split-input-file | FileCheck %s

// The loop bounds decide floors and remainders.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: memref<3x8x4xf32>, %[[Y:.*]]: memref<96xf32>)
// CHECK: affine.for %[[I:.*]] = 0 to 24
// CHECK: affine.for %[[J:.*]] = 0 to 4
// CHECK: affine.load %[[X]][%[[I]] floordiv 8, %[[I]] mod 8, %[[J]]]
func.func @main(%x: memref<3x8x4xf32>, %y: memref<96xf32>) {
  affine.for %i = 0 to 24 {
    affine.for %j = 0 to 4 {
      %v = affine.load %x[(%i * 4 + %j) floordiv 32, ((%i * 4 + %j) mod 32) floordiv 4, (%i * 4 + %j) mod 4]
        : memref<3x8x4xf32>
      affine.store %v, %y[%i * 4 + %j] : memref<96xf32>
    }
  }
  return
}

// -----

// A floor and its remainder join; what a floor leaves is a remainder.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: memref<24xf32>, %[[Y:.*]]: memref<24xf32>)
// CHECK: affine.for %[[I:.*]] = 0 to 24
// CHECK: %[[V:.*]] = affine.load %[[X]][%[[I]]]
// CHECK: affine.store %[[V]], %[[Y]][%[[I]] mod 6]
func.func @main(%x: memref<24xf32>, %y: memref<24xf32>) {
  affine.for %i = 0 to 24 {
    %v = affine.load %x[(%i floordiv 6) * 6 + %i mod 6] : memref<24xf32>
    affine.store %v, %y[%i - (%i floordiv 6) * 6] : memref<24xf32>
  }
  return
}

// -----

// Arithmetic on indices, casts and comparisons that the bounds decide become part of the access.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: memref<8xf32>, %[[Y:.*]]: memref<8xf32>)
// CHECK-NEXT: affine.for %[[I:.*]] = 0 to 8 {
// CHECK-NEXT: %[[V:.*]] = affine.load %[[X]][-%[[I]] + 7]
// CHECK-NEXT: affine.store %[[V]], %[[Y]][%[[I]]]
// CHECK-NEXT: }
func.func @main(%x: memref<8xf32>, %y: memref<8xf32>) {
  %c0 = arith.constant 0 : i32
  %c7 = arith.constant 7 : index
  %c8 = arith.constant 8 : i32
  affine.for %i = 0 to 8 {
    %0 = arith.subi %c7, %i : index
    %1 = arith.index_cast %0 : index to i32
    %2 = arith.cmpi slt, %1, %c0 : i32
    %3 = arith.addi %1, %c8 : i32
    %4 = arith.select %2, %3, %1 : i32
    %5 = arith.index_cast %4 : i32 to index
    %v = memref.load %x[%5] : memref<8xf32>
    memref.store %v, %y[%i] : memref<8xf32>
  }
  return
}

// -----

// A loaded index makes the nest indirect; an induction variable as a number goes through affine.apply.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: memref<9x4xf32>, %[[N:.*]]: memref<8xi32>, %[[Y:.*]]: memref<8x4xf32>)
// CHECK: affine.for %[[I:.*]] = 0 to 8
// CHECK: affine.for %[[J:.*]] = 0 to 4
// CHECK: %[[L:.*]] = affine.load %[[N]][%[[I]]]
// CHECK: %[[A:.*]] = affine.apply #{{.*}}(%[[I]])
// CHECK: %[[C:.*]] = arith.index_cast %[[A]] : index to i32
// CHECK: %[[M:.*]] = arith.maxsi %[[L]], %[[C]] : i32
// CHECK: %[[P:.*]] = arith.index_cast %[[M]] : i32 to index
// CHECK: %[[Q:.*]] = affine.apply #{{.*}}(%[[J]])
// CHECK: %[[V:.*]] = memref.load %[[X]][%[[P]], %[[Q]]]
// CHECK: affine.store %[[V]], %[[Y]][%[[I]], %[[J]]]
// CHECK: } {polystage.indirect}
func.func @main(%x: memref<9x4xf32>, %n: memref<8xi32>, %y: memref<8x4xf32>) {
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 4 {
      %l = affine.load %n[%i] : memref<8xi32>
      %0 = arith.index_cast %l : i32 to index
      %m = arith.maxsi %0, %i : index
      %v = memref.load %x[%m, %j] : memref<9x4xf32>
      affine.store %v, %y[%i, %j] : memref<8x4xf32>
    }
  }
  return
}

// -----

// Views: an access of a slice of a reshape is an access of the array.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:[a-z0-9]*]]: memref<6x4xf32>, %[[Y:[a-z0-9]*]]: memref<3x8xf32>)
// CHECK-NEXT: affine.for %[[I:.*]] = 0 to 2 {
// CHECK-NEXT: affine.for %[[J:.*]] = 0 to 3 {
// CHECK-NEXT: %[[V:.*]] = affine.load %[[X]][%[[I]] * 2 + %[[J]] floordiv 2 + 2, (%[[J]] mod 2) * 2]
// CHECK-NEXT: affine.store %[[V]], %[[Y]][%[[I]], %[[J]]]
func.func @main(%x: memref<6x4xf32>, %y: memref<3x8xf32>) {
  %flat = memref.collapse_shape %x [[0, 1]] : memref<6x4xf32> into memref<24xf32>
  %rows = memref.expand_shape %flat [[0, 1]] output_shape [3, 8] : memref<24xf32> into memref<3x8xf32>
  %some = memref.subview %rows[1, 0] [2, 3] [1, 2] : memref<3x8xf32> to memref<2x3xf32, strided<[8, 2], offset: 8>>
  affine.for %i = 0 to 2 {
    affine.for %j = 0 to 3 {
      %v = affine.load %some[%i, %j] : memref<2x3xf32, strided<[8, 2], offset: 8>>
      affine.store %v, %y[%i, %j] : memref<3x8xf32>
    }
  }
  return
}
