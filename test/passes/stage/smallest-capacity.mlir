// The capacity that the error names is enough, and every byte of it is used.
// RUN: not polystage-opt --set-target="name=tiny sbuf=184" --stage=strategy=local %s 2>&1 | FileCheck %s --check-prefix=ERROR
// RUN: polystage-opt --set-target="name=tiny sbuf=192" --stage=strategy=local --lower-to-npu --allocate %s | FileCheck %s

// ERROR: nest that stores 'b' needs 24 bytes of SBUF per lane with its smallest tile, tiny has 20; choose --sbuf 192 or more
// CHECK: npu.sbuf_peak = 24 : i64
func.func @main(%a: memref<8x8xf32> {polystage.name = "a", polystage.kind = "input"},
                %b: memref<8x8xf32> {polystage.name = "b", polystage.kind = "output"}) {
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %a[%i, %j] : memref<8x8xf32>
      %1 = affine.load %a[%j, %i] : memref<8x8xf32>
      %2 = affine.load %a[7, %i] : memref<8x8xf32>
      %3 = affine.load %a[%i, 7] : memref<8x8xf32>
      %4 = arith.addf %0, %1 : f32
      %5 = arith.addf %4, %2 : f32
      %6 = arith.addf %5, %3 : f32
      affine.store %6, %b[%i, %j] : memref<8x8xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  return
}
