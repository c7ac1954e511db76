// RUN: polystage-opt %s --eliminate-copies --split-input-file --verify-diagnostics

// The padding of an input under a window is its transfer.
func.func @main(%x: memref<4xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<4xf32> {polystage.kind = "output", polystage.name = "output0"}) {
  %zero = arith.constant 0.0 : f32
  %p = memref.alloc() {polystage.name = "t0"} : memref<6xf32>
  affine.for %i = 0 to 6 {
    affine.store %zero, %p[%i] : memref<6xf32>
  }
  // expected-remark @below {{kept copy: of 'x' to 't0': its source is an argument: staging transfer}}
  affine.for %i = 0 to 4 {
    %0 = affine.load %x[%i] : memref<4xf32>
    affine.store %0, %p[%i + 1] : memref<6xf32>
  }
  affine.for %i = 0 to 4 {
    affine.store %zero, %y[%i] : memref<4xf32>
  }
  affine.for %i = 0 to 4 {
    affine.for %k = 0 to 3 {
      %0 = affine.load %p[%i + %k] : memref<6xf32>
      %1 = affine.load %y[%i] : memref<4xf32>
      %2 = arith.addf %1, %0 : f32
      affine.store %2, %y[%i] : memref<4xf32>
    }
  }
  return
}

// -----

// The source is written again before the copy is read.
func.func @main(%x: memref<4xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<4xf32> {polystage.kind = "output", polystage.name = "output0"},
                %z: memref<4xf32> {polystage.kind = "output", polystage.name = "output1"}) {
  %t = memref.alloc() {polystage.name = "t0"} : memref<4xf32>
  affine.for %i = 0 to 4 {
    %0 = affine.load %x[%i] : memref<4xf32>
    %1 = math.exp %0 : f32
    affine.store %1, %z[%i] : memref<4xf32>
  }
  // expected-remark @below {{kept copy: of 'output1' to 't0': its source is an output}}
  affine.for %i = 0 to 4 {
    %0 = affine.load %z[%i] : memref<4xf32>
    affine.store %0, %t[%i] : memref<4xf32>
  }
  affine.for %i = 0 to 4 {
    %0 = affine.load %x[%i] : memref<4xf32>
    %1 = math.sin %0 : f32
    affine.store %1, %z[%i] : memref<4xf32>
  }
  affine.for %i = 0 to 4 {
    %0 = affine.load %t[%i] : memref<4xf32>
    %1 = math.exp %0 : f32
    affine.store %1, %y[%i] : memref<4xf32>
  }
  return
}

// -----

// A part of an array that is needed whole is an output as well.
func.func @main(%x: memref<4xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<4xf32> {polystage.kind = "output", polystage.name = "output0"},
                %z: memref<2xf32> {polystage.kind = "output", polystage.name = "output1"}) {
  %t = memref.alloc() {polystage.name = "t0"} : memref<4xf32>
  affine.for %i = 0 to 4 {
    %0 = affine.load %x[%i] : memref<4xf32>
    %1 = math.exp %0 : f32
    affine.store %1, %t[%i] : memref<4xf32>
  }
  // expected-remark @below {{kept copy: of 't0' to 'output1': it moves a part of its source}}
  affine.for %i = 0 to 2 {
    %0 = affine.load %t[%i + 1] : memref<4xf32>
    affine.store %0, %z[%i] : memref<2xf32>
  }
  affine.for %i = 0 to 4 {
    %0 = affine.load %t[%i] : memref<4xf32>
    %1 = math.exp %0 : f32
    affine.store %1, %y[%i] : memref<4xf32>
  }
  return
}
