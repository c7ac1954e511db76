// A dimension longer than the lanes lies in blocks, so that what one lane loads of all blocks is one run of bytes.
// RUN: polystage-opt --set-target=name=trainium1 --pack-parameters --mlir-print-local-scope %s | FileCheck %s
// RUN: polystage-opt --set-target=name=trainium1 --pack-parameters --stage --lower-to-npu --mlir-print-local-scope %s | FileCheck %s --check-prefix=NPU

// CHECK: func.func @main(%{{.*}}: memref<512x8xbf16, affine_map<(d0, d1) -> (d0 mod 128, d0 floordiv 128, d1)>> {{{.*}}polystage.name = "w.packed"}
// CHECK: func.func @load(%{{.*}}: memref<8x512xbf16>{{.*}}, %{{.*}}: memref<512x8xbf16, affine_map<(d0, d1) -> (d0 mod 128, d0 floordiv 128, d1)>>
// NPU: func.func @main(%[[W:.*]]: memref<128x4x8xbf16> {{{.*}}polystage.name = "w.packed"}
// NPU: "npu.dma_start"(%[[W]], %{{.*}} sizes = array<i64: 4, 128, 8>{{.*}} : (memref<128x4x8xbf16>, memref<128x4x8xbf16, #npu.sbuf>)
// NPU: func.func @load(%{{.*}}: memref<8x512xbf16>{{.*}}, %[[P:.*]]: memref<128x4x8xbf16>
// NPU: affine.store %{{.*}}, %[[P]][%[[K:.*]] mod 128, %[[K]] floordiv 128, %{{.*}}]
func.func @main(%w: memref<8x512xbf16> {polystage.name = "w", polystage.kind = "parameter"},
                %x: memref<512x64xbf16> {polystage.name = "x", polystage.kind = "input"},
                %y: memref<8x64xf32> {polystage.name = "y", polystage.kind = "output"}) {
  affine.for %m = 0 to 8 {
    affine.for %n = 0 to 64 {
      affine.for %k = 0 to 512 {
        %0 = affine.load %y[%m, %n] : memref<8x64xf32>
        %1 = affine.load %w[%m, %k] : memref<8x512xbf16>
        %2 = arith.extf %1 : bf16 to f32
        %3 = affine.load %x[%k, %n] : memref<512x64xbf16>
        %4 = arith.extf %3 : bf16 to f32
        %5 = arith.mulf %2, %4 : f32
        %6 = arith.addf %0, %5 : f32
        affine.store %6, %y[%m, %n] : memref<8x64xf32>
      }
    }
  } {npu.implementation = {kind = "contraction", lane = 2 : i64, rows = 0 : i64, stationary = 0 : i64}}
  return
}
