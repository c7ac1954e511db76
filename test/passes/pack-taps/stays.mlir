// RUN: polystage-opt --set-target=name=tiny --pack-taps="dram=9 padding=9" --split-input-file %s | FileCheck %s

// Another nest reads the image: packed, it would be read twice.
// CHECK-LABEL: func.func @main(
// CHECK-NOT:   taps
func.func @main(%w: memref<4x2x2xf32> {polystage.kind = "parameter", polystage.name = "w"},
                %x: memref<2x8x4xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<4x4x4xf32> {polystage.kind = "output", polystage.name = "y"},
                %z: memref<2x8x4xf32> {polystage.kind = "output", polystage.name = "z"}) {
  affine.for %c = 0 to 2 {
    affine.for %i = 0 to 8 {
      affine.for %j = 0 to 4 {
        %0 = affine.load %x[%c, %i, %j] : memref<2x8x4xf32>
        %1 = math.exp %0 : f32
        affine.store %1, %z[%c, %i, %j] : memref<2x8x4xf32>
      }
    }
  }
  affine.for %m = 0 to 4 {
    affine.for %i = 0 to 4 {
      affine.for %j = 0 to 4 {
        affine.for %c = 0 to 2 {
          affine.for %r = 0 to 2 {
            %0 = affine.load %y[%m, %i, %j] : memref<4x4x4xf32>
            %1 = affine.load %w[%m, %c, %r] : memref<4x2x2xf32>
            %2 = affine.load %x[%c, %i * 2 + %r, %j] : memref<2x8x4xf32>
            %3 = arith.mulf %1, %2 : f32
            %4 = arith.addf %0, %3 : f32
            affine.store %4, %y[%m, %i, %j] : memref<4x4x4xf32>
          }
        }
      }
    }
  }
  return
}

// -----

// The taps move along the innermost dimension: rows of one element each would be loaded.
// CHECK-LABEL: func.func @main(
// CHECK-NOT:   taps
func.func @main(%w: memref<4x2x2xf32> {polystage.kind = "parameter", polystage.name = "w"},
                %x: memref<2x8xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<4x4xf32> {polystage.kind = "output", polystage.name = "y"}) {
  affine.for %m = 0 to 4 {
    affine.for %i = 0 to 4 {
      affine.for %c = 0 to 2 {
        affine.for %r = 0 to 2 {
          %0 = affine.load %y[%m, %i] : memref<4x4xf32>
          %1 = affine.load %w[%m, %c, %r] : memref<4x2x2xf32>
          %2 = affine.load %x[%c, %i * 2 + %r] : memref<2x8xf32>
          %3 = arith.mulf %1, %2 : f32
          %4 = arith.addf %0, %3 : f32
          affine.store %4, %y[%m, %i] : memref<4x4xf32>
        }
      }
    }
  }
  return
}
