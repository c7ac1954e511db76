// RUN: polystage-opt %s --hoist-parameters --split-input-file | FileCheck %s

// A broadcast would make inference read more: its nest stays. What it is broadcast from is hoisted.
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    memref<4xf32> {polystage.kind = "parameter", polystage.name = "hoisted.t0"}
// CHECK:       memref.alloc() {polystage.name = "t1"} : memref<4x100xf32>
// CHECK-LABEL: func.func @load(
// CHECK:       math.rsqrt
func.func @main(%v: memref<4xf32> {polystage.kind = "buffer", polystage.name = "v"},
                %x: memref<4x100xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<4x100xf32> {polystage.kind = "output", polystage.name = "output0"}) {
  %s = memref.alloc() {polystage.name = "t0"} : memref<4xf32>
  %b = memref.alloc() {polystage.name = "t1"} : memref<4x100xf32>
  affine.for %i = 0 to 4 {
    %0 = affine.load %v[%i] : memref<4xf32>
    %1 = math.rsqrt %0 : f32
    affine.store %1, %s[%i] : memref<4xf32>
  }
  affine.for %i = 0 to 4 {
    affine.for %j = 0 to 100 {
      %0 = affine.load %s[%i] : memref<4xf32>
      affine.store %0, %b[%i, %j] : memref<4x100xf32>
    }
  }
  affine.for %i = 0 to 4 {
    affine.for %j = 0 to 100 {
      %0 = affine.load %b[%i, %j] : memref<4x100xf32>
      %1 = affine.load %x[%i, %j] : memref<4x100xf32>
      %2 = arith.addf %0, %1 : f32
      affine.store %2, %y[%i, %j] : memref<4x100xf32>
    }
  }
  return
}

// -----

// A table that is also read as it is gets no transposed duplicate.
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    memref<4x3xf32> {polystage.kind = "parameter", polystage.name = "table"}
// CHECK-NOT:   func.func @load
func.func @main(%w: memref<4x3xf32> {polystage.kind = "parameter", polystage.name = "table"},
                %x: memref<3x4xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<3x4xf32> {polystage.kind = "output", polystage.name = "output0"},
                %z: memref<4x3xf32> {polystage.kind = "output", polystage.name = "output1"}) {
  %t = memref.alloc() {polystage.name = "t0"} : memref<3x4xf32>
  affine.for %i = 0 to 3 {
    affine.for %j = 0 to 4 {
      %0 = affine.load %w[%j, %i] : memref<4x3xf32>
      affine.store %0, %t[%i, %j] : memref<3x4xf32>
    }
  }
  affine.for %i = 0 to 3 {
    affine.for %j = 0 to 4 {
      %0 = affine.load %t[%i, %j] : memref<3x4xf32>
      %1 = affine.load %x[%i, %j] : memref<3x4xf32>
      %2 = arith.mulf %0, %1 : f32
      affine.store %2, %y[%i, %j] : memref<3x4xf32>
    }
  }
  affine.for %i = 0 to 4 {
    affine.for %j = 0 to 3 {
      %0 = affine.load %w[%i, %j] : memref<4x3xf32>
      %1 = affine.load %x[%j, %i] : memref<3x4xf32>
      %2 = arith.addf %0, %1 : f32
      affine.store %2, %z[%i, %j] : memref<4x3xf32>
    }
  }
  return
}
