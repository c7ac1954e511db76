// RUN: polystage-opt %s --normalize-nests --split-input-file | FileCheck %s

// Loops run from 0 with step 1; a loop of one trip goes, one of no trip takes its body along.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: memref<1x32xf32>, %[[Y:.*]]: memref<1x32xf32>)
// CHECK: affine.for %[[I:.*]] = 0 to 7 {
// CHECK-NEXT: %[[V:.*]] = affine.load %[[X]][0, %[[I]] * 3 + 2]
// CHECK-NEXT: affine.store %[[V]], %[[Y]][0, %[[I]] * 3 + 5]
// CHECK-NOT: affine.for
func.func @main(%x: memref<1x32xf32>, %y: memref<1x32xf32>) {
  affine.for %n = 0 to 1 {
    affine.for %i = 2 to 22 step 3 {
      %v = affine.load %x[%n, %i] : memref<1x32xf32>
      affine.store %v, %y[%n, %i + 3] : memref<1x32xf32>
    }
    affine.for %i = 4 to 4 {
      %v = affine.load %x[%n, %i] : memref<1x32xf32>
      affine.store %v, %y[%n, %i] : memref<1x32xf32>
    }
  }
  return
}

// -----

// A store without a loop gets one of one trip.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: memref<f32>, %[[Y:.*]]: memref<f32>)
// CHECK-NEXT: affine.for %{{.*}} = 0 to 1 {
// CHECK-NEXT: %[[V:.*]] = affine.load %[[X]][]
// CHECK-NEXT: %[[E:.*]] = math.exp %[[V]]
// CHECK-NEXT: affine.store %[[E]], %[[Y]][]
// CHECK-NEXT: }
// CHECK-NEXT: return
func.func @main(%x: memref<f32>, %y: memref<f32>) {
  %v = affine.load %x[] : memref<f32>
  %e = math.exp %v : f32
  affine.store %e, %y[] : memref<f32>
  return
}

// -----

// Code between loops moves into the body; two stores become two nests, and what both need is computed in both.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: memref<8xf32>, %[[Y:.*]]: memref<8x4xf32>, %[[Z:.*]]: memref<8xf32>)
// CHECK: affine.for %[[I:.*]] = 0 to 8 {
// CHECK-NEXT: affine.for %[[J:.*]] = 0 to 4 {
// CHECK-NEXT: affine.load %[[X]][%[[I]]]
// CHECK-NEXT: math.exp
// CHECK-NEXT: affine.store %{{.*}}, %[[Y]][%[[I]], %[[J]]]
// CHECK-NEXT: }
// CHECK-NEXT: }
// CHECK-NEXT: affine.for %[[K:.*]] = 0 to 8 {
// CHECK-NEXT: affine.load %[[X]][%[[K]]]
// CHECK-NEXT: math.exp
// CHECK-NEXT: affine.store %{{.*}}, %[[Z]][%[[K]]]
func.func @main(%x: memref<8xf32>, %y: memref<8x4xf32>, %z: memref<8xf32>) {
  affine.for %i = 0 to 8 {
    %v = affine.load %x[%i] : memref<8xf32>
    %e = math.exp %v : f32
    affine.for %j = 0 to 4 {
      affine.store %e, %y[%i, %j] : memref<8x4xf32>
    }
    affine.store %e, %z[%i] : memref<8xf32>
  }
  return
}

// -----

// Equal operations are one, unused ones go, a splat constant is a number.
// CHECK-LABEL: func.func @main(
// CHECK: %[[TWO:.*]] = arith.constant 2.000000e+00 : f32
// CHECK: affine.for
// CHECK-NEXT: %[[V:.*]] = affine.load
// CHECK-NEXT: %[[D:.*]] = arith.mulf %[[V]], %[[TWO]]
// CHECK-NEXT: %[[S:.*]] = arith.addf %[[D]], %[[D]]
// CHECK-NEXT: affine.store %[[S]]
memref.global "private" constant @two : memref<8xf32> = dense<2.0>
func.func @main(%x: memref<8xf32>, %y: memref<8xf32>) {
  %two = memref.get_global @two : memref<8xf32>
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[%i] : memref<8xf32>
    %1 = affine.load %two[%i] : memref<8xf32>
    %2 = affine.load %x[%i] : memref<8xf32>
    %3 = arith.mulf %0, %1 : f32
    %4 = arith.mulf %2, %1 : f32
    %5 = math.log %0 : f32
    %6 = arith.addf %3, %4 : f32
    affine.store %6, %y[%i] : memref<8xf32>
  }
  return
}
