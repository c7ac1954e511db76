// RUN: polystage-opt %s --normalize-nests --split-input-file | FileCheck %s

// A condition on induction variables cuts the domain.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: memref<8xf32>, %[[Y:.*]]: memref<8xf32>)
// CHECK: affine.for %[[I:.*]] = 0 to 1 {
// CHECK-NEXT: %[[V:.*]] = affine.load %[[X]][0]
// CHECK-NEXT: affine.store %[[V]], %[[Y]][0]
// CHECK: affine.for %[[J:.*]] = 0 to 7 {
// CHECK-NEXT: %[[W:.*]] = affine.load %[[X]][%[[J]]]
// CHECK-NEXT: affine.store %[[W]], %[[Y]][%[[J]] + 1]
// CHECK-NOT: affine.for
func.func @main(%x: memref<8xf32>, %y: memref<8xf32>) {
  affine.for %i = 0 to 8 {
    affine.if affine_set<(d0) : (d0 == 0)>(%i) {
      %v = affine.load %x[%i] : memref<8xf32>
      affine.store %v, %y[%i] : memref<8xf32>
    } else {
      %v = affine.load %x[%i - 1] : memref<8xf32>
      affine.store %v, %y[%i] : memref<8xf32>
    }
  }
  return
}

// -----

// A box cut of two dimensions: what is outside is not stored.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: memref<8x8xf32>, %[[Y:.*]]: memref<8x8xf32>)
// CHECK: affine.for %[[I:.*]] = 0 to 5 {
// CHECK-NEXT: affine.for %[[J:.*]] = 0 to 3 {
// CHECK-NEXT: %[[V:.*]] = affine.load %[[X]][%[[I]] + 3, %[[J]]]
// CHECK-NEXT: affine.store %[[V]], %[[Y]][%[[I]] + 3, %[[J]]]
// CHECK-NOT: affine.for
func.func @main(%x: memref<8x8xf32>, %y: memref<8x8xf32>) {
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 8 {
      affine.if affine_set<(d0, d1) : (d0 - 3 >= 0, 2 - d1 >= 0)>(%i, %j) {
        %v = affine.load %x[%i, %j] : memref<8x8xf32>
        affine.store %v, %y[%i, %j] : memref<8x8xf32>
      }
    }
  }
  return
}

// -----

// Any other condition keeps what was there.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: memref<8xf32>, %[[Y:.*]]: memref<8xf32>)
// CHECK: affine.for %[[I:.*]] = 0 to 8 {
// CHECK-NEXT: %[[V:.*]] = affine.load %[[X]][%[[I]]]
// CHECK-NEXT: %[[P:.*]] = arith.cmpf ogt, %[[V]], %{{.*}}
// CHECK-NEXT: %[[OLD:.*]] = affine.load %[[Y]][%[[I]]]
// CHECK-NEXT: %[[NEW:.*]] = arith.select %[[P]], %[[V]], %[[OLD]]
// CHECK-NEXT: affine.store %[[NEW]], %[[Y]][%[[I]]]
func.func @main(%x: memref<8xf32>, %y: memref<8xf32>) {
  %zero = arith.constant 0.0 : f32
  affine.for %i = 0 to 8 {
    %v = affine.load %x[%i] : memref<8xf32>
    %positive = arith.cmpf ogt, %v, %zero : f32
    scf.if %positive {
      affine.store %v, %y[%i] : memref<8xf32>
    }
  }
  return
}

// -----

// The value of a conditional is selected.
// CHECK-LABEL: func.func @main(
// CHECK: %[[A:.*]] = math.exp
// CHECK: %[[S:.*]] = arith.select %{{.*}}, %[[A]], %{{.*}} : f32
// CHECK: affine.store %[[S]]
func.func @main(%x: memref<8xf32>, %y: memref<8xf32>) {
  %zero = arith.constant 0.0 : f32
  affine.for %i = 0 to 8 {
    %v = affine.load %x[%i] : memref<8xf32>
    %positive = arith.cmpf ogt, %v, %zero : f32
    %w = scf.if %positive -> f32 {
      %e = math.exp %v : f32
      scf.yield %e : f32
    } else {
      scf.yield %v : f32
    }
    affine.store %w, %y[%i] : memref<8xf32>
  }
  return
}
