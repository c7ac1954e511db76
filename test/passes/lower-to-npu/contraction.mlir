// The first step starts the sums in PSUM, the others are added, and all of it is then added to the result tile.
// RUN: polystage-opt --set-target=name=tiny --lower-to-npu --mlir-print-local-scope %s | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK: %[[X:.*]] = memref.alloc() {polystage.name = "x"}
// CHECK: %[[W:.*]] = memref.alloc() {polystage.name = "w"}
// CHECK: %[[Y:.*]] = memref.alloc() {polystage.name = "y"}
// CHECK: %[[P:.*]] = memref.alloc() {{.*}} : memref<4x6xf32, #npu.psum>
// CHECK-NEXT: "npu.matmul"(%[[P]], %[[W]], %[[X]]) {accumulate = false,
// CHECK-SAME: maps = [affine_map<(d0, d1, d2) -> (d1, d2)>, affine_map<(d0, d1, d2) -> (d0, 0, d1)>, affine_map<(d0, d1, d2) -> (d0, 0, d2)>]
// CHECK-NEXT: affine.for %[[B:.*]] = 0 to 2 {
// CHECK-NEXT: "npu.matmul"(%[[P]], %[[W]], %[[X]], %[[B]]) {accumulate = true,
// CHECK-SAME: maps = [affine_map<(d0, d1, d2)[s0] -> (d1, d2)>, affine_map<(d0, d1, d2)[s0] -> (d0, s0 + 1, d1)>, affine_map<(d0, d1, d2)[s0] -> (d0, s0 + 1, d2)>]
// CHECK-SAME: sizes = array<i64: 8, 4, 6>
// CHECK-NEXT: }
// CHECK-NEXT: "npu.tensor_tensor"(%[[Y]], %[[Y]], %[[P]])
// CHECK-SAME: op = "add", sizes = array<i64: 4, 6>
func.func @main() {
  %x = memref.alloc() {polystage.name = "x"} : memref<8x3x6xf32, #npu.sbuf>
  %w = memref.alloc() {polystage.name = "w"} : memref<8x3x4xf32, #npu.sbuf>
  %y = memref.alloc() {polystage.name = "y"} : memref<4x6xf32, #npu.sbuf>
  affine.for %m = 0 to 4 {
    affine.for %n = 0 to 6 {
      affine.for %b = 0 to 3 {
        affine.for %k = 0 to 8 {
          %0 = affine.load %x[%k, %b, %n] : memref<8x3x6xf32, #npu.sbuf>
          %1 = affine.load %w[%k, %b, %m] : memref<8x3x4xf32, #npu.sbuf>
          %2 = affine.load %y[%m, %n] : memref<4x6xf32, #npu.sbuf>
          %3 = arith.mulf %0, %1 : f32
          %4 = arith.addf %2, %3 : f32
          affine.store %4, %y[%m, %n] : memref<4x6xf32, #npu.sbuf>
        }
      }
    }
  } {npu.nest = "compute", npu.implementation = {kind = "contraction", lane = 3 : i64, rows = 0 : i64, stationary = 1 : i64}}
  return
}
