// RUN: polystage-opt --set-target=name=tiny --pack-parameters --split-input-file %s | FileCheck %s

// Each of two nests has another dimension across the lanes: one of them would lose.
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    memref<16x8xf32> {polystage.kind = "parameter", polystage.name = "wanted-both-ways"}
// CHECK-NOT:   func.func @load
func.func @main(%w: memref<16x8xf32> {polystage.kind = "parameter", polystage.name = "wanted-both-ways"},
                %y: memref<16x8xf32> {polystage.kind = "output", polystage.name = "y"},
                %z: memref<16x8xf32> {polystage.kind = "output", polystage.name = "z"}) {
  affine.for %i = 0 to 16 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %w[%i, %j] : memref<16x8xf32>
      %1 = math.exp %0 : f32
      affine.store %1, %y[%i, %j] : memref<16x8xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %i = 0 to 16 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %w[%i, %j] : memref<16x8xf32>
      %1 = math.exp %0 : f32
      affine.store %1, %z[%i, %j] : memref<16x8xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 1 : i64}}
  return
}

// -----

// Rows are chosen by data.
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    memref<16x8xf32> {polystage.kind = "parameter", polystage.name = "table"}
// CHECK-NOT:   func.func @load
func.func @main(%w: memref<16x8xf32> {polystage.kind = "parameter", polystage.name = "table"},
                %x: memref<4xi32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<4x8xf32> {polystage.kind = "output", polystage.name = "y"}) {
  affine.for %i = 0 to 4 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %x[%i] : memref<4xi32>
      %1 = arith.index_cast %0 : i32 to index
      %2 = memref.load %w[%1, %j] : memref<16x8xf32>
      affine.store %2, %y[%i, %j] : memref<4x8xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 1 : i64}, polystage.indirect}
  return
}

// -----

// Descriptors of 16 bytes are as good as any on this target; another order would make them larger.
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    memref<2x8x4xf32> {polystage.kind = "parameter", polystage.name = "efficient"}
// CHECK-NOT:   func.func @load
func.func @main(%w: memref<2x8x4xf32> {polystage.kind = "parameter", polystage.name = "efficient"},
                %y: memref<2x8x4xf32> {polystage.kind = "output", polystage.name = "y"}) {
  affine.for %i = 0 to 2 {
    affine.for %j = 0 to 8 {
      affine.for %k = 0 to 4 {
        %0 = affine.load %w[%i, %j, %k] : memref<2x8x4xf32>
        %1 = math.exp %0 : f32
        affine.store %1, %y[%i, %j, %k] : memref<2x8x4xf32>
      }
    }
  } {npu.implementation = {kind = "elementwise", lane = 1 : i64}}
  return
}

// -----

// Inputs lie as the caller has them.
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    memref<16x8xf32> {polystage.kind = "input", polystage.name = "x"}
// CHECK-NOT:   func.func @load
func.func @main(%x: memref<16x8xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<16x8xf32> {polystage.kind = "output", polystage.name = "y"}) {
  affine.for %i = 0 to 16 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %x[%i, %j] : memref<16x8xf32>
      affine.store %0, %y[%i, %j] : memref<16x8xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 1 : i64}}
  return
}
