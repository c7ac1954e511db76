// Arguments that several nests use are copied on chip: an input is loaded once, a result is stored once.
// RUN: polystage-opt --set-target=name=tiny --stage --mlir-print-local-scope %s | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK: %[[X:.*]] = memref.alloc() {polystage.name = "x.resident"{{.*}}} : memref<8x10xf32, #npu.sbuf>
// CHECK: affine.load %arg0
// CHECK-NEXT: affine.store %{{.*}}, %[[X]]
// CHECK: npu.nest = "transfer"
// CHECK: %[[Y:.*]] = memref.alloc() {polystage.name = "y.resident"{{.*}}} : memref<8x10xf32, #npu.sbuf>
// CHECK: affine.load %[[X]]
// CHECK: affine.store %{{.*}}, %[[Y]]
// CHECK: npu.nest = "compute"
// CHECK-NOT: npu.nest = "transfer"
// CHECK: affine.load %[[X]]
// CHECK: npu.nest = "compute"
// CHECK: affine.load %[[Y]]
// CHECK-NEXT: affine.store %{{.*}}, %arg1
// CHECK: npu.nest = "transfer"
// CHECK-NOT: npu.nest
func.func @main(%x: memref<8x10xf32> {polystage.name = "x", polystage.kind = "input"},
                %y: memref<8x10xf32> {polystage.name = "y", polystage.kind = "output"}) {
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 10 {
      %0 = affine.load %x[%i, %j] : memref<8x10xf32>
      %1 = math.exp %0 : f32
      affine.store %1, %y[%i, %j] : memref<8x10xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 10 {
      %0 = affine.load %y[%i, %j] : memref<8x10xf32>
      %1 = affine.load %x[%i, %j] : memref<8x10xf32>
      %2 = arith.addf %0, %1 : f32
      affine.store %2, %y[%i, %j] : memref<8x10xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  return
}
