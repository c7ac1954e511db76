// Along the free axis by the reduce instruction, across the lanes by a product with ones, other folds step by step.
// RUN: polystage-opt --set-target=name=tiny --lower-to-npu --split-input-file --mlir-print-local-scope %s | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK: %[[X:.*]] = memref.alloc() {polystage.name = "x"}
// CHECK: %[[Y:.*]] = memref.alloc() {polystage.name = "y"}
// CHECK: "npu.tensor_reduce"(%[[P:[a-z0-9_]+]], %[[X]]) {{.*}} op = "max", sizes = array<i64: 8, 5>
// CHECK-NEXT: "npu.tensor_tensor"(%[[Y]], %[[Y]], %[[P]]) {{.*}} op = "max", sizes = array<i64: 8>
func.func @main() {
  %x = memref.alloc() {polystage.name = "x"} : memref<8x5xf32, #npu.sbuf>
  %y = memref.alloc() {polystage.name = "y"} : memref<8xf32, #npu.sbuf>
  affine.for %l = 0 to 8 {
    affine.for %f = 0 to 5 {
      %0 = affine.load %y[%l] : memref<8xf32, #npu.sbuf>
      %1 = affine.load %x[%l, %f] : memref<8x5xf32, #npu.sbuf>
      %2 = arith.maximumf %0, %1 : f32
      affine.store %2, %y[%l] : memref<8xf32, #npu.sbuf>
    }
  } {npu.nest = "compute", npu.implementation = {kind = "reduce", lane = 0 : i64}}
  return
}

// -----

// CHECK-LABEL: func.func @main
// CHECK: %[[X:.*]] = memref.alloc() {polystage.name = "x"}
// CHECK: %[[Y:.*]] = memref.alloc() {polystage.name = "y"}
// CHECK: "npu.memset"(%[[ONES:[a-z0-9_]+]]) {{.*}} value = 1.000000e+00 : f32
// CHECK-NEXT: %[[ROW:.*]] = memref.alloc() {{.*}} : memref<1x5xf32, #npu.psum>
// CHECK-NEXT: "npu.matmul"(%[[ROW]], %[[ONES]], %{{.*}}) {accumulate = false, {{.*}} sizes = array<i64: 8, 1, 5>
// CHECK-NEXT: "npu.tensor_tensor"(%[[Y]], %[[Y]], %[[ROW]]) {{.*}} op = "add", sizes = array<i64: 1, 5>
func.func @main() {
  %x = memref.alloc() {polystage.name = "x"} : memref<8x5xf32, #npu.sbuf>
  %y = memref.alloc() {polystage.name = "y"} : memref<1x5xf32, #npu.sbuf>
  affine.for %l = 0 to 8 {
    affine.for %f = 0 to 5 {
      %0 = affine.load %y[0, %f] : memref<1x5xf32, #npu.sbuf>
      %1 = affine.load %x[%l, %f] : memref<8x5xf32, #npu.sbuf>
      %2 = arith.addf %0, %1 : f32
      affine.store %2, %y[0, %f] : memref<1x5xf32, #npu.sbuf>
    }
  } {npu.nest = "compute", npu.implementation = {kind = "reduce", lane = 0 : i64}}
  return
}

// -----

// CHECK-LABEL: func.func @main
// CHECK: affine.for %[[F:.*]] = 0 to 5 {
// CHECK-NEXT: "npu.tensor_scalar"(%[[Y:[a-z0-9_]+]], %{{[a-z0-9_]+}}, %[[Y]], %[[F]])
// CHECK-SAME: op0 = "subtract"
// CHECK-SAME: sizes = array<i64: 8>
func.func @main() {
  %x = memref.alloc() {polystage.name = "x"} : memref<8x5xf32, #npu.sbuf>
  %y = memref.alloc() {polystage.name = "y"} : memref<8xf32, #npu.sbuf>
  affine.for %l = 0 to 8 {
    affine.for %f = 0 to 5 {
      %0 = affine.load %y[%l] : memref<8xf32, #npu.sbuf>
      %1 = affine.load %x[%l, %f] : memref<8x5xf32, #npu.sbuf>
      %2 = arith.subf %1, %0 : f32
      affine.store %2, %y[%l] : memref<8xf32, #npu.sbuf>
    }
  } {npu.nest = "compute", npu.implementation = {kind = "fold", lane = 0 : i64}}
  return
}

// -----

// A result that holds what changes nothing, and is reduced by one instruction, is written at once and not filled.
// CHECK-LABEL: func.func @main
// CHECK-NOT: npu.memset
// CHECK: "npu.tensor_reduce"(%[[Y:[a-z0-9_]+]], %{{[a-z0-9_]+}}) {maps = [affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d0, d1)>], op = "max", sizes = array<i64: 8, 5>}
// CHECK-NOT: "npu.
// CHECK: return
func.func @main() {
  %x = memref.alloc() {polystage.name = "x"} : memref<8x5xf32, #npu.sbuf>
  %y = memref.alloc() {polystage.name = "y"} : memref<8xf32, #npu.sbuf>
  %least = arith.constant 0xFF800000 : f32
  affine.for %l = 0 to 8 {
    affine.store %least, %y[%l] : memref<8xf32, #npu.sbuf>
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %l = 0 to 8 {
    affine.for %f = 0 to 5 {
      %0 = affine.load %y[%l] : memref<8xf32, #npu.sbuf>
      %1 = affine.load %x[%l, %f] : memref<8x5xf32, #npu.sbuf>
      %2 = arith.maximumf %1, %0 : f32
      affine.store %2, %y[%l] : memref<8xf32, #npu.sbuf>
    }
  } {npu.nest = "compute", npu.implementation = {kind = "reduce", lane = 0 : i64}}
  return
}

// -----

// Zero is more than what is reduced may be: the result is filled, and the maximum taken with it.
// CHECK-LABEL: func.func @main
// CHECK: "npu.memset"(%[[Y:[a-z0-9_]+]]) {{.*}} value = 0.000000e+00 : f32
// CHECK: "npu.tensor_reduce"(%[[P:[a-z0-9_]+]],
// CHECK: "npu.tensor_tensor"(%[[Y]], %[[Y]], %[[P]]) {{.*}} op = "max"
func.func @main() {
  %x = memref.alloc() {polystage.name = "x"} : memref<8x5xf32, #npu.sbuf>
  %y = memref.alloc() {polystage.name = "y"} : memref<8xf32, #npu.sbuf>
  %zero = arith.constant 0.0 : f32
  affine.for %l = 0 to 8 {
    affine.store %zero, %y[%l] : memref<8xf32, #npu.sbuf>
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %l = 0 to 8 {
    affine.for %f = 0 to 5 {
      %0 = affine.load %y[%l] : memref<8xf32, #npu.sbuf>
      %1 = affine.load %x[%l, %f] : memref<8x5xf32, #npu.sbuf>
      %2 = arith.maximumf %1, %0 : f32
      affine.store %2, %y[%l] : memref<8xf32, #npu.sbuf>
    }
  } {npu.nest = "compute", npu.implementation = {kind = "reduce", lane = 0 : i64}}
  return
}

// -----

// The loop that is reduced lies around one that is kept.
// CHECK-LABEL: func.func @main
// CHECK: "npu.tensor_reduce"(%{{[a-z0-9_]+}}, %{{[a-z0-9_]+}}) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d0, d1, d2)>], op = "add", sizes = array<i64: 8, 5, 3>}
func.func @main() {
  %x = memref.alloc() {polystage.name = "x"} : memref<8x5x3xf32, #npu.sbuf>
  %y = memref.alloc() {polystage.name = "y"} : memref<8x3xf32, #npu.sbuf>
  %zero = arith.constant 0.0 : f32
  affine.for %l = 0 to 8 {
    affine.for %k = 0 to 3 {
      affine.store %zero, %y[%l, %k] : memref<8x3xf32, #npu.sbuf>
    }
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %l = 0 to 8 {
    affine.for %f = 0 to 5 {
      affine.for %k = 0 to 3 {
        %0 = affine.load %y[%l, %k] : memref<8x3xf32, #npu.sbuf>
        %1 = affine.load %x[%l, %f, %k] : memref<8x5x3xf32, #npu.sbuf>
        %2 = arith.addf %1, %0 : f32
        affine.store %2, %y[%l, %k] : memref<8x3xf32, #npu.sbuf>
      }
    }
  } {npu.nest = "compute", npu.implementation = {kind = "reduce", lane = 0 : i64}}
  return
}
