// A nest that fits is one tile: transfers in, the point nest on tile buffers, transfer out. Lanes come in blocks.
// RUN: polystage-opt --set-target=name=tiny --map-banks --stage=strategy=local --mlir-print-local-scope %s | FileCheck %s
// RUN: polystage-opt --set-target=name=tiny --map-banks --stage=strategy=local --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s --check-prefix=STATS

// STATS-DAG: 1 staged
// STATS-DAG: 0 resident
// STATS-DAG: 0 grouped
// CHECK-LABEL: func.func @main
// CHECK-DAG: %[[IN:.*]] = memref.alloc() {polystage.name = "x.tile"{{.*}}} : memref<8x2x10xf32, #npu.sbuf>
// CHECK-DAG: %[[OUT:.*]] = memref.alloc() {polystage.name = "y.tile"{{.*}}} : memref<8x2x10xf32, #npu.sbuf>
// CHECK: affine.for %[[B:.*]] = 0 to 2
// CHECK-NEXT: affine.for %[[L:.*]] = 0 to 8
// CHECK-NEXT: affine.for %[[F:.*]] = 0 to 10
// CHECK-NEXT: affine.load %arg0[%[[B]] * 8 + %[[L]], %[[F]]]
// CHECK-NEXT: affine.store %{{.*}}, %[[IN]][%[[L]], %[[B]], %[[F]]]
// CHECK: npu.nest = "transfer"
// CHECK: affine.load %[[IN]]
// CHECK-NEXT: math.exp
// CHECK-NEXT: affine.store %{{.*}}, %[[OUT]]
// CHECK: npu.implementation = {kind = "elementwise", lane = 1 : i64}, npu.nest = "compute"
// CHECK: affine.load %[[OUT]]
// CHECK-NEXT: affine.store %{{.*}}, %arg1
// CHECK: npu.nest = "transfer"
func.func @main(%x: memref<16x10xf32> {polystage.name = "x", polystage.kind = "input"},
                %y: memref<16x10xf32> {polystage.name = "y", polystage.kind = "output"}) {
  affine.for %i = 0 to 16 {
    affine.for %j = 0 to 10 {
      %0 = affine.load %x[%i, %j] : memref<16x10xf32>
      %1 = math.exp %0 : f32
      affine.store %1, %y[%i, %j] : memref<16x10xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  return
}
