// What waits for its own engine by way of another one runs an iteration later, if every tile has a buffer of its own.
// RUN: polystage-opt --set-target=name=tiny --skew-loops --mlir-print-local-scope --split-input-file %s | FileCheck %s
// RUN: polystage-opt --set-target=name=tiny --skew-loops=strategy=off --split-input-file %s | FileCheck %s --check-prefix=OFF
// RUN: polystage-opt --set-target=name=tiny --skew-loops --split-input-file --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s --check-prefix=STATS

// STATS: 1 loops

#id = affine_map<(d0, d1) -> (d0, d1)>
#tile = affine_map<(d0, d1)[s0, s1] -> (d0, s0, d1)>
#turn = affine_map<(d0, d1)[s0, s1] -> (d0, s1, d1)>
// CHECK-LABEL: func.func @main
// CHECK-SAME: %[[X:[a-z_0-9]+]]: memref<8x6x4xf32, #npu.sbuf>, %[[Y:[a-z_0-9]+]]: memref
// CHECK: %[[A:[a-z_0-9]+]] = memref.alloc() {polystage.name = "a"}
// CHECK: %[[B:[a-z_0-9]+]] = memref.alloc() {polystage.name = "b"}
// CHECK: %[[ZERO:[a-z_0-9]+]] = affine.apply affine_map<() -> (0)>
// CHECK: "npu.activation"(%[[A]], %[[X]], %[[ZERO]],
// CHECK: "npu.tensor_tensor"(%[[B]], %[[A]], %[[X]], %[[ZERO]],
// CHECK: affine.for %[[I:.*]] = 1 to 6 {
// CHECK: "npu.activation"(%[[A]], %[[X]], %[[I]],
// CHECK: "npu.tensor_tensor"(%[[B]], %[[A]], %[[X]], %[[I]],
// CHECK: %[[BEFORE:[a-z_0-9]+]] = affine.apply affine_map<(d0) -> (d0 - 1)>(%[[I]])
// CHECK: "npu.activation"(%[[Y]], %[[B]], %[[BEFORE]],
// CHECK: }
// CHECK-NOT: npu.tensor_tensor
// CHECK: %[[LAST:[a-z_0-9]+]] = affine.apply affine_map<() -> (5)>
// CHECK: "npu.activation"(%[[Y]], %[[B]], %[[LAST]],
// CHECK-NOT: "npu.
// CHECK: return

// OFF-LABEL: func.func @main
// OFF: affine.for %{{.*}} = 0 to 6 {
func.func @main(%x: memref<8x6x4xf32, #npu.sbuf>, %y: memref<8x6x4xf32, #npu.sbuf>) {
  %a = memref.alloc() {polystage.name = "a"} : memref<8x2x4xf32, #npu.sbuf>
  %b = memref.alloc() {polystage.name = "b"} : memref<8x2x4xf32, #npu.sbuf>
  affine.for %i = 0 to 6 {
    %t = affine.apply affine_map<(d0) -> (d0 mod 2)>(%i)
    "npu.activation"(%a, %x, %i, %t) {func = "exp", sizes = array<i64: 8, 4>, maps = [#turn, #tile], operandSegmentSizes = array<i32: 1, 1, 0, 0, 2>} : (memref<8x2x4xf32, #npu.sbuf>, memref<8x6x4xf32, #npu.sbuf>, index, index) -> ()
    "npu.tensor_tensor"(%b, %a, %x, %i, %t) {op = "add", sizes = array<i64: 8, 4>, maps = [#turn, #turn, #tile]} : (memref<8x2x4xf32, #npu.sbuf>, memref<8x2x4xf32, #npu.sbuf>, memref<8x6x4xf32, #npu.sbuf>, index, index) -> ()
    "npu.activation"(%y, %b, %i, %t) {func = "tanh", sizes = array<i64: 8, 4>, maps = [#tile, #turn], operandSegmentSizes = array<i32: 1, 1, 0, 0, 2>} : (memref<8x6x4xf32, #npu.sbuf>, memref<8x2x4xf32, #npu.sbuf>, index, index) -> ()
  }
  return
}

// -----

#id = affine_map<(d0, d1) -> (d0, d1)>
#tile = affine_map<(d0, d1)[s0] -> (d0, s0, d1)>
#one = affine_map<(d0, d1)[s0] -> (d0, d1)>
// One buffer for all tiles: the next iteration would overwrite what is still to be read.
// CHECK-LABEL: func.func @main
// CHECK: affine.for %{{.*}} = 0 to 6 {
func.func @main(%x: memref<8x6x4xf32, #npu.sbuf>, %y: memref<8x6x4xf32, #npu.sbuf>) {
  %a = memref.alloc() {polystage.name = "a"} : memref<8x4xf32, #npu.sbuf>
  %b = memref.alloc() {polystage.name = "b"} : memref<8x4xf32, #npu.sbuf>
  affine.for %i = 0 to 6 {
    "npu.activation"(%a, %x, %i) {func = "exp", sizes = array<i64: 8, 4>, maps = [#one, #tile], operandSegmentSizes = array<i32: 1, 1, 0, 0, 1>} : (memref<8x4xf32, #npu.sbuf>, memref<8x6x4xf32, #npu.sbuf>, index) -> ()
    "npu.tensor_tensor"(%b, %a, %x, %i) {op = "add", sizes = array<i64: 8, 4>, maps = [#one, #one, #tile]} : (memref<8x4xf32, #npu.sbuf>, memref<8x4xf32, #npu.sbuf>, memref<8x6x4xf32, #npu.sbuf>, index) -> ()
    "npu.activation"(%y, %b, %i) {func = "tanh", sizes = array<i64: 8, 4>, maps = [#tile, #one], operandSegmentSizes = array<i32: 1, 1, 0, 0, 1>} : (memref<8x6x4xf32, #npu.sbuf>, memref<8x4xf32, #npu.sbuf>, index) -> ()
  }
  return
}

// -----

#id = affine_map<(d0, d1) -> (d0, d1)>
#tile = affine_map<(d0, d1)[s0, s1] -> (d0, s0, d1)>
#turn = affine_map<(d0, d1)[s0, s1] -> (d0, s1, d1)>
// The engines do not wait for each other by turns: one goes ahead of the other as it is.
// CHECK-LABEL: func.func @main
// CHECK: affine.for %{{.*}} = 0 to 6 {
func.func @main(%x: memref<8x6x4xf32, #npu.sbuf>, %y: memref<8x6x4xf32, #npu.sbuf>) {
  %a = memref.alloc() {polystage.name = "a"} : memref<8x2x4xf32, #npu.sbuf>
  affine.for %i = 0 to 6 {
    %t = affine.apply affine_map<(d0) -> (d0 mod 2)>(%i)
    "npu.activation"(%a, %x, %i, %t) {func = "exp", sizes = array<i64: 8, 4>, maps = [#turn, #tile], operandSegmentSizes = array<i32: 1, 1, 0, 0, 2>} : (memref<8x2x4xf32, #npu.sbuf>, memref<8x6x4xf32, #npu.sbuf>, index, index) -> ()
    "npu.tensor_tensor"(%y, %a, %x, %i, %t) {op = "add", sizes = array<i64: 8, 4>, maps = [#tile, #turn, #tile]} : (memref<8x6x4xf32, #npu.sbuf>, memref<8x2x4xf32, #npu.sbuf>, memref<8x6x4xf32, #npu.sbuf>, index, index) -> ()
  }
  return
}
