// What the matrix engine does not take, the vector engine does: contractions, and sums across lanes, which are fp32.
// RUN: polystage-opt --set-target=name=tiny --map-banks=strategy=off %s | FileCheck %s --check-prefixes=CHECK,F32
// RUN: polystage-opt --set-target=name=%S/inputs/no-f32.toml --map-banks=strategy=off %s | FileCheck %s --check-prefixes=CHECK,NOF32
// RUN: polystage-opt --set-target=name=%S/inputs/no-f32.toml --map-banks=strategy=off --stage --lower-to-npu --allocate %s | FileCheck %s --check-prefix=NPU

// CHECK-LABEL: func.func @main
// F32: npu.implementation = {kind = "contraction"
// NOF32: npu.implementation = {kind = "{{fold|reduce}}", lane = {{[01]}} : i64}
// F32: npu.implementation = {kind = "reduce", lane = 0 : i64}
// NOF32: npu.implementation = {kind = "{{fold|reduce}}"}
// NPU-NOT: npu.matmul
func.func @main(%x: memref<32x64xf32> {polystage.name = "x", polystage.kind = "input"},
                %w: memref<64x24xf32> {polystage.name = "w", polystage.kind = "parameter"},
                %y: memref<32x24xf32> {polystage.name = "y", polystage.kind = "output"},
                %s: memref<f32> {polystage.name = "s", polystage.kind = "output"}) {
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
  affine.for %i = 0 to 32 {
    affine.for %k = 0 to 64 {
      %0 = affine.load %s[] : memref<f32>
      %1 = affine.load %x[%i, %k] : memref<32x64xf32>
      %2 = arith.addf %0, %1 : f32
      affine.store %2, %s[] : memref<f32>
    }
  }
  return
}
