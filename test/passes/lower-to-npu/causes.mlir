// A transfer says why: by the kind of the argument in DRAM, or as a constant of the program, or as an intermediate.
// RUN: polystage-opt --set-target=name=tiny --map-banks --stage=strategy=local --lower-to-npu %s | FileCheck %s

// CHECK: "npu.dma_start"({{.*}} {cause = "constant"
// CHECK: "npu.dma_start"({{.*}} {cause = "buffer"
// CHECK: "npu.dma_start"({{.*}} {cause = "intermediate"
// CHECK: "npu.dma_start"({{.*}} {cause = "intermediate"
// CHECK: "npu.dma_start"({{.*}} {cause = "output"
memref.global "private" constant @table : memref<4xf32> = dense<[1.0, 2.0, 3.0, 4.0]>
func.func @main(%x: memref<4xf32> {polystage.name = "x", polystage.kind = "buffer"},
                %y: memref<4xf32> {polystage.name = "y", polystage.kind = "output"}) {
  %g = memref.get_global @table : memref<4xf32>
  %t = memref.alloc() {polystage.name = "t0"} : memref<4xf32>
  affine.for %i = 0 to 4 {
    %0 = affine.load %g[%i] : memref<4xf32>
    %1 = affine.load %x[%i] : memref<4xf32>
    %2 = arith.addf %0, %1 : f32
    affine.store %2, %t[%i] : memref<4xf32>
  }
  affine.for %i = 0 to 4 {
    %0 = affine.load %t[%i] : memref<4xf32>
    %1 = math.exp %0 : f32
    affine.store %1, %y[%i] : memref<4xf32>
  }
  return
}
