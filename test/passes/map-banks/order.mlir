// No loop lies across the lanes whose iterations depend on their order.
// RUN: polystage-opt --set-target=name=tiny --map-banks=strategy=off %s | FileCheck %s

// CHECK-LABEL: func.func @main
func.func @main(%x: memref<8x16xf32> {polystage.name = "x", polystage.kind = "input"},
                %c: memref<8x17xf32> {polystage.name = "c", polystage.kind = "output"},
                %o: memref<23xf32> {polystage.name = "o", polystage.kind = "output"},
                %d: memref<16xf32> {polystage.name = "d", polystage.kind = "output"},
                %p: memref<16xi32> {polystage.name = "p", polystage.kind = "input"}) {
  // A scan along %j.
  // CHECK: affine.store %{{.*}}, %arg1
  // CHECK: npu.implementation = {kind = "elementwise", lane = 0 : i64}
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 16 {
      %0 = affine.load %c[%i, %j] : memref<8x17xf32>
      %1 = affine.load %x[%i, %j] : memref<8x16xf32>
      %2 = arith.addf %0, %1 : f32
      affine.store %2, %c[%i, %j + 1] : memref<8x17xf32>
    }
  }
  // Overlapping sums: iterations of %i and %j share elements, the shorter loop runs in steps.
  // CHECK: affine.store %{{.*}}, %arg2
  // CHECK: npu.implementation = {kind = "elementwise", lane = 1 : i64}
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 16 {
      %0 = affine.load %o[%i + %j] : memref<23xf32>
      %1 = affine.load %x[%i, %j] : memref<8x16xf32>
      %2 = arith.addf %0, %1 : f32
      affine.store %2, %o[%i + %j] : memref<23xf32>
    }
  }
  // Sums into elements that data choose: one may be chosen twice.
  // CHECK: memref.store
  // CHECK: npu.implementation = {kind = "elementwise"}
  affine.for %j = 0 to 16 {
    %0 = affine.load %p[%j] : memref<16xi32>
    %1 = arith.index_cast %0 : i32 to index
    %2 = memref.load %d[%1] : memref<16xf32>
    %3 = affine.load %x[0, %j] : memref<8x16xf32>
    %4 = arith.addf %2, %3 : f32
    memref.store %4, %d[%1] : memref<16xf32>
  } {polystage.indirect}
  return
}
