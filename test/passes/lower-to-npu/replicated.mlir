// What a replicated nest stores lies on every lane: it is computed there, a sum across lanes by a product with a square
// of ones (a column, read for each row). A transfer to such an array reaches every lane, one from it takes the first.
// RUN: polystage-opt --set-target=name=tiny --lower-to-npu --split-input-file --mlir-print-local-scope %s | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK: %[[X:.*]] = memref.alloc() {polystage.name = "x"} : memref<8x3x5xf32, #npu.sbuf>
// CHECK: %[[S:.*]] = memref.alloc() {polystage.name = "s"} : memref<8x5xf32, #npu.sbuf>
// CHECK: %[[M:.*]] = memref.alloc() {polystage.name = "m"} : memref<8x5xf32, #npu.sbuf>
// CHECK-NOT: npu.memset
// CHECK: "npu.tensor_reduce"(%[[P:[a-z0-9_]+]], %[[X]]) {{.*}} sizes = array<i64: 8, 5, 3>
// CHECK: "npu.memset"(%[[ONES:[a-z0-9_]+]]) {{.*}} sizes = array<i64: 8>, value = 1.000000e+00 : f32
// CHECK: %[[ROWS:.*]] = memref.alloc() {{.*}} : memref<8x5xf32, #npu.psum>
// CHECK: "npu.matmul"(%[[ROWS]], %[[ONES]], %[[P]]) {accumulate = false, maps = [affine_map<(d0, d1, d2) -> (d1, d2)>, affine_map<(d0, d1, d2) -> (d0)>, affine_map<(d0, d1, d2) -> (d0, d2)>], sizes = array<i64: 8, 8, 5>}
// CHECK: "npu.activation"(%[[S]], %[[ROWS]]) {{{.*}} func = "copy", {{.*}} sizes = array<i64: 8, 5>
// CHECK: "npu.activation"(%[[M]], %[[S]]) {{.*}} sizes = array<i64: 8, 5>
// CHECK: "npu.tensor_tensor"(%[[X]], %[[X]], %[[M]]) {maps = [affine_map<(d0, d1, d2) -> (d0, d2, d1)>, affine_map<(d0, d1, d2) -> (d0, d2, d1)>, affine_map<(d0, d1, d2) -> (d0, d1)>], op = "subtract", sizes = array<i64: 8, 5, 3>}
func.func @main() {
  %zero = arith.constant 0.0 : f32
  %x = memref.alloc() {polystage.name = "x"} : memref<5x24xf32, affine_map<(d0, d1) -> (d1 mod 8, d1 floordiv 8, d0)>, #npu.sbuf>
  %s = memref.alloc() {polystage.name = "s"} : memref<5xf32, affine_map<(d0) -> (-8, d0)>, #npu.sbuf>
  %m = memref.alloc() {polystage.name = "m"} : memref<5xf32, affine_map<(d0) -> (-8, d0)>, #npu.sbuf>
  affine.for %t = 0 to 5 {
    affine.store %zero, %s[%t] : memref<5xf32, affine_map<(d0) -> (-8, d0)>, #npu.sbuf>
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", replicated}}
  affine.for %t = 0 to 5 {
    affine.for %b = 0 to 3 {
      affine.for %c = 0 to 8 {
        %0 = affine.load %x[%t, %b * 8 + %c] : memref<5x24xf32, affine_map<(d0, d1) -> (d1 mod 8, d1 floordiv 8, d0)>, #npu.sbuf>
        %1 = affine.load %s[%t] : memref<5xf32, affine_map<(d0) -> (-8, d0)>, #npu.sbuf>
        %2 = arith.addf %0, %1 : f32
        affine.store %2, %s[%t] : memref<5xf32, affine_map<(d0) -> (-8, d0)>, #npu.sbuf>
      }
    }
  } {npu.nest = "compute", npu.implementation = {kind = "reduce", lane = 2 : i64, replicated}}
  affine.for %t = 0 to 5 {
    %0 = affine.load %s[%t] : memref<5xf32, affine_map<(d0) -> (-8, d0)>, #npu.sbuf>
    %1 = math.exp %0 : f32
    affine.store %1, %m[%t] : memref<5xf32, affine_map<(d0) -> (-8, d0)>, #npu.sbuf>
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", replicated}}
  affine.for %t = 0 to 5 {
    affine.for %b = 0 to 3 {
      affine.for %c = 0 to 8 {
        %0 = affine.load %x[%t, %b * 8 + %c] : memref<5x24xf32, affine_map<(d0, d1) -> (d1 mod 8, d1 floordiv 8, d0)>, #npu.sbuf>
        %1 = affine.load %m[%t] : memref<5xf32, affine_map<(d0) -> (-8, d0)>, #npu.sbuf>
        %2 = arith.subf %0, %1 : f32
        affine.store %2, %x[%t, %b * 8 + %c] : memref<5x24xf32, affine_map<(d0, d1) -> (d1 mod 8, d1 floordiv 8, d0)>, #npu.sbuf>
      }
    }
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", lane = 2 : i64}}
  return
}

// -----

// CHECK-LABEL: func.func @main
// CHECK: %[[S:.*]] = memref.alloc() {polystage.name = "s"} : memref<8x5xf32, #npu.sbuf>
// CHECK: "npu.dma_start"(%{{.*}}, %[[S]]) {cause = "input", maps = [affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d0, d1)>], sizes = array<i64: 8, 5>}
// CHECK: "npu.dma_start"(%[[S]], %{{.*}}) {cause = "output", maps = [affine_map<(d0) -> (0, d0)>, affine_map<(d0) -> (d0)>], sizes = array<i64: 5>}
func.func @main(%x: memref<5xf32> {polystage.name = "x", polystage.kind = "input"},
                %y: memref<5xf32> {polystage.name = "y", polystage.kind = "output"}) {
  %s = memref.alloc() {polystage.name = "s"} : memref<5xf32, affine_map<(d0) -> (-8, d0)>, #npu.sbuf>
  affine.for %t = 0 to 5 {
    %0 = affine.load %x[%t] : memref<5xf32>
    affine.store %0, %s[%t] : memref<5xf32, affine_map<(d0) -> (-8, d0)>, #npu.sbuf>
  } {npu.nest = "transfer"}
  affine.for %t = 0 to 5 {
    %0 = affine.load %s[%t] : memref<5xf32, affine_map<(d0) -> (-8, d0)>, #npu.sbuf>
    affine.store %0, %y[%t] : memref<5xf32>
  } {npu.nest = "transfer"}
  return
}

// -----

// In DRAM it is there once.

// CHECK-LABEL: func.func @main
// CHECK: memref.alloc() {polystage.name = "s"} : memref<1x5xf32>
// CHECK: %[[T:.*]] = memref.alloc() {polystage.name = "t"} : memref<8x5xf32, #npu.sbuf>
// CHECK: "npu.dma_start"(%{{.*}}, %[[T]]) {{.*}} maps = [affine_map<(d0, d1) -> (0, d1)>, affine_map<(d0, d1) -> (d0, d1)>], sizes = array<i64: 8, 5>
func.func @main() {
  %s = memref.alloc() {polystage.name = "s"} : memref<5xf32, affine_map<(d0) -> (-8, d0)>>
  %t = memref.alloc() {polystage.name = "t"} : memref<5xf32, affine_map<(d0) -> (-8, d0)>, #npu.sbuf>
  affine.for %i = 0 to 5 {
    %0 = affine.load %s[%i] : memref<5xf32, affine_map<(d0) -> (-8, d0)>>
    affine.store %0, %t[%i] : memref<5xf32, affine_map<(d0) -> (-8, d0)>, #npu.sbuf>
  } {npu.nest = "transfer"}
  return
}
