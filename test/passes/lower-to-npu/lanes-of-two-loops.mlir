// Two loops share the lanes of an array whose layout is the identity. The one with step one is the lane loop; the other
// one moves the array from lane to lane, so it runs around the instruction.
// RUN: polystage-opt --set-target=name=tiny --lower-to-npu --mlir-print-local-scope %s | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK: affine.for %[[I:.*]] = 0 to 4 {
// CHECK-NEXT: "npu.activation"(%{{[^%]*}}, %{{[^%]*}}, %[[I]])
// CHECK-SAME: maps = [affine_map<(d0, d1)[s0] -> (d0 + s0 * 2, d1)>, affine_map<(d0, d1)[s0] -> (d0, s0, d1)>]
// CHECK-SAME: sizes = array<i64: 2, 5>
// CHECK-NEXT: }
// CHECK-NEXT: return
func.func @main() {
  %x = memref.alloc() {polystage.name = "x"} : memref<2x4x5xf32, #npu.sbuf>
  %y = memref.alloc() {polystage.name = "y"} : memref<8x5xf32, #npu.sbuf>
  affine.for %i = 0 to 4 {
    affine.for %l = 0 to 2 {
      affine.for %f = 0 to 5 {
        %0 = affine.load %x[%l, %i, %f] : memref<2x4x5xf32, #npu.sbuf>
        %1 = math.exp %0 : f32
        affine.store %1, %y[%i * 2 + %l, %f] : memref<8x5xf32, #npu.sbuf>
      }
    }
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", lane = 1 : i64}}
  return
}
