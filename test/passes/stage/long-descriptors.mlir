// Steps by rows and steps by columns move the same bytes and take the same room; those of a step by rows are one run.
// RUN: polystage-opt --set-target="name=tiny sbuf=6KiB" --stage --mlir-print-local-scope %s | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK: memref.alloc() {polystage.name = "t.window"{{.*}}} : memref<8x8x20xf32
func.func @main(%x: memref<8x20x20xf32> {polystage.name = "x", polystage.kind = "input"},
                %y: memref<8x18x18xf32> {polystage.name = "y", polystage.kind = "output"}) {
  %t = memref.alloc() {polystage.name = "t"} : memref<8x20x20xf32>
  affine.for %c = 0 to 8 {
    affine.for %j = 0 to 20 {
      affine.for %i = 0 to 20 {
        %0 = affine.load %x[%c, %i, %j] : memref<8x20x20xf32>
        %1 = math.exp %0 : f32
        affine.store %1, %t[%c, %i, %j] : memref<8x20x20xf32>
      }
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %c = 0 to 8 {
    affine.for %j = 0 to 18 {
      affine.for %i = 0 to 18 {
        %0 = affine.load %t[%c, %i, %j] : memref<8x20x20xf32>
        %1 = affine.load %t[%c, %i + 2, %j + 2] : memref<8x20x20xf32>
        %2 = arith.addf %0, %1 : f32
        affine.store %2, %y[%c, %i, %j] : memref<8x18x18xf32>
      }
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  return
}
