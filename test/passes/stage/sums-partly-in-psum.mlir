// The sums fit neither in SBUF nor in the banks that may be held: six blocks of their rows are in PSUM, two in SBUF, and
// every nest runs on the one and the other.
// RUN: polystage-opt --set-target="name=edge sbuf=48000" --stage --mlir-print-local-scope %s | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK: %[[REST:.*]] = memref.alloc() {polystage.name = "t.window"{{.*}}} : memref<32x256xf32, {{.*}}, #npu.sbuf>
// CHECK: %[[SUMS:.*]] = memref.alloc() {polystage.name = "t.window"{{.*}}} : memref<96x256xf32, {{.*}}, #npu.psum>
// CHECK: affine.store %{{.*}}, %[[SUMS]]
// CHECK: affine.store %{{.*}}, %[[REST]]
// CHECK: affine.load %[[SUMS]]
// CHECK: kind = "contraction"
// CHECK: affine.load %[[REST]]
// CHECK: kind = "contraction"
// CHECK: arith.truncf
// CHECK: arith.truncf
func.func @main(%h: memref<128x512xbf16, affine_map<(d0, d1) -> (d1 mod 16, d1 floordiv 16, d0)>> {polystage.name = "h", polystage.kind = "input"},
                %w: memref<512x256xbf16, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>> {polystage.name = "w", polystage.kind = "parameter"},
                %r: memref<128x256xbf16, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>> {polystage.name = "r", polystage.kind = "input"},
                %y: memref<128x256xbf16, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>> {polystage.name = "y", polystage.kind = "output"}) {
  %c0 = arith.constant 0.0 : f32
  %t = memref.alloc() {polystage.name = "t"} : memref<128x256xf32, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>>
  affine.for %i = 0 to 128 {
    affine.for %j = 0 to 256 {
      affine.store %c0, %t[%i, %j] : memref<128x256xf32, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %i = 0 to 128 {
    affine.for %j = 0 to 256 {
      affine.for %k = 0 to 512 {
        %0 = affine.load %t[%i, %j] : memref<128x256xf32, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>>
        %1 = affine.load %h[%i, %k] : memref<128x512xbf16, affine_map<(d0, d1) -> (d1 mod 16, d1 floordiv 16, d0)>>
        %2 = affine.load %w[%k, %j] : memref<512x256xbf16, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>>
        %3 = arith.extf %1 : bf16 to f32
        %4 = arith.extf %2 : bf16 to f32
        %5 = arith.mulf %3, %4 : f32
        %6 = arith.addf %0, %5 : f32
        affine.store %6, %t[%i, %j] : memref<128x256xf32, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>>
      }
    }
  } {npu.implementation = {kind = "contraction", lane = 2 : i64, rows = 0 : i64, stationary = 0 : i64}}
  affine.for %i = 0 to 128 {
    affine.for %j = 0 to 256 {
      %0 = affine.load %t[%i, %j] : memref<128x256xf32, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>>
      %1 = affine.load %r[%i, %j] : memref<128x256xbf16, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>>
      %2 = arith.extf %1 : bf16 to f32
      %3 = arith.addf %0, %2 : f32
      %4 = arith.truncf %3 : f32 to bf16
      affine.store %4, %y[%i, %j] : memref<128x256xbf16, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  return
}
