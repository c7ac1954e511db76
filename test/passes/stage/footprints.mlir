// Buffers hold what a tile touches: the hull of a window, a diagonal as a diagonal, an axis without its stride.
// RUN: polystage-opt --set-target=name=tiny --stage=strategy=local --mlir-print-local-scope %s | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK-DAG: memref.alloc() {polystage.name = "window.tile"{{.*}}} : memref<8x14xf32, #npu.sbuf>
// CHECK-DAG: memref.alloc() {polystage.name = "diagonal.tile"{{.*}}} : memref<8x12xf32, #npu.sbuf>
// CHECK-DAG: memref.alloc() {polystage.name = "sparse.tile"{{.*}}} : memref<8x12xf32, #npu.sbuf>
// CHECK-DAG: memref.alloc() {polystage.name = "row.tile"{{.*}}} : memref<8x3xf32, #npu.sbuf>
// CHECK-DAG: %[[OUT:.*]] = memref.alloc() {polystage.name = "y.tile"{{.*}}} : memref<8x12x3xf32, #npu.sbuf>
// CHECK: affine.load %arg1[%[[D:.*]], %[[D]]]
// CHECK: affine.load %[[OUT]][%[[L:.*]], %[[D:.*]], %[[K:.*]]]
// CHECK-NEXT: affine.store %{{.*}}, %arg4[%[[L]], %[[D]], %[[D]] * 4 + %[[K]]]
func.func @main(%w: memref<8x14xf32> {polystage.name = "window", polystage.kind = "input"},
                %d: memref<12x12xf32> {polystage.name = "diagonal", polystage.kind = "input"},
                %s: memref<100xf32> {polystage.name = "sparse", polystage.kind = "input"},
                %r: memref<3xf32> {polystage.name = "row", polystage.kind = "input"},
                %y: memref<8x12x47xf32> {polystage.name = "y", polystage.kind = "output"}) {
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 12 {
      affine.for %k = 0 to 3 {
        %0 = affine.load %w[%i, %j + %k] : memref<8x14xf32>
        %1 = affine.load %d[%j, %j] : memref<12x12xf32>
        %2 = affine.load %s[%j * 9] : memref<100xf32>
        %3 = affine.load %r[%k] : memref<3xf32>
        %4 = arith.addf %0, %1 : f32
        %5 = arith.addf %2, %3 : f32
        %6 = arith.addf %4, %5 : f32
        affine.store %6, %y[%i, %j, %j * 4 + %k] : memref<8x12x47xf32>
      }
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  return
}
