// An array that is used behind all steps only takes the place of one that only the steps before use: %u is
// made when the sums are there, behind the loop, and %a, which each step of the loop needs all of, is not needed then.
// Each takes 256 bytes of 448 in a lane.
// RUN: polystage-opt --set-target="name=edge sbuf=7168" --stage --mlir-print-local-scope %s | FileCheck %s
// RUN: polystage-opt --set-target="name=edge sbuf=7168" --stage --lower-to-npu --pipeline-dma --allocate %s | FileCheck %s --check-prefix=PLACED

// CHECK-LABEL: func.func @main
// CHECK: %[[A:.*]] = memref.alloc() {polystage.name = "a"{{.*}}} : memref<32x64xbf16, {{.*}}, #npu.sbuf>
// CHECK: affine.for %{{.*}} = 0 to 31 {
// CHECK: affine.load %[[A]]
// CHECK: kind = "contraction"
// CHECK: affine.load %[[A]]
// CHECK: kind = "contraction"
// CHECK: %[[U:.*]] = memref.alloc() {polystage.name = "u"{{.*}}} : memref<32x64xbf16, {{.*}}, #npu.sbuf>
// CHECK-NOT: affine.load %[[A]][
// CHECK: affine.store %{{.*}}, %[[U]]
// CHECK: affine.load %[[U]]

// PLACED: memref.alloc() {npu.address = [[AT:.*]] : i64, polystage.name = "a"{{.*}}}
// PLACED: memref.alloc() {npu.address = [[AT]] : i64, polystage.name = "u"{{.*}}}
func.func @main(%x: memref<32x64xbf16, affine_map<(d0, d1) -> (d1 mod 16, d1 floordiv 16, d0)>> {polystage.name = "x", polystage.kind = "input"},
                %w1: memref<64x512xbf16, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>> {polystage.name = "w1", polystage.kind = "parameter"},
                %w2: memref<512x64xbf16, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>> {polystage.name = "w2", polystage.kind = "parameter"},
                %y: memref<32x64xbf16, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>> {polystage.name = "y", polystage.kind = "output"}) {
  %c0 = arith.constant 0.0 : f32
  %low = arith.constant 0xFF800000 : f32
  %a = memref.alloc() {polystage.name = "a"} : memref<32x64xbf16, affine_map<(d0, d1) -> (d1 mod 16, d1 floordiv 16, d0)>>
  %t = memref.alloc() {polystage.name = "t"} : memref<32x512xf32, affine_map<(d0, d1) -> (d1 mod 16, d1 floordiv 16, d0)>>
  %h = memref.alloc() {polystage.name = "h"} : memref<32x512xbf16, affine_map<(d0, d1) -> (d1 mod 16, d1 floordiv 16, d0)>>
  %s = memref.alloc() {polystage.name = "s"} : memref<32x64xf32, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>>
  %u = memref.alloc() {polystage.name = "u"} : memref<32x64xbf16, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>>
  %m = memref.alloc() {polystage.name = "m"} : memref<32xf32, affine_map<(d0) -> (d0 mod 16, d0 floordiv 16)>>
  affine.for %j = 0 to 64 {
    affine.for %i = 0 to 32 {
      %0 = affine.load %x[%i, %j] : memref<32x64xbf16, affine_map<(d0, d1) -> (d1 mod 16, d1 floordiv 16, d0)>>
      %1 = arith.mulf %0, %0 : bf16
      affine.store %1, %a[%i, %j] : memref<32x64xbf16, affine_map<(d0, d1) -> (d1 mod 16, d1 floordiv 16, d0)>>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %k = 0 to 512 {
    affine.for %i = 0 to 32 {
      affine.store %c0, %t[%i, %k] : memref<32x512xf32, affine_map<(d0, d1) -> (d1 mod 16, d1 floordiv 16, d0)>>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %i = 0 to 32 {
    affine.for %k = 0 to 512 {
      affine.for %j = 0 to 64 {
        %0 = affine.load %t[%i, %k] : memref<32x512xf32, affine_map<(d0, d1) -> (d1 mod 16, d1 floordiv 16, d0)>>
        %1 = affine.load %a[%i, %j] : memref<32x64xbf16, affine_map<(d0, d1) -> (d1 mod 16, d1 floordiv 16, d0)>>
        %2 = affine.load %w1[%j, %k] : memref<64x512xbf16, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>>
        %3 = arith.extf %1 : bf16 to f32
        %4 = arith.extf %2 : bf16 to f32
        %5 = arith.mulf %3, %4 : f32
        %6 = arith.addf %0, %5 : f32
        affine.store %6, %t[%i, %k] : memref<32x512xf32, affine_map<(d0, d1) -> (d1 mod 16, d1 floordiv 16, d0)>>
      }
    }
  } {npu.implementation = {kind = "contraction", lane = 2 : i64, rows = 1 : i64, stationary = 1 : i64}}
  affine.for %k = 0 to 512 {
    affine.for %i = 0 to 32 {
      %0 = affine.load %t[%i, %k] : memref<32x512xf32, affine_map<(d0, d1) -> (d1 mod 16, d1 floordiv 16, d0)>>
      %1 = arith.maximumf %0, %c0 : f32
      %2 = arith.truncf %1 : f32 to bf16
      affine.store %2, %h[%i, %k] : memref<32x512xbf16, affine_map<(d0, d1) -> (d1 mod 16, d1 floordiv 16, d0)>>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %i = 0 to 32 {
    affine.for %j = 0 to 64 {
      affine.store %c0, %s[%i, %j] : memref<32x64xf32, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %i = 0 to 32 {
    affine.for %j = 0 to 64 {
      affine.for %k = 0 to 512 {
        %0 = affine.load %s[%i, %j] : memref<32x64xf32, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>>
        %1 = affine.load %h[%i, %k] : memref<32x512xbf16, affine_map<(d0, d1) -> (d1 mod 16, d1 floordiv 16, d0)>>
        %2 = affine.load %w2[%k, %j] : memref<512x64xbf16, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>>
        %3 = arith.extf %1 : bf16 to f32
        %4 = arith.extf %2 : bf16 to f32
        %5 = arith.mulf %3, %4 : f32
        %6 = arith.addf %0, %5 : f32
        affine.store %6, %s[%i, %j] : memref<32x64xf32, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>>
      }
    }
  } {npu.implementation = {kind = "contraction", lane = 2 : i64, rows = 0 : i64, stationary = 0 : i64}}
  affine.for %i = 0 to 32 {
    affine.for %j = 0 to 64 {
      %0 = affine.load %s[%i, %j] : memref<32x64xf32, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>>
      %1 = arith.truncf %0 : f32 to bf16
      affine.store %1, %u[%i, %j] : memref<32x64xbf16, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %i = 0 to 32 {
    affine.store %low, %m[%i] : memref<32xf32, affine_map<(d0) -> (d0 mod 16, d0 floordiv 16)>>
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %i = 0 to 32 {
    affine.for %j = 0 to 64 {
      %0 = affine.load %m[%i] : memref<32xf32, affine_map<(d0) -> (d0 mod 16, d0 floordiv 16)>>
      %1 = affine.load %u[%i, %j] : memref<32x64xbf16, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>>
      %2 = arith.extf %1 : bf16 to f32
      %3 = arith.maximumf %0, %2 : f32
      affine.store %3, %m[%i] : memref<32xf32, affine_map<(d0) -> (d0 mod 16, d0 floordiv 16)>>
    }
  } {npu.implementation = {kind = "reduce", lane = 0 : i64}}
  affine.for %i = 0 to 32 {
    affine.for %j = 0 to 64 {
      %0 = affine.load %u[%i, %j] : memref<32x64xbf16, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>>
      %1 = affine.load %m[%i] : memref<32xf32, affine_map<(d0) -> (d0 mod 16, d0 floordiv 16)>>
      %2 = arith.extf %0 : bf16 to f32
      %3 = arith.subf %2, %1 : f32
      %4 = arith.truncf %3 : f32 to bf16
      affine.store %4, %y[%i, %j] : memref<32x64xbf16, affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  return
}
