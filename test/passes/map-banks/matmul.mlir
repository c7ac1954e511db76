// A contraction: the reduced loop across the lanes, a loop of the stationary factor as rows of the result.
// RUN: polystage-opt --set-target=name=tiny --map-banks=strategy=local %s | FileCheck %s
// RUN: polystage-opt --set-target=name=tiny --map-banks --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s --check-prefix=STATS

// CHECK-LABEL: func.func @main
// CHECK: npu.implementation = {kind = "elementwise", lane = 0 : i64}
// CHECK: npu.implementation = {kind = "contraction", lane = 2 : i64, rows = {{[01]}} : i64, stationary = {{[01]}} : i64}
// STATS-DAG: 1 elementwise
// STATS-DAG: 1 contraction
func.func @main(%x: memref<32x64xf32> {polystage.name = "x", polystage.kind = "input"},
                %w: memref<64x24xf32> {polystage.name = "w", polystage.kind = "parameter"},
                %y: memref<32x24xf32> {polystage.name = "y", polystage.kind = "output"}) {
  %c0 = arith.constant 0.0 : f32
  affine.for %i = 0 to 32 {
    affine.for %j = 0 to 24 {
      affine.store %c0, %y[%i, %j] : memref<32x24xf32>
    }
  }
  affine.for %i = 0 to 32 {
    affine.for %j = 0 to 24 {
      affine.for %k = 0 to 64 {
        %0 = affine.load %x[%i, %k] : memref<32x64xf32>
        %1 = affine.load %w[%k, %j] : memref<64x24xf32>
        %2 = affine.load %y[%i, %j] : memref<32x24xf32>
        %3 = arith.mulf %0, %1 : f32
        %4 = arith.addf %2, %3 : f32
        affine.store %4, %y[%i, %j] : memref<32x24xf32>
      }
    }
  }
  return
}
