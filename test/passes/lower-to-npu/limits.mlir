// Boxes stay within what an instruction takes: 512 elements on tiny, in chunks of a loop, remainder last.
// RUN: polystage-opt --set-target=name=tiny --lower-to-npu --mlir-print-local-scope %s | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK: affine.for %[[C:.*]] = 0 to 2 {
// CHECK-NEXT: "npu.activation"(%{{.*}}, %{{.*}}, %[[C]])
// CHECK-SAME: affine_map<(d0, d1)[s0] -> (d0, d1 + s0 * [[SIZE:[0-9]+]])>
// CHECK-SAME: sizes = array<i64: 8, [[SIZE]]>
// CHECK-NEXT: }
// CHECK-NEXT: "npu.activation"(%{{[^%]*}}, %{{[^%]*}})
// CHECK-NEXT: return
func.func @main() {
  %x = memref.alloc() {polystage.name = "x"} : memref<8x1100xf32, #npu.sbuf>
  affine.for %l = 0 to 8 {
    affine.for %f = 0 to 1100 {
      %0 = affine.load %x[%l, %f] : memref<8x1100xf32, #npu.sbuf>
      %1 = math.exp %0 : f32
      affine.store %1, %x[%l, %f] : memref<8x1100xf32, #npu.sbuf>
    }
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  return
}
