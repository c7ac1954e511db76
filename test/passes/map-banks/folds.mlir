// What is folded, and how: a reduction by the reduce instruction, another fold step by step.
// RUN: polystage-opt --set-target=name=tiny --map-banks %s | FileCheck %s

// CHECK-LABEL: func.func @main
func.func @main(%x: memref<16x64xf32> {polystage.name = "x", polystage.kind = "input"},
                %m: memref<16xf32> {polystage.name = "m", polystage.kind = "output"},
                %h: memref<16xf32> {polystage.name = "h", polystage.kind = "output"},
                %s: memref<f32> {polystage.name = "s", polystage.kind = "output"}) {
  // CHECK: arith.maximumf
  // CHECK: npu.implementation = {kind = "reduce", lane = 0 : i64}
  affine.for %i = 0 to 16 {
    affine.for %j = 0 to 64 {
      %0 = affine.load %m[%i] : memref<16xf32>
      %1 = affine.load %x[%i, %j] : memref<16x64xf32>
      %2 = arith.maximumf %0, %1 : f32
      affine.store %2, %m[%i] : memref<16xf32>
    }
  }
  // CHECK: arith.subf
  // CHECK: npu.implementation = {kind = "fold", lane = 0 : i64}
  affine.for %i = 0 to 16 {
    affine.for %j = 0 to 64 {
      %0 = affine.load %h[%i] : memref<16xf32>
      %1 = affine.load %x[%i, %j] : memref<16x64xf32>
      %2 = arith.subf %1, %0 : f32
      affine.store %2, %h[%i] : memref<16xf32>
    }
  }
  // A sum over everything: across the lanes by a product with ones.
  // CHECK: arith.addf
  // CHECK: npu.implementation = {kind = "reduce", lane = {{[01]}} : i64}
  affine.for %i = 0 to 16 {
    affine.for %j = 0 to 64 {
      %0 = affine.load %s[] : memref<f32>
      %1 = affine.load %x[%i, %j] : memref<16x64xf32>
      %2 = arith.addf %0, %1 : f32
      affine.store %2, %s[] : memref<f32>
    }
  }
  return
}
