// A table of which data choose rows stays; the nest that reads all of it gets a packed copy.
// RUN: polystage-opt --set-target=name=tiny --pack-parameters %s | FileCheck %s
// RUN: polystage-opt --set-target=name=tiny --pack-parameters --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s --check-prefix=STATS

// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %[[W:[a-z0-9]+]]: memref<16x8xf32> {polystage.kind = "parameter", polystage.name = "table"}
// CHECK-SAME:    %[[P:[a-z0-9]+]]: memref<8x16xf32> {polystage.kind = "parameter", polystage.name = "table.packed"}
// CHECK:       memref.load %[[W]]
// CHECK:       affine.for %[[I:.*]] = 0 to 16
// CHECK:       affine.for %[[J:.*]] = 0 to 8
// CHECK:       affine.load %[[P]][%[[J]], %[[I]]] : memref<8x16xf32>
// CHECK-LABEL: func.func @load(
// CHECK-SAME:    %[[FROM:[a-z0-9]+]]: memref<16x8xf32> {polystage.kind = "parameter", polystage.name = "table"}
// CHECK-SAME:    %[[TO:[a-z0-9]+]]: memref<8x16xf32> {polystage.kind = "output", polystage.name = "table.packed"}
// STATS-DAG: 1 packed
// STATS-DAG: 1 copied
func.func @main(%w: memref<16x8xf32> {polystage.kind = "parameter", polystage.name = "table"},
                %x: memref<4xi32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<4x8xf32> {polystage.kind = "output", polystage.name = "y"},
                %z: memref<16x8xf32> {polystage.kind = "output", polystage.name = "z"}) {
  affine.for %i = 0 to 4 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %x[%i] : memref<4xi32>
      %1 = arith.index_cast %0 : i32 to index
      %2 = memref.load %w[%1, %j] : memref<16x8xf32>
      affine.store %2, %y[%i, %j] : memref<4x8xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 1 : i64}, polystage.indirect}
  affine.for %i = 0 to 16 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %w[%i, %j] : memref<16x8xf32>
      %1 = math.exp %0 : f32
      affine.store %1, %z[%i, %j] : memref<16x8xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 1 : i64}}
  return
}
