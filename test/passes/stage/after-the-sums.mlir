// The tile loop is that of what a contraction sums up, so that each of its operands comes once, step by step; what uses
// the sums, which are in PSUM, runs in the last step.
// RUN: polystage-opt --set-target="name=edge sbuf=6400" --stage --mlir-print-local-scope %s | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK: %[[T:.*]] = memref.alloc() {polystage.name = "t.window"{{.*}}} : memref<32x64xf32, {{.*}}, #npu.psum>
// CHECK: affine.for %{{.*}} = 0 to 15 {
// CHECK-NEXT: {polystage.name = "h.window"{{.*}}} : memref<32x32xbf16
// CHECK: affine.load %[[T]]
// CHECK: kind = "contraction"
// CHECK: affine.load %[[T]]
// CHECK: kind = "contraction"
// CHECK: affine.load %[[T]]
// CHECK: arith.truncf
// CHECK: kind = "elementwise"
func.func @main(%h: memref<32x512xbf16, affine_map<(d0, d1) -> (d1 mod 16, d1 floordiv 16, d0)>> {polystage.name = "h", polystage.kind = "input"},
                %w: memref<512x64xbf16, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>> {polystage.name = "w", polystage.kind = "parameter"},
                %r: memref<32x64xbf16, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>> {polystage.name = "r", polystage.kind = "input"},
                %y: memref<32x64xbf16, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>> {polystage.name = "y", polystage.kind = "output"}) {
  %c0 = arith.constant 0.0 : f32
  %t = memref.alloc() {polystage.name = "t"} : memref<32x64xf32, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>>
  affine.for %i = 0 to 32 {
    affine.for %j = 0 to 64 {
      affine.store %c0, %t[%i, %j] : memref<32x64xf32, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %i = 0 to 32 {
    affine.for %j = 0 to 64 {
      affine.for %k = 0 to 512 {
        %0 = affine.load %t[%i, %j] : memref<32x64xf32, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>>
        %1 = affine.load %h[%i, %k] : memref<32x512xbf16, affine_map<(d0, d1) -> (d1 mod 16, d1 floordiv 16, d0)>>
        %2 = affine.load %w[%k, %j] : memref<512x64xbf16, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>>
        %3 = arith.extf %1 : bf16 to f32
        %4 = arith.extf %2 : bf16 to f32
        %5 = arith.mulf %3, %4 : f32
        %6 = arith.addf %0, %5 : f32
        affine.store %6, %t[%i, %j] : memref<32x64xf32, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>>
      }
    }
  } {npu.implementation = {kind = "contraction", lane = 2 : i64, rows = 0 : i64, stationary = 0 : i64}}
  affine.for %i = 0 to 32 {
    affine.for %j = 0 to 64 {
      %0 = affine.load %t[%i, %j] : memref<32x64xf32, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>>
      %1 = affine.load %r[%i, %j] : memref<32x64xbf16, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>>
      %2 = arith.extf %1 : bf16 to f32
      %3 = arith.addf %0, %2 : f32
      %4 = arith.truncf %3 : f32 to bf16
      affine.store %4, %y[%i, %j] : memref<32x64xbf16, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  return
}
