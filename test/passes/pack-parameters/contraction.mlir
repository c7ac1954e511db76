// The contracted loop is across the lanes: its dimension comes first, then the other summed one, the rows last.
// RUN: polystage-opt --set-target=name=tiny --pack-parameters %s | FileCheck %s
// RUN: polystage-opt --set-target=name=tiny --pack-parameters --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s --check-prefix=STATS
// RUN: polystage-opt --set-target=name=tiny --pack-parameters --verify-normal-form %s -o %t

// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %[[W:[a-z0-9]+]]: memref<8x3x16xf32> {polystage.kind = "parameter", polystage.name = "w.packed"}
// CHECK:       affine.for %[[M:.*]] = 0 to 16
// CHECK:       affine.for %{{.*}} = 0 to 20
// CHECK:       affine.for %[[K:.*]] = 0 to 8
// CHECK:       affine.for %[[R:.*]] = 0 to 3
// CHECK:       affine.load %[[W]][%[[K]], %[[R]], %[[M]]] : memref<8x3x16xf32>
// CHECK-LABEL: func.func @load(
// CHECK-SAME:    %[[FROM:[a-z0-9]+]]: memref<16x3x8xf32> {polystage.kind = "parameter", polystage.name = "w"}
// CHECK-SAME:    %[[TO:[a-z0-9]+]]: memref<8x3x16xf32> {polystage.kind = "output", polystage.name = "w.packed"}
// CHECK:       affine.for %[[K:.*]] = 0 to 8
// CHECK:       affine.for %[[R:.*]] = 0 to 3
// CHECK:       affine.for %[[M:.*]] = 0 to 16
// CHECK:       %[[V:.*]] = affine.load %[[FROM]][%[[M]], %[[R]], %[[K]]]
// CHECK:       affine.store %[[V]], %[[TO]][%[[K]], %[[R]], %[[M]]]
// STATS-DAG: 1 packed
// STATS-DAG: 1536 bytes
func.func @main(%w: memref<16x3x8xf32> {polystage.kind = "parameter", polystage.name = "w"},
                %x: memref<8x22xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<16x20xf32> {polystage.kind = "output", polystage.name = "y"}) {
  %c0 = arith.constant 0.0 : f32
  affine.for %m = 0 to 16 {
    affine.for %n = 0 to 20 {
      affine.store %c0, %y[%m, %n] : memref<16x20xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %m = 0 to 16 {
    affine.for %n = 0 to 20 {
      affine.for %k = 0 to 8 {
        affine.for %r = 0 to 3 {
          %0 = affine.load %w[%m, %r, %k] : memref<16x3x8xf32>
          %1 = affine.load %x[%k, %n + %r] : memref<8x22xf32>
          %2 = affine.load %y[%m, %n] : memref<16x20xf32>
          %3 = arith.mulf %0, %1 : f32
          %4 = arith.addf %2, %3 : f32
          affine.store %4, %y[%m, %n] : memref<16x20xf32>
        }
      }
    }
  } {npu.implementation = {kind = "contraction", lane = 2 : i64, rows = 0 : i64, stationary = 0 : i64}}
  return
}
