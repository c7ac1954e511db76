// What is ready runs while an engine would wait for another one.
// RUN: polystage-opt --set-target=name=tiny --order-instructions --mlir-print-local-scope %s | FileCheck %s
// RUN: polystage-opt --set-target=name=tiny --order-instructions=strategy=off %s | FileCheck %s --check-prefix=OFF
// RUN: polystage-opt --set-target=name=tiny --order-instructions=instructions=2 %s | FileCheck %s --check-prefix=LOOPS
// RUN: polystage-opt --set-target=name=tiny --order-instructions=window=1 %s | FileCheck %s --check-prefix=OFF
// RUN: polystage-opt --set-target=name=tiny --order-instructions --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s --check-prefix=STATS

// STATS-DAG: 2 unrolled
// STATS-DAG: 1 moved

#whole = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#tile = affine_map<(d0, d1)[s0] -> (d0, s0, d1)>
// CHECK-LABEL: func.func @main
// CHECK-SAME: %[[X:[a-z_0-9]+]]: memref<8x2x32xf32, #npu.sbuf>, %[[U:[a-z_0-9]+]]: memref{{.*}}, %[[V:[a-z_0-9]+]]: memref
// CHECK-NOT: affine.for
// CHECK: "npu.tensor_tensor"(%[[Y:[a-z_0-9]+]], %[[X]]
// CHECK-NEXT: "npu.activation"(%[[V]], %[[X]], %{{.*}}) {func = "tanh"
// CHECK-NEXT: "npu.activation"(%[[V]], %[[X]], %{{.*}}) {func = "tanh"
// CHECK-NEXT: "npu.tensor_tensor"(%[[Y]], %[[X]]
// CHECK: "npu.activation"(%[[U]], %[[Y]]) {func = "exp"
// CHECK-NEXT: return

// OFF: affine.for %{{.*}} = 0 to 2 {
// OFF: func = "exp"
// OFF: affine.for %{{.*}} = 0 to 2 {

// Loops that stay are ordered as they are.
// LOOPS: affine.for %{{.*}} = 0 to 2 {
// LOOPS: affine.for %{{.*}} = 0 to 2 {
// LOOPS: func = "exp"
func.func @main(%x: memref<8x2x32xf32, #npu.sbuf>, %u: memref<8x2x32xf32, #npu.sbuf>, %v: memref<8x2x32xf32, #npu.sbuf>) {
  %y = memref.alloc() {polystage.name = "y"} : memref<8x2x32xf32, #npu.sbuf>
  affine.for %i = 0 to 2 {
    "npu.tensor_tensor"(%y, %x, %x, %i) {op = "add", sizes = array<i64: 8, 32>, maps = [#tile, #tile, #tile]} : (memref<8x2x32xf32, #npu.sbuf>, memref<8x2x32xf32, #npu.sbuf>, memref<8x2x32xf32, #npu.sbuf>, index) -> ()
  }
  "npu.activation"(%u, %y) {func = "exp", sizes = array<i64: 8, 2, 32>, maps = [#whole, #whole], operandSegmentSizes = array<i32: 1, 1, 0, 0, 0>} : (memref<8x2x32xf32, #npu.sbuf>, memref<8x2x32xf32, #npu.sbuf>) -> ()
  affine.for %i = 0 to 2 {
    "npu.activation"(%v, %x, %i) {func = "tanh", sizes = array<i64: 8, 32>, maps = [#tile, #tile], operandSegmentSizes = array<i32: 1, 1, 0, 0, 1>} : (memref<8x2x32xf32, #npu.sbuf>, memref<8x2x32xf32, #npu.sbuf>, index) -> ()
  }
  return
}
