// What a window of one lane keeps moves in place, without tiles that nobody counted.
// RUN: polystage-opt --set-target="name=tiny sbuf=1088" --refine-domains --shrink-fills --map-banks --stage=effort=3 --mlir-print-local-scope %s | FileCheck %s

// CHECK: memref.alloc() {polystage.name = "x.window"{{.*}}} : memref<1x3x8xf32
// CHECK-NOT: x.window.tile
module {
  func.func @main(%x: memref<17x8x8xf32> {polystage.name = "x", polystage.kind = "input"}, %scale: memref<6xf32> {polystage.name = "scale", polystage.kind = "input"}, %shift: memref<6xf32> {polystage.name = "shift", polystage.kind = "input"}, %y: memref<6x6x17xf32> {polystage.name = "y", polystage.kind = "output"}) {
    %c0 = arith.constant -1.600000e+01 : f32
    %c1 = arith.constant -4.000000e+00 : f32
    %c2 = arith.constant 4.000000e+00 : f32
    %c3 = arith.constant 0.000000e+00 : f32
    %t2 = memref.alloc() {polystage.name = "t2"} : memref<17x6x6xf32>
    %t6 = memref.alloc() {polystage.name = "t6"} : memref<17x6x6xf32>
    %t8 = memref.alloc() {polystage.name = "t8"} : memref<17x6x6xf32>
    %t10 = memref.alloc() {polystage.name = "t10"} : memref<17x6x6xf32>
    %t12 = memref.alloc() {polystage.name = "t12"} : memref<6x6x17xf32>
    affine.for %i0 = 0 to 17 {
      affine.for %i1 = 0 to 6 {
        affine.for %i2 = 0 to 6 {
          affine.store %c0, %t2[%i0, %i1, %i2] : memref<17x6x6xf32>
        }
      }
    }
    affine.for %i0 = 0 to 17 {
      affine.for %i1 = 0 to 6 {
        affine.for %i2 = 0 to 6 {
          affine.for %i3 = 0 to 3 {
            affine.for %i4 = 0 to 3 {
              %0 = affine.load %x[%i0, %i1 + %i3, %i2 + %i4] : memref<17x8x8xf32>
              %1 = affine.load %t2[%i0, %i1, %i2] : memref<17x6x6xf32>
              %2 = arith.maximumf %1, %0 : f32
              affine.store %2, %t2[%i0, %i1, %i2] : memref<17x6x6xf32>
            }
          }
        }
      }
    }
    affine.for %i0 = 0 to 17 {
      affine.for %i1 = 0 to 6 {
        affine.for %i2 = 0 to 6 {
          %0 = affine.load %t2[%i0, %i1, %i2] : memref<17x6x6xf32>
          %1 = arith.maximumf %0, %c1 : f32
          %2 = arith.minimumf %1, %c2 : f32
          affine.store %2, %t6[%i0, %i1, %i2] : memref<17x6x6xf32>
        }
      }
    }
    affine.for %i0 = 0 to 17 {
      affine.for %i1 = 0 to 6 {
        affine.for %i2 = 0 to 6 {
          %0 = affine.load %t6[%i0, %i1, %i2] : memref<17x6x6xf32>
          %1 = arith.maximumf %0, %c3 : f32
          %2 = arith.minimumf %1, %c2 : f32
          affine.store %2, %t8[%i0, %i1, %i2] : memref<17x6x6xf32>
        }
      }
    }
    affine.for %i0 = 0 to 17 {
      affine.for %i1 = 0 to 6 {
        affine.for %i2 = 0 to 6 {
          %0 = affine.load %t8[%i0, %i1, %i2] : memref<17x6x6xf32>
          %1 = affine.load %t8[%i0, %i1, %i2] : memref<17x6x6xf32>
          %2 = arith.addf %0, %1 : f32
          affine.store %2, %t10[%i0, %i1, %i2] : memref<17x6x6xf32>
        }
      }
    }
    affine.for %i0 = 0 to 17 {
      affine.for %i1 = 0 to 6 {
        affine.for %i2 = 0 to 6 {
          %0 = affine.load %t10[%i0, %i1, %i2] : memref<17x6x6xf32>
          affine.store %0, %t12[%i2, %i1, %i0] : memref<6x6x17xf32>
        }
      }
    }
    affine.for %i0 = 0 to 6 {
      affine.for %i1 = 0 to 6 {
        affine.for %i2 = 0 to 17 {
          %0 = affine.load %t12[%i0, %i1, %i2] : memref<6x6x17xf32>
          %1 = affine.load %scale[%i0] : memref<6xf32>
          %2 = affine.load %shift[%i0] : memref<6xf32>
          %3 = arith.mulf %0, %1 : f32
          %4 = arith.addf %3, %2 : f32
          affine.store %4, %y[%i0, %i1, %i2] : memref<6x6x17xf32>
        }
      }
    }
    return
  }
}
