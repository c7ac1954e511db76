// With effort=0 every nest runs by itself, and %t, which has no room, goes through DRAM; with more it lives in a window.
// RUN: polystage-opt --set-target="name=tiny sbuf=1KiB" --stage=effort=0 --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s --check-prefix=ALONE-STATS
// RUN: FileCheck %s --check-prefix=ALONE --input-file=%t
// RUN: polystage-opt --set-target="name=tiny sbuf=1KiB" --stage=effort=1 %s | FileCheck %s --check-prefix=GROUP
// RUN: polystage-opt --set-target="name=tiny sbuf=1KiB" --stage=effort=3 %s | FileCheck %s --check-prefix=GROUP

// ALONE-STATS: 0 grouped
// ALONE: {polystage.name = "t"{{.*}}} : memref<8x66xf32>
// ALONE-NOT: .window
// GROUP-NOT: {polystage.name = "t"{{.*}}}
// GROUP: {polystage.name = "t.window"{{.*}}}
func.func @main(%x: memref<8x68xf32> {polystage.name = "x", polystage.kind = "input"},
                %y: memref<8x64xf32> {polystage.name = "y", polystage.kind = "output"}) {
  %c0 = arith.constant 0.0 : f32
  %t = memref.alloc() {polystage.name = "t"} : memref<8x66xf32>
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 66 {
      affine.store %c0, %t[%i, %j] : memref<8x66xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 66 {
      affine.for %k = 0 to 3 {
        %0 = affine.load %t[%i, %j] : memref<8x66xf32>
        %1 = affine.load %x[%i, %j + %k] : memref<8x68xf32>
        %2 = arith.addf %0, %1 : f32
        affine.store %2, %t[%i, %j] : memref<8x66xf32>
      }
    }
  } {npu.implementation = {kind = "reduce", lane = 0 : i64}}
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 64 {
      affine.store %c0, %y[%i, %j] : memref<8x64xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 64 {
      affine.for %k = 0 to 3 {
        %0 = affine.load %y[%i, %j] : memref<8x64xf32>
        %1 = affine.load %t[%i, %j + %k] : memref<8x66xf32>
        %2 = arith.addf %0, %1 : f32
        affine.store %2, %y[%i, %j] : memref<8x64xf32>
      }
    }
  } {npu.implementation = {kind = "reduce", lane = 0 : i64}}
  return
}
