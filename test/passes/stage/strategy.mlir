// Between nests an array goes through DRAM with strategy=local, and stays on chip with strategy=global, the default.
// RUN: polystage-opt --set-target=name=tiny --stage=strategy=local --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s --check-prefix=LOCAL-STATS
// RUN: FileCheck %s --check-prefix=LOCAL --input-file=%t
// RUN: polystage-opt --set-target=name=tiny --stage=strategy=global --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s --check-prefix=GLOBAL-STATS
// RUN: FileCheck %s --check-prefix=GLOBAL --input-file=%t
// RUN: polystage-opt --set-target=name=tiny --stage %s | FileCheck %s --check-prefix=GLOBAL

// LOCAL-STATS-DAG: 2 staged
// LOCAL-STATS-DAG: 0 resident
// LOCAL: {polystage.name = "t"{{.*}}} : memref<8x10xf32>
// LOCAL: {polystage.name = "t.tile"{{.*}}}
// GLOBAL-STATS-DAG: 2 staged
// GLOBAL-STATS-DAG: 1 resident
// GLOBAL-NOT: "t.tile"
// GLOBAL: {polystage.name = "t"{{.*}}} : memref<8x10xf32, #npu.sbuf>
// GLOBAL-NOT: "t.tile"
func.func @main(%x: memref<8x10xf32> {polystage.name = "x", polystage.kind = "input"},
                %y: memref<8x10xf32> {polystage.name = "y", polystage.kind = "output"}) {
  %t = memref.alloc() {polystage.name = "t"} : memref<8x10xf32>
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 10 {
      %0 = affine.load %x[%i, %j] : memref<8x10xf32>
      %1 = math.exp %0 : f32
      affine.store %1, %t[%i, %j] : memref<8x10xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 10 {
      %0 = affine.load %t[%i, %j] : memref<8x10xf32>
      %1 = math.tanh %0 : f32
      affine.store %1, %y[%i, %j] : memref<8x10xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  return
}
