// Rows that data choose are loaded row by row, each into a lane: with columns on the lanes every element is a transfer.
// RUN: polystage-opt --set-target=name=trainium1 --map-banks %s | FileCheck %s

// CHECK: memref.load
// CHECK: npu.implementation = {kind = "elementwise", lane = 0 : i64}
func.func @main(%table: memref<1000x256xbf16> {polystage.name = "table", polystage.kind = "parameter"},
                %rows: memref<128xi32> {polystage.name = "rows", polystage.kind = "input"},
                %y: memref<128x256xbf16> {polystage.name = "y", polystage.kind = "output"}) {
  affine.for %i = 0 to 128 {
    affine.for %j = 0 to 256 {
      %0 = affine.load %rows[%i] : memref<128xi32>
      %1 = arith.index_cast %0 : i32 to index
      %2 = memref.load %table[%1, %j] : memref<1000x256xbf16>
      affine.store %2, %y[%i, %j] : memref<128x256xbf16>
    }
  }
  return
}
