// Attention whose keys and values of all heads do not fit together: one group, heads outside and blocks of keys inside,
// with the scores of a block on chip only. The relayout of scores is a move on chip, without a tile buffer.
// RUN: polystage-opt --set-target="name=tiny sbuf=8KiB" --stage --mlir-print-local-scope %s | FileCheck %s
// RUN: polystage-opt --set-target="name=tiny sbuf=8KiB" --stage --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s --check-prefix=STATS

// STATS-DAG: 6 staged
// STATS-DAG: 1 grouped
// CHECK-LABEL: func.func @main
// CHECK: affine.for %[[HEAD:.*]] = 0 to 4 {
// CHECK-NEXT: memref.alloc() {polystage.name = "y.window"{{.*}}} : memref<1x32x8xf32
// CHECK: affine.for %[[BLOCK:.*]] = 0 to 2 {
// CHECK: memref.alloc() {polystage.name = "s.window"{{.*}}} : memref<1x32x16xf32
// CHECK: memref.alloc() {polystage.name = "k.window"{{.*}}} : memref<1x8x16xf32
// CHECK: affine.load %arg1[%[[HEAD]], %{{.*}}, %[[BLOCK]] * 16 + %{{.*}}]
// CHECK: %[[E:.*]] = memref.alloc() {polystage.name = "e.window"{{.*}}} : memref<1x32x16xf32
// CHECK: %[[M:.*]] = memref.alloc() {polystage.name = "e.relayout0.window"{{.*}}} : memref<1x32x16xf32
// CHECK-NEXT: affine.for %[[I:.*]] = 0 to 32 {
// CHECK-NEXT: affine.for %[[J:.*]] = 0 to 16 {
// CHECK-NEXT: affine.load %[[E]][0, %[[I]], %[[J]]]
// CHECK-NEXT: affine.store %{{.*}}, %[[M]][0, %[[I]], %[[J]]]
// CHECK: npu.nest = "transfer"
// CHECK: affine.store %{{.*}}, %arg3[%[[HEAD]], %{{.*}}, %{{.*}}]
func.func @main(%q: memref<4x32x8xf32> {polystage.name = "q", polystage.kind = "input"},
                %k: memref<4x8x32xf32> {polystage.name = "k", polystage.kind = "input"},
                %v: memref<4x32x8xf32> {polystage.name = "v", polystage.kind = "input"},
                %y: memref<4x32x8xf32, affine_map<(d0, d1, d2) -> (d2, d0, d1)>> {polystage.name = "y", polystage.kind = "output"}) {
  %c0 = arith.constant 0.0 : f32
  %s = memref.alloc() {polystage.name = "s"} : memref<4x32x32xf32, affine_map<(d0, d1, d2) -> (d1 mod 8, d1 floordiv 8, d0, d2)>>
  affine.for %h = 0 to 4 {
    affine.for %i = 0 to 32 {
      affine.for %j = 0 to 32 {
        affine.store %c0, %s[%h, %i, %j] : memref<4x32x32xf32, affine_map<(d0, d1, d2) -> (d1 mod 8, d1 floordiv 8, d0, d2)>>
      }
    }
  } {npu.implementation = {kind = "elementwise", lane = 1 : i64}}
  affine.for %h = 0 to 4 {
    affine.for %i = 0 to 32 {
      affine.for %j = 0 to 32 {
        affine.for %d = 0 to 8 {
          %0 = affine.load %s[%h, %i, %j] : memref<4x32x32xf32, affine_map<(d0, d1, d2) -> (d1 mod 8, d1 floordiv 8, d0, d2)>>
          %1 = affine.load %q[%h, %i, %d] : memref<4x32x8xf32>
          %2 = affine.load %k[%h, %d, %j] : memref<4x8x32xf32>
          %3 = arith.mulf %1, %2 : f32
          %4 = arith.addf %0, %3 : f32
          affine.store %4, %s[%h, %i, %j] : memref<4x32x32xf32, affine_map<(d0, d1, d2) -> (d1 mod 8, d1 floordiv 8, d0, d2)>>
        }
      }
    }
  } {npu.implementation = {kind = "contraction", lane = 3 : i64, rows = 1 : i64, stationary = 0 : i64}}
  %e = memref.alloc() {polystage.name = "e"} : memref<4x32x32xf32, affine_map<(d0, d1, d2) -> (d1 mod 8, d1 floordiv 8, d0, d2)>>
  affine.for %h = 0 to 4 {
    affine.for %i = 0 to 32 {
      affine.for %j = 0 to 32 {
        %0 = affine.load %s[%h, %i, %j] : memref<4x32x32xf32, affine_map<(d0, d1, d2) -> (d1 mod 8, d1 floordiv 8, d0, d2)>>
        %1 = math.exp %0 : f32
        affine.store %1, %e[%h, %i, %j] : memref<4x32x32xf32, affine_map<(d0, d1, d2) -> (d1 mod 8, d1 floordiv 8, d0, d2)>>
      }
    }
  } {npu.implementation = {kind = "elementwise", lane = 1 : i64}}
  %m = memref.alloc() {polystage.name = "e.relayout0"} : memref<4x32x32xf32, affine_map<(d0, d1, d2) -> (d2 mod 8, d2 floordiv 8, d0, d1)>>
  affine.for %h = 0 to 4 {
    affine.for %i = 0 to 32 {
      affine.for %j = 0 to 32 {
        %0 = affine.load %e[%h, %i, %j] : memref<4x32x32xf32, affine_map<(d0, d1, d2) -> (d1 mod 8, d1 floordiv 8, d0, d2)>>
        affine.store %0, %m[%h, %i, %j] : memref<4x32x32xf32, affine_map<(d0, d1, d2) -> (d2 mod 8, d2 floordiv 8, d0, d1)>>
      }
    }
  } {npu.implementation = {kind = "relayout"}}
  affine.for %h = 0 to 4 {
    affine.for %i = 0 to 32 {
      affine.for %d = 0 to 8 {
        affine.store %c0, %y[%h, %i, %d] : memref<4x32x8xf32, affine_map<(d0, d1, d2) -> (d2, d0, d1)>>
      }
    }
  } {npu.implementation = {kind = "elementwise", lane = 2 : i64}}
  affine.for %h = 0 to 4 {
    affine.for %i = 0 to 32 {
      affine.for %d = 0 to 8 {
        affine.for %j = 0 to 32 {
          %0 = affine.load %y[%h, %i, %d] : memref<4x32x8xf32, affine_map<(d0, d1, d2) -> (d2, d0, d1)>>
          %1 = affine.load %m[%h, %i, %j] : memref<4x32x32xf32, affine_map<(d0, d1, d2) -> (d2 mod 8, d2 floordiv 8, d0, d1)>>
          %2 = affine.load %v[%h, %j, %d] : memref<4x32x8xf32>
          %3 = arith.mulf %1, %2 : f32
          %4 = arith.addf %0, %3 : f32
          affine.store %4, %y[%h, %i, %d] : memref<4x32x8xf32, affine_map<(d0, d1, d2) -> (d2, d0, d1)>>
        }
      }
    }
  } {npu.implementation = {kind = "contraction", lane = 3 : i64, rows = 2 : i64, stationary = 1 : i64}}
  return
}
