// RUN: polystage-opt %s --fuse-nests --split-input-file | FileCheck %s

// Two readers of one element, and one value for a whole row: merging would compute it again.
// CHECK-LABEL: func.func @main(
// CHECK-COUNT-4: affine.store
// CHECK-NOT:   affine.store
func.func @main(%x: memref<8xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<8xf32> {polystage.kind = "output", polystage.name = "y"},
                %z: memref<8xf32> {polystage.kind = "output", polystage.name = "z"},
                %w: memref<8x4xf32> {polystage.kind = "output", polystage.name = "w"}) {
  %t0 = memref.alloc() {polystage.name = "t0"} : memref<8xf32>
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[%i] : memref<8xf32>
    %1 = math.exp %0 : f32
    affine.store %1, %t0[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %t0[%i] : memref<8xf32>
    %1 = math.tanh %0 : f32
    affine.store %1, %y[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %t0[%i] : memref<8xf32>
    %1 = math.sqrt %0 : f32
    affine.store %1, %z[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 4 {
      %0 = affine.load %x[%i] : memref<8xf32>
      %1 = math.sqrt %0 : f32
      affine.store %1, %w[%i, %j] : memref<8x4xf32>
    }
  }
  return
}

// -----

// Overlapping windows read an element more than once.
// CHECK-LABEL: func.func @main(
// CHECK-COUNT-3: affine.store
// CHECK-NOT:   affine.store
func.func @main(%x: memref<8xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<6xf32> {polystage.kind = "output", polystage.name = "y"}) {
  %low = arith.constant 0xFF800000 : f32
  %t0 = memref.alloc() {polystage.name = "t0"} : memref<8xf32>
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[%i] : memref<8xf32>
    %1 = math.exp %0 : f32
    affine.store %1, %t0[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 6 {
    affine.store %low, %y[%i] : memref<6xf32>
  }
  affine.for %i = 0 to 6 {
    affine.for %j = 0 to 3 {
      %0 = affine.load %y[%i] : memref<6xf32>
      %1 = affine.load %t0[%i + %j] : memref<8xf32>
      %2 = arith.maximumf %0, %1 : f32
      affine.store %2, %y[%i] : memref<6xf32>
    }
  }
  return
}

// -----

// A contraction reads each element once, and its factors stay loads.
// CHECK-LABEL: func.func @main(
// CHECK:       math.exp
// CHECK-NEXT:  affine.store
// CHECK-COUNT-2: affine.store
// CHECK-NOT:   affine.store
func.func @main(%x: memref<8x4xf32> {polystage.kind = "input", polystage.name = "x"},
                %w: memref<4xf32> {polystage.kind = "parameter", polystage.name = "w"},
                %y: memref<8xf32> {polystage.kind = "output", polystage.name = "y"}) {
  %zero = arith.constant 0.0 : f32
  %t0 = memref.alloc() {polystage.name = "t0"} : memref<8x4xf32>
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 4 {
      %0 = affine.load %x[%i, %j] : memref<8x4xf32>
      %1 = math.exp %0 : f32
      affine.store %1, %t0[%i, %j] : memref<8x4xf32>
    }
  }
  affine.for %i = 0 to 8 {
    affine.store %zero, %y[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 4 {
      %0 = affine.load %y[%i] : memref<8xf32>
      %1 = affine.load %t0[%i, %j] : memref<8x4xf32>
      %2 = affine.load %w[%j] : memref<4xf32>
      %3 = arith.mulf %1, %2 : f32
      %4 = arith.addf %0, %3 : f32
      affine.store %4, %y[%i] : memref<8xf32>
    }
  }
  return
}

// -----

// What the producer reads is overwritten before its value is used.
// CHECK-LABEL: func.func @main(
// CHECK-COUNT-3: affine.store
// CHECK-NOT:   affine.store
func.func @main(%x: memref<8xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<8xf32> {polystage.kind = "output", polystage.name = "y"},
                %z: memref<8xf32> {polystage.kind = "output", polystage.name = "z"}) {
  %t0 = memref.alloc() {polystage.name = "t0"} : memref<8xf32>
  affine.for %i = 0 to 8 {
    %0 = affine.load %y[%i] : memref<8xf32>
    %1 = math.exp %0 : f32
    affine.store %1, %t0[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[%i] : memref<8xf32>
    %1 = math.tanh %0 : f32
    affine.store %1, %y[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %t0[%i] : memref<8xf32>
    %1 = math.sqrt %0 : f32
    affine.store %1, %z[%i] : memref<8xf32>
  }
  return
}

// -----

// A recurrence is no function of its iteration: elements later in program order depend on earlier ones.
// CHECK-LABEL: func.func @main(
// CHECK-COUNT-2: affine.store
// CHECK-NOT:   affine.store
func.func @main(%x: memref<9xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<8xf32> {polystage.kind = "output", polystage.name = "y"}) {
  %t0 = memref.alloc() {polystage.name = "t0"} : memref<9xf32>
  affine.for %i = 0 to 8 {
    %0 = affine.load %t0[%i] : memref<9xf32>
    %1 = affine.load %x[%i] : memref<9xf32>
    %2 = arith.addf %0, %1 : f32
    affine.store %2, %t0[%i + 1] : memref<9xf32>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %t0[%i + 1] : memref<9xf32>
    %1 = math.sqrt %0 : f32
    affine.store %1, %y[%i] : memref<8xf32>
  }
  return
}
