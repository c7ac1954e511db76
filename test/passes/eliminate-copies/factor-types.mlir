// The matrix engine multiplies factors of one element type: a widening copy of one factor is left alone, that of both
// goes, and so does that of either where no factor is widened.
// RUN: polystage-opt %s --eliminate-copies --verify-each --split-input-file | FileCheck %s

// One factor is widened, the other is f32 to begin with.
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %[[W:[a-z0-9]+]]: memref<8x4xbf16> {{.*}}, %[[X:[a-z0-9]+]]: memref<4x8xf32>
// CHECK:       %[[WIDE:.*]] = memref.alloc() {polystage.name = "t0"} : memref<8x4xf32>
// CHECK:       %[[N:.*]] = affine.load %[[W]]
// CHECK:       arith.extf %[[N]] : bf16 to f32
// CHECK:       affine.load %[[X]]
// CHECK:       affine.load %[[WIDE]]
// CHECK:       arith.mulf
func.func @main(%w: memref<8x4xbf16> {polystage.kind = "parameter", polystage.name = "w"},
                %x: memref<4x8xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<4x4xf32> {polystage.kind = "output", polystage.name = "y"}) {
  %zero = arith.constant 0.0 : f32
  %wide = memref.alloc() {polystage.name = "t0"} : memref<8x4xf32>
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 4 {
      %0 = affine.load %w[%i, %j] : memref<8x4xbf16>
      %1 = arith.extf %0 : bf16 to f32
      affine.store %1, %wide[%i, %j] : memref<8x4xf32>
    }
  }
  affine.for %i = 0 to 4 {
    affine.for %j = 0 to 4 {
      affine.store %zero, %y[%i, %j] : memref<4x4xf32>
    }
  }
  affine.for %i = 0 to 4 {
    affine.for %j = 0 to 4 {
      affine.for %k = 0 to 8 {
        %0 = affine.load %x[%i, %k] : memref<4x8xf32>
        %1 = affine.load %wide[%k, %j] : memref<8x4xf32>
        %2 = arith.mulf %0, %1 : f32
        %3 = affine.load %y[%i, %j] : memref<4x4xf32>
        %4 = arith.addf %3, %2 : f32
        affine.store %4, %y[%i, %j] : memref<4x4xf32>
      }
    }
  }
  return
}

// -----

// Both factors are widened: both are read as they are, and widened in the contraction.
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %[[W:[a-z0-9]+]]: memref<8x4xbf16> {{.*}}, %[[X:[a-z0-9]+]]: memref<4x8xbf16>
// CHECK-NOT:   memref.alloc
// CHECK:       affine.load %[[X]]
// CHECK:       affine.load %[[W]]
// CHECK:       arith.mulf
func.func @main(%w: memref<8x4xbf16> {polystage.kind = "parameter", polystage.name = "w"},
                %x: memref<4x8xbf16> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<4x4xf32> {polystage.kind = "output", polystage.name = "y"}) {
  %zero = arith.constant 0.0 : f32
  %wide = memref.alloc() {polystage.name = "t0"} : memref<8x4xf32>
  %also = memref.alloc() {polystage.name = "t1"} : memref<4x8xf32>
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 4 {
      %0 = affine.load %w[%i, %j] : memref<8x4xbf16>
      %1 = arith.extf %0 : bf16 to f32
      affine.store %1, %wide[%i, %j] : memref<8x4xf32>
    }
  }
  affine.for %i = 0 to 4 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %x[%i, %j] : memref<4x8xbf16>
      %1 = arith.extf %0 : bf16 to f32
      affine.store %1, %also[%i, %j] : memref<4x8xf32>
    }
  }
  affine.for %i = 0 to 4 {
    affine.for %j = 0 to 4 {
      affine.store %zero, %y[%i, %j] : memref<4x4xf32>
    }
  }
  affine.for %i = 0 to 4 {
    affine.for %j = 0 to 4 {
      affine.for %k = 0 to 8 {
        %0 = affine.load %also[%i, %k] : memref<4x8xf32>
        %1 = affine.load %wide[%k, %j] : memref<8x4xf32>
        %2 = arith.mulf %0, %1 : f32
        %3 = affine.load %y[%i, %j] : memref<4x4xf32>
        %4 = arith.addf %3, %2 : f32
        affine.store %4, %y[%i, %j] : memref<4x4xf32>
      }
    }
  }
  return
}

// -----

// A widened load of another nest is forwarded as ever.
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %[[W:[a-z0-9]+]]: memref<8xbf16> {{.*}}, %[[X:[a-z0-9]+]]: memref<8xf32> {polystage.kind = "input"
// CHECK-NOT:   memref.alloc
// CHECK:       affine.load %[[X]]
// CHECK:       affine.load %[[W]]
// CHECK:       arith.mulf
func.func @main(%w: memref<8xbf16> {polystage.kind = "parameter", polystage.name = "w"},
                %x: memref<8xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<8xf32> {polystage.kind = "output", polystage.name = "y"}) {
  %wide = memref.alloc() {polystage.name = "t0"} : memref<8xf32>
  affine.for %i = 0 to 8 {
    %0 = affine.load %w[%i] : memref<8xbf16>
    %1 = arith.extf %0 : bf16 to f32
    affine.store %1, %wide[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[%i] : memref<8xf32>
    %1 = affine.load %wide[%i] : memref<8xf32>
    %2 = arith.mulf %0, %1 : f32
    affine.store %2, %y[%i] : memref<8xf32>
  }
  return
}
