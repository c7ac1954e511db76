// What moves between arrays in SBUF goes through the engines where they can and are faster: within lanes, from lane to
// lane through PSUM, from one lane to all by a product with a one. What they cannot do stays a transfer.
// RUN: polystage-opt --set-target=name=tiny --lower-to-npu --mlir-print-local-scope --split-input-file %s | FileCheck %s

// The same loop lies across the lanes of both: the lanes copy.
// CHECK-LABEL: func.func @main
// CHECK: %[[A:.*]] = memref.alloc() {{.*}} : memref<8x3x5xf32, #npu.sbuf>
// CHECK: %[[B:.*]] = memref.alloc() {{.*}} : memref<8x5x3xf32, #npu.sbuf>
// CHECK-NEXT: "npu.tensor_copy"(%[[B]], %[[A]]) {cause = "relayout",
// CHECK-SAME: maps = [affine_map<(d0, d1, d2) -> (d0, d2, d1)>, affine_map<(d0, d1, d2) -> (d0, d1, d2)>]
// CHECK-SAME: sizes = array<i64: 8, 3, 5>
// CHECK-NEXT: return
func.func @main() {
  %a = memref.alloc() {polystage.name = "a"} : memref<8x3x5xf32, #npu.sbuf>
  %b = memref.alloc() {polystage.name = "b"} : memref<8x5x3xf32, #npu.sbuf>
  affine.for %l = 0 to 8 {
    affine.for %i = 0 to 3 {
      affine.for %j = 0 to 5 {
        %0 = affine.load %a[%l, %i, %j] : memref<8x3x5xf32, #npu.sbuf>
        affine.store %0, %b[%l, %j, %i] : memref<8x5x3xf32, #npu.sbuf>
      }
    }
  } {npu.nest = "transfer"}
  return
}

// -----

// Lanes are exchanged: blocks of 8 x 6 through a bank of 64 bytes, which holds two rows of 8 f32.
// CHECK-LABEL: func.func @main
// CHECK: %[[A:.*]] = memref.alloc() {{.*}} : memref<8x4x6xf32, #npu.sbuf>
// CHECK: %[[B:.*]] = memref.alloc() {{.*}} : memref<6x4x8xf32, #npu.sbuf>
// CHECK-NEXT: affine.for %[[HIGH:.*]] = 0 to 2 {
// CHECK-NEXT: %[[PSUM:.*]] = memref.alloc() {{.*}} : memref<6x2x8xf32, #npu.psum>
// CHECK-NEXT: affine.for %[[LOW:.*]] = 0 to 2 {
// CHECK-NEXT: "npu.transpose"(%[[PSUM]], %[[A]], %[[HIGH]], %[[LOW]])
// CHECK-SAME: affine_map<(d0, d1)[s0, s1] -> (d1, s1, d0)>
// CHECK-SAME: affine_map<(d0, d1)[s0, s1] -> (d0, s0 * 2 + s1, d1)>
// CHECK-SAME: sizes = array<i64: 8, 6>
// CHECK-NEXT: }
// CHECK-NEXT: "npu.tensor_copy"(%[[B]], %[[PSUM]], %[[HIGH]]) {cause = "relayout",
// CHECK-SAME: affine_map<(d0, d1, d2)[s0] -> (d0, d1 + s0 * 2, d2)>
// CHECK-SAME: sizes = array<i64: 6, 2, 8>
// CHECK-NEXT: }
// CHECK-NEXT: return
func.func @main() {
  %a = memref.alloc() {polystage.name = "a"} : memref<8x4x6xf32, #npu.sbuf>
  %b = memref.alloc() {polystage.name = "b"} : memref<6x4x8xf32, #npu.sbuf>
  affine.for %l = 0 to 8 {
    affine.for %i = 0 to 4 {
      affine.for %j = 0 to 6 {
        %0 = affine.load %a[%l, %i, %j] : memref<8x4x6xf32, #npu.sbuf>
        affine.store %0, %b[%j, %i, %l] : memref<6x4x8xf32, #npu.sbuf>
      }
    }
  } {npu.nest = "transfer"}
  return
}

// -----

// One lane is given to all, 16 elements of a bank at a time.
// CHECK-LABEL: func.func @main
// CHECK: %[[A:.*]] = memref.alloc() {{.*}} : memref<1x32xbf16, #npu.sbuf>
// CHECK: %[[B:.*]] = memref.alloc() {{.*}} : memref<8x32xbf16, #npu.sbuf>
// CHECK-NEXT: %[[ONE:.*]] = memref.alloc() {{.*}} : memref<1xbf16, #npu.sbuf>
// CHECK-NEXT: "npu.memset"(%[[ONE]]) {{.*}} value = 1.0{{.*}} : f32
// CHECK-NEXT: affine.for %[[I:.*]] = 0 to 2 {
// CHECK-NEXT: %[[PSUM:.*]] = memref.alloc() {{.*}} : memref<8x16xf32, #npu.psum>
// CHECK-NEXT: "npu.matmul"(%[[PSUM]], %[[ONE]], %[[A]], %[[I]]) {accumulate = false,
// CHECK-SAME: affine_map<(d0, d1, d2)[s0] -> (0, d2 + s0 * 16)>
// CHECK-SAME: sizes = array<i64: 1, 8, 16>
// CHECK-NEXT: "npu.tensor_copy"(%[[B]], %[[PSUM]], %[[I]]) {cause = "relayout",
// CHECK-SAME: sizes = array<i64: 8, 16>
func.func @main() {
  %a = memref.alloc() {polystage.name = "a"} : memref<1x32xbf16, #npu.sbuf>
  %b = memref.alloc() {polystage.name = "b"} : memref<8x32xbf16, #npu.sbuf>
  affine.for %l = 0 to 8 {
    affine.for %i = 0 to 32 {
      %0 = affine.load %a[0, %i] : memref<1x32xbf16, #npu.sbuf>
      affine.store %0, %b[%l, %i] : memref<8x32xbf16, #npu.sbuf>
    }
  } {npu.nest = "transfer"}
  return
}

// -----

// The matrix engine takes no i32, and no instruction starts at an odd lane of tiny.
// CHECK-LABEL: func.func @main
// CHECK-COUNT-2: "npu.dma_start"({{.*}}cause = "intermediate"
// CHECK-NOT: npu.transpose
// CHECK-NOT: npu.tensor_copy
func.func @main() {
  %a = memref.alloc() {polystage.name = "a"} : memref<8x6xi32, #npu.sbuf>
  %b = memref.alloc() {polystage.name = "b"} : memref<6x8xi32, #npu.sbuf>
  %c = memref.alloc() {polystage.name = "c"} : memref<8x6xf32, #npu.sbuf>
  %d = memref.alloc() {polystage.name = "d"} : memref<6x8xf32, #npu.sbuf>
  affine.for %l = 0 to 8 {
    affine.for %j = 0 to 6 {
      %0 = affine.load %a[%l, %j] : memref<8x6xi32, #npu.sbuf>
      affine.store %0, %b[%j, %l] : memref<6x8xi32, #npu.sbuf>
    }
  } {npu.nest = "transfer"}
  affine.for %l = 0 to 5 {
    affine.for %j = 0 to 6 {
      %0 = affine.load %c[%l + 1, %j] : memref<8x6xf32, #npu.sbuf>
      affine.store %0, %d[%j, %l] : memref<6x8xf32, #npu.sbuf>
    }
  } {npu.nest = "transfer"}
  return
}
