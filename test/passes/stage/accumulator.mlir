// The accumulator does not depend on the tile loop of the sum: it is loaded before and stored after it.
// RUN: polystage-opt --set-target="name=tiny sbuf=1KiB" --stage=strategy=local --mlir-print-local-scope %s | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK: %[[ACC:.*]] = memref.alloc() {polystage.name = "y.tile"{{.*}}} : memref<8xf32, #npu.sbuf>
// CHECK: affine.load %arg1
// CHECK-NEXT: affine.store %{{.*}}, %[[ACC]]
// CHECK: affine.for %[[T:.*]] = 0 to {{[0-9]+}}
// CHECK: affine.load %arg0[%{{.*}}, %[[T]]
// CHECK: arith.addf
// CHECK: npu.implementation = {kind = "reduce", lane = 0 : i64}, npu.nest = "compute"
// CHECK: affine.load %[[ACC]]
// CHECK-NEXT: affine.store %{{.*}}, %arg1
// CHECK: npu.nest = "transfer"
// CHECK-NOT: npu.nest
func.func @main(%x: memref<8x200xf32> {polystage.name = "x", polystage.kind = "input"},
                %y: memref<8xf32> {polystage.name = "y", polystage.kind = "output"}) {
  affine.for %i = 0 to 8 {
    affine.for %k = 0 to 200 {
      %0 = affine.load %y[%i] : memref<8xf32>
      %1 = affine.load %x[%i, %k] : memref<8x200xf32>
      %2 = arith.addf %0, %1 : f32
      affine.store %2, %y[%i] : memref<8xf32>
    }
  } {npu.implementation = {kind = "reduce", lane = 0 : i64}}
  return
}
