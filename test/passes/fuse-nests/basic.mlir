// RUN: polystage-opt %s --fuse-nests --split-input-file | FileCheck %s

// A chain, transposed on the way; both loads of one element share one copy of the expression.
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %[[X:[a-z0-9]*]]: memref<8x4xf32>
// CHECK-SAME:    %[[Y:[a-z0-9]*]]: memref<4x8xf32>
// CHECK-NOT:   memref.alloc
// CHECK:       affine.for %[[I:.*]] = 0 to 4 {
// CHECK-NEXT:    affine.for %[[J:.*]] = 0 to 8 {
// CHECK-NEXT:      %[[V:.*]] = affine.load %[[X]][%[[J]], %[[I]]]
// CHECK-NEXT:      %[[E:.*]] = math.exp %[[V]]
// CHECK-NEXT:      %[[N:.*]] = arith.negf %[[E]]
// CHECK-NEXT:      %[[M:.*]] = arith.mulf %[[N]], %[[E]]
// CHECK-NEXT:      affine.store %[[M]], %[[Y]][%[[I]], %[[J]]]
// CHECK-NOT:   affine.for
func.func @main(%x: memref<8x4xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<4x8xf32> {polystage.kind = "output", polystage.name = "y"}) {
  %t0 = memref.alloc() {polystage.name = "t0"} : memref<8x4xf32>
  %t1 = memref.alloc() {polystage.name = "t1"} : memref<8x4xf32>
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 4 {
      %0 = affine.load %x[%i, %j] : memref<8x4xf32>
      %1 = math.exp %0 : f32
      affine.store %1, %t0[%i, %j] : memref<8x4xf32>
    }
  }
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 4 {
      %0 = affine.load %t0[%i, %j] : memref<8x4xf32>
      %1 = arith.negf %0 : f32
      affine.store %1, %t1[%i, %j] : memref<8x4xf32>
    }
  }
  affine.for %i = 0 to 4 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %t1[%j, %i] : memref<8x4xf32>
      %1 = affine.load %t0[%j, %i] : memref<8x4xf32>
      %2 = arith.mulf %0, %1 : f32
      affine.store %2, %y[%i, %j] : memref<4x8xf32>
    }
  }
  return
}

// -----

// A reduction takes in what it reduces: each element of the producer is read once.
// CHECK-LABEL: func.func @main(
// CHECK:       affine.for
// CHECK:       affine.for %[[I:.*]] = 0 to 4 {
// CHECK-NEXT:    affine.for %[[J:.*]] = 0 to 8 {
// CHECK:           %[[D:.*]] = arith.subf
// CHECK-NEXT:      %[[E:.*]] = math.exp %[[D]]
// CHECK:           arith.addf %{{.*}}, %[[E]]
// CHECK-NOT:   affine.for
func.func @main(%x: memref<4x8xf32> {polystage.kind = "input", polystage.name = "x"},
                %m: memref<4xf32> {polystage.kind = "input", polystage.name = "m"},
                %y: memref<4xf32> {polystage.kind = "output", polystage.name = "y"}) {
  %zero = arith.constant 0.0 : f32
  %t0 = memref.alloc() {polystage.name = "t0"} : memref<4x8xf32>
  affine.for %i = 0 to 4 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %x[%i, %j] : memref<4x8xf32>
      %1 = affine.load %m[%i] : memref<4xf32>
      %2 = arith.subf %0, %1 : f32
      %3 = math.exp %2 : f32
      affine.store %3, %t0[%i, %j] : memref<4x8xf32>
    }
  }
  affine.for %i = 0 to 4 {
    affine.store %zero, %y[%i] : memref<4xf32>
  }
  affine.for %i = 0 to 4 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %y[%i] : memref<4xf32>
      %1 = affine.load %t0[%i, %j] : memref<4x8xf32>
      %2 = arith.addf %0, %1 : f32
      affine.store %2, %y[%i] : memref<4xf32>
    }
  }
  return
}

// -----

// Two nests read different halves: no element is computed twice, so both take the expression in.
// CHECK-LABEL: func.func @main(
// CHECK-NOT:   memref.alloc
// CHECK:       affine.for %[[I:.*]] = 0 to 4 {
// CHECK-NEXT:    affine.load %{{.*}}[%[[I]]]
// CHECK-NEXT:    math.exp
// CHECK-NEXT:    math.tanh
// CHECK:       affine.for %[[J:.*]] = 0 to 4 {
// CHECK-NEXT:    affine.load %{{.*}}[%[[J]] + 4]
// CHECK-NEXT:    math.exp
// CHECK-NEXT:    math.sqrt
// CHECK-NOT:   affine.for
func.func @main(%x: memref<8xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<4xf32> {polystage.kind = "output", polystage.name = "y"},
                %z: memref<4xf32> {polystage.kind = "output", polystage.name = "z"}) {
  %t0 = memref.alloc() {polystage.name = "t0"} : memref<8xf32>
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[%i] : memref<8xf32>
    %1 = math.exp %0 : f32
    affine.store %1, %t0[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 4 {
    %0 = affine.load %t0[%i] : memref<8xf32>
    %1 = math.tanh %0 : f32
    affine.store %1, %y[%i] : memref<4xf32>
  }
  affine.for %i = 0 to 4 {
    %0 = affine.load %t0[%i + 4] : memref<8xf32>
    %1 = math.sqrt %0 : f32
    affine.store %1, %z[%i] : memref<4xf32>
  }
  return
}

// -----

// In place: the second nest overwrites what the first one stored, even in an output.
// CHECK-LABEL: func.func @main(
// CHECK:       affine.for
// CHECK-NEXT:    affine.load
// CHECK-NEXT:    math.exp
// CHECK-NEXT:    math.sqrt
// CHECK-NEXT:    affine.store
// CHECK-NOT:   affine.for
func.func @main(%x: memref<8xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<8xf32> {polystage.kind = "output", polystage.name = "y"}) {
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[%i] : memref<8xf32>
    %1 = math.exp %0 : f32
    affine.store %1, %y[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %y[%i] : memref<8xf32>
    %1 = math.sqrt %0 : f32
    affine.store %1, %y[%i] : memref<8xf32>
  }
  return
}
