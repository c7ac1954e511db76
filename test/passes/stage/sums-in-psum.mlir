// The sums of a step have no room beside the operand that stays on chip: their window is in PSUM, where products are
// added to it and the elementwise nest takes them. With more room it is in SBUF.
// RUN: polystage-opt --set-target="name=edge sbuf=11520" --stage --mlir-print-local-scope %s | FileCheck %s
// RUN: polystage-opt --set-target="name=edge sbuf=16KiB" --stage --mlir-print-local-scope %s | FileCheck %s --check-prefix=ROOM
// RUN: polystage-opt --set-target="name=edge sbuf=11520" --stage --lower-to-npu --mlir-print-local-scope %s | FileCheck %s --check-prefix=NPU
// RUN: polystage-opt --set-target="name=edge sbuf=11520" --stage=sums=sbuf %s | FileCheck %s --check-prefix=OFF

// OFF-NOT: #npu.psum

// CHECK-LABEL: func.func @main
// CHECK: affine.for %{{.*}} = 0 to 2 {
// CHECK-NEXT: %[[T:.*]] = memref.alloc() {polystage.name = "t.window"{{.*}}} : memref<64x128xf32, {{.*}}, #npu.psum>
// CHECK: affine.store %{{.*}}, %[[T]]
// CHECK: kind = "contraction"
// CHECK: affine.load %[[T]]
// ROOM: {polystage.name = "t.window"{{.*}}} : memref<64x{{[0-9]+}}xf32, {{.*}}, #npu.sbuf>
// NPU: %[[P:.*]] = memref.alloc() {polystage.name = "t.window"{{.*}}} : memref<16x8x64xf32, #npu.psum>
// NPU: npu.memset"(%[[P]]
// NPU: npu.matmul"(%[[P]], {{.*}}accumulate = true
// NPU-NOT: tensor_tensor
// NPU: npu.activation"(%{{[^,]*}}, %[[P]]
func.func @main(%x: memref<64x64xbf16, affine_map<(d0, d1) -> (d1 mod 16, d1 floordiv 16, d0)>> {polystage.name = "x", polystage.kind = "input"},
                %w: memref<64x256xbf16> {polystage.name = "w", polystage.kind = "parameter"},
                %y: memref<64x256xbf16, affine_map<(d0, d1) -> (d1 mod 16, d1 floordiv 16, d0)>> {polystage.name = "y", polystage.kind = "output"}) {
  %c0 = arith.constant 0.0 : f32
  %t = memref.alloc() {polystage.name = "t"} : memref<64x256xf32, affine_map<(d0, d1) -> (d1 mod 16, d1 floordiv 16, d0)>>
  affine.for %i = 0 to 64 {
    affine.for %j = 0 to 256 {
      affine.store %c0, %t[%i, %j] : memref<64x256xf32, affine_map<(d0, d1) -> (d1 mod 16, d1 floordiv 16, d0)>>
    }
  } {npu.implementation = {kind = "elementwise", lane = 1 : i64}}
  affine.for %i = 0 to 64 {
    affine.for %j = 0 to 256 {
      affine.for %k = 0 to 64 {
        %0 = affine.load %t[%i, %j] : memref<64x256xf32, affine_map<(d0, d1) -> (d1 mod 16, d1 floordiv 16, d0)>>
        %1 = affine.load %x[%i, %k] : memref<64x64xbf16, affine_map<(d0, d1) -> (d1 mod 16, d1 floordiv 16, d0)>>
        %2 = affine.load %w[%k, %j] : memref<64x256xbf16>
        %3 = arith.extf %1 : bf16 to f32
        %4 = arith.extf %2 : bf16 to f32
        %5 = arith.mulf %3, %4 : f32
        %6 = arith.addf %0, %5 : f32
        affine.store %6, %t[%i, %j] : memref<64x256xf32, affine_map<(d0, d1) -> (d1 mod 16, d1 floordiv 16, d0)>>
      }
    }
  } {npu.implementation = {kind = "contraction", lane = 2 : i64, rows = 1 : i64, stationary = 1 : i64}}
  affine.for %i = 0 to 64 {
    affine.for %j = 0 to 256 {
      %0 = affine.load %t[%i, %j] : memref<64x256xf32, affine_map<(d0, d1) -> (d1 mod 16, d1 floordiv 16, d0)>>
      %1 = math.exp %0 : f32
      %2 = arith.truncf %1 : f32 to bf16
      affine.store %2, %y[%i, %j] : memref<64x256xbf16, affine_map<(d0, d1) -> (d1 mod 16, d1 floordiv 16, d0)>>
    }
  } {npu.implementation = {kind = "elementwise", lane = 1 : i64}}
  return
}
