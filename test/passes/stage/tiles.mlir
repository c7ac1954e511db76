// 128 bytes a lane: two buffers of at most 16 numbers. 40 columns become tiles and a remainder.
// RUN: polystage-opt --set-target="name=tiny sbuf=1KiB" --stage=strategy=local --mlir-print-local-scope %s | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK: memref.alloc() {polystage.name = "x.tile"{{.*}}} : memref<8x[[SIZE:[0-9]+]]xf32, #npu.sbuf>
// CHECK: memref.alloc() {polystage.name = "y.tile"{{.*}}} : memref<8x[[SIZE]]xf32, #npu.sbuf>
// CHECK: affine.for %[[T:.*]] = 0 to {{[0-9]+}} {
// CHECK-NEXT: affine.for %[[L:.*]] = 0 to 8
// CHECK-NEXT: affine.for %[[F:.*]] = 0 to [[SIZE]]
// CHECK-NEXT: affine.load %arg0[%[[L]], %[[T]] * [[SIZE]] + %[[F]]]
// CHECK: npu.nest = "compute"
// CHECK: affine.store %{{.*}}, %arg1[%{{.*}}, %[[T]] * [[SIZE]] + %{{.*}}]
func.func @main(%x: memref<8x40xf32> {polystage.name = "x", polystage.kind = "input"},
                %y: memref<8x40xf32> {polystage.name = "y", polystage.kind = "output"}) {
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 40 {
      %0 = affine.load %x[%i, %j] : memref<8x40xf32>
      %1 = math.exp %0 : f32
      affine.store %1, %y[%i, %j] : memref<8x40xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  return
}
