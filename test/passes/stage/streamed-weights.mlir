// The steps of the group go over %k, and each takes its own part of the weights: these have no window, the tiles of the
// one nest that reads them bring them. Sums are kept, and so is %x, which every step reads.
// RUN: polystage-opt --set-target="name=tiny sbuf=4KiB" --map-banks --stage --mlir-print-local-scope %s | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK-SAME: %[[X:[^:]*]]: memref<64x4xf32> {{{[^}]*}}polystage.name = "x"{{.*}}}, %[[W:[^:]*]]: {{.*}}"w"}, %[[V:[^:]*]]: {{.*}}"v"}
// CHECK-NOT: "{{[wv]}}.window"
// CHECK-DAG: memref.alloc() {polystage.name = "x.window"{{.*}}} : memref<64x4xf32
// CHECK-DAG: memref.alloc() {polystage.name = "y.window"{{.*}}} : memref<64x4xf32
// CHECK: affine.for %{{.*}} = 0 to 4 {
// CHECK: memref.alloc() {polystage.name = "h.window"{{.*}}} : memref<32x4xf32
// CHECK: %[[TILE:.*]] = memref.alloc() {polystage.name = "w.tile"{{.*}}} : memref<8x2x16xf32, #npu.sbuf>
// CHECK: affine.load %[[W]][
// CHECK-NEXT: affine.store %{{.*}}, %[[TILE]][
// CHECK: memref.alloc() {polystage.name = "v.tile"{{.*}}}
// CHECK: affine.load %[[V]][
func.func @main(%x: memref<64x4xf32> {polystage.name = "x", polystage.kind = "input"},
                %w: memref<64x128xf32> {polystage.name = "w", polystage.kind = "parameter"},
                %v: memref<128x64xf32> {polystage.name = "v", polystage.kind = "parameter"},
                %y: memref<64x4xf32> {polystage.name = "y", polystage.kind = "output"}) {
  %zero = arith.constant 0.0 : f32
  %h = memref.alloc() {polystage.name = "h"} : memref<1264x4xf32>
  affine.for %i = 0 to 128 { affine.for %j = 0 to 4 {
    affine.store %zero, %h[%i, %j] : memref<1264x4xf32>
  } }
  affine.for %i = 0 to 128 { affine.for %j = 0 to 4 { affine.for %k = 0 to 64 {
    %0 = affine.load %w[%k, %i] : memref<64x128xf32>
    %1 = affine.load %x[%k, %j] : memref<64x4xf32>
    %2 = arith.mulf %0, %1 : f32
    %3 = affine.load %h[%i, %j] : memref<1264x4xf32>
    %4 = arith.addf %3, %2 : f32
    affine.store %4, %h[%i, %j] : memref<1264x4xf32>
  } } }
  affine.for %i = 0 to 64 { affine.for %j = 0 to 4 {
    affine.store %zero, %y[%i, %j] : memref<64x4xf32>
  } }
  affine.for %i = 0 to 64 { affine.for %j = 0 to 4 { affine.for %k = 0 to 128 {
    %0 = affine.load %v[%k, %i] : memref<128x64xf32>
    %1 = affine.load %h[%k, %j] : memref<1264x4xf32>
    %2 = arith.mulf %0, %1 : f32
    %3 = affine.load %y[%i, %j] : memref<64x4xf32>
    %4 = arith.addf %3, %2 : f32
    affine.store %4, %y[%i, %j] : memref<64x4xf32>
  } } }
  return
}
