// A border that is filled on one of the lanes that its window has is filled in its place, without a tile that nobody counted.
// RUN: polystage-opt --set-target="name=tiny sbuf=1664" --refine-domains --shrink-fills --split-arrays --map-banks --stage=effort=1 --mlir-print-local-scope %s | FileCheck %s

// CHECK: memref.alloc() {polystage.name = "t3.window"{{.*}}} : memref<8x2x14xf32
// CHECK-NOT: "t3.window.tile"{{.*}}} : memref<1x
module {
  memref.global "private" constant @in6 : memref<17x2x2xf32> = dense<[[[1.000000e+00, -1.000000e+00], [-1.000000e+00, -1.000000e+00]], [[-1.000000e+00, 1.000000e+00], [1.000000e+00, 0.000000e+00]], [[-1.000000e+00, -1.000000e+00], [-1.000000e+00, 0.000000e+00]], [[0.000000e+00, 0.000000e+00], [-1.000000e+00, -1.000000e+00]], [[1.000000e+00, 1.000000e+00], [-1.000000e+00, -1.000000e+00]], [[0.000000e+00, 0.000000e+00], [1.000000e+00, 0.000000e+00]], [[0.000000e+00, 0.000000e+00], [0.000000e+00, 0.000000e+00]], [[-1.000000e+00, 1.000000e+00], [1.000000e+00, 1.000000e+00]], [[1.000000e+00, -1.000000e+00], [-1.000000e+00, 0.000000e+00]], [[0.000000e+00, 1.000000e+00], [1.000000e+00, -1.000000e+00]], [[1.000000e+00, -1.000000e+00], [-1.000000e+00, 1.000000e+00]], [[1.000000e+00, -1.000000e+00], [-1.000000e+00, -1.000000e+00]], [[-1.000000e+00, 1.000000e+00], [0.000000e+00, 0.000000e+00]], [[-1.000000e+00, 0.000000e+00], [-1.000000e+00, 1.000000e+00]], [[0.000000e+00, -1.000000e+00], [-1.000000e+00, 1.000000e+00]], [[0.000000e+00, 0.000000e+00], [-1.000000e+00, -1.000000e+00]], [[0.000000e+00, 0.000000e+00], [0.000000e+00, 1.000000e+00]]]>
  func.func @main(%arg0: memref<17x12x12xf32> {polystage.kind = "input", polystage.name = "in1"}, %arg1: memref<12x5xf32> {polystage.kind = "input", polystage.name = "in2"}) {
    %cst = arith.constant 0.000000e+00 : f32
    %0 = memref.get_global @in6 : memref<17x2x2xf32>
    %alloc = memref.alloc() {polystage.name = "t3"} : memref<17x14x14xf32>
    %alloc_0 = memref.alloc() {polystage.name = "t7"} : memref<17x7x7xf32>
    affine.for %arg2 = 0 to 17 {
      affine.for %arg3 = 0 to 14 {
        affine.for %arg4 = 0 to 14 {
          affine.store %cst, %alloc[%arg2, %arg3, %arg4] : memref<17x14x14xf32>
        }
      }
    }
    affine.for %arg2 = 0 to 17 {
      affine.for %arg3 = 0 to 12 {
        affine.for %arg4 = 0 to 12 {
          %1 = affine.load %arg0[%arg2, %arg3, %arg4] : memref<17x12x12xf32>
          affine.store %1, %alloc[%arg2, %arg3 + 1, %arg4 + 1] : memref<17x14x14xf32>
        }
      }
    }
    affine.for %arg2 = 0 to 17 {
      affine.for %arg3 = 0 to 7 {
        affine.for %arg4 = 0 to 7 {
          affine.store %cst, %alloc_0[%arg2, %arg3, %arg4] : memref<17x7x7xf32>
        }
      }
    }
    affine.for %arg2 = 0 to 17 {
      affine.for %arg3 = 0 to 7 {
        affine.for %arg4 = 0 to 7 {
          affine.for %arg5 = 0 to 2 {
            affine.for %arg6 = 0 to 2 {
              %1 = affine.load %alloc[%arg2, %arg3 * 2 + %arg5, %arg4 * 2 + %arg6] : memref<17x14x14xf32>
              %2 = affine.load %0[%arg2, %arg5, %arg6] : memref<17x2x2xf32>
              %3 = arith.mulf %1, %2 : f32
              %4 = affine.load %alloc_0[%arg2, %arg3, %arg4] : memref<17x7x7xf32>
              %5 = arith.addf %4, %3 : f32
              affine.store %5, %alloc_0[%arg2, %arg3, %arg4] : memref<17x7x7xf32>
            }
          }
        }
      }
    }
    return
  }
}

