// Tiles of one turn need not wait for each other: each takes the bank that is free for longest. The activation of the
// first tile runs beside the products of the second one.
// RUN: polystage-opt --set-target=name=tiny --order-instructions=gain=-9 --mlir-print-local-scope %s | FileCheck %s

#p = affine_map<(d0, d1, d2)[s0] -> (d1, 0, d2)>
#a = affine_map<(d0, d1, d2)[s0] -> (d0, d1)>
#b = affine_map<(d0, d1, d2)[s0] -> (d0, s0, d2)>
#tile = affine_map<(d0, d1)[s0] -> (d0, 0, d1)>
#row = affine_map<(d0, d1)[s0] -> (d0, s0, d1)>
// CHECK-LABEL: func.func @main
// CHECK: %[[P:.*]] = memref.alloc() {polystage.name = "psum"} : memref<8x2x16xf32, #npu.psum>
// CHECK: "npu.matmul"(%[[P]], {{.*}} maps = [affine_map<(d0, d1, d2)[s0] -> (d1, 0, d2)>
// CHECK: "npu.matmul"(%[[P]], {{.*}} maps = [affine_map<(d0, d1, d2)[s0] -> (d1, 1, d2)>
// CHECK: "npu.activation"(%{{.*}}, %[[P]], {{.*}} maps = [affine_map<(d0, d1)[s0] -> (d0, s0, d1)>, affine_map<(d0, d1)[s0] -> (d0, 0, d1)>]
// CHECK: "npu.activation"(%{{.*}}, %[[P]], {{.*}} maps = [affine_map<(d0, d1)[s0] -> (d0, s0, d1)>, affine_map<(d0, d1)[s0] -> (d0, 1, d1)>]
// CHECK-NOT: memref.alloc
func.func @main(%w: memref<8x8xf32, #npu.sbuf>, %x: memref<8x2x16xf32, #npu.sbuf>, %y: memref<8x2x16xf32, #npu.sbuf>) {
  %p = memref.alloc() : memref<8x1x16xf32, #npu.psum>
  affine.for %i = 0 to 2 {
    "npu.matmul"(%p, %w, %x, %i) {accumulate = false, sizes = array<i64: 8, 8, 16>, maps = [#p, #a, #b]} : (memref<8x1x16xf32, #npu.psum>, memref<8x8xf32, #npu.sbuf>, memref<8x2x16xf32, #npu.sbuf>, index) -> ()
    "npu.activation"(%y, %p, %i) {func = "exp", sizes = array<i64: 8, 16>, maps = [#row, #tile], operandSegmentSizes = array<i32: 1, 1, 0, 0, 1>} : (memref<8x2x16xf32, #npu.sbuf>, memref<8x1x16xf32, #npu.psum>, index) -> ()
  }
  return
}
