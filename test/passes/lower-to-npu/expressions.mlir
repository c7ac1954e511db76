// A body is covered by few instructions: two operations in one, numbers and values per lane inside, casts on the way.
// RUN: polystage-opt --set-target=name=tiny --lower-to-npu --split-input-file --mlir-print-local-scope %s | FileCheck %s

// (x * 2.0) + bias, bias one number per lane.
// CHECK-LABEL: func.func @main
// CHECK: %[[X:.*]] = memref.alloc() {polystage.name = "x"}
// CHECK: %[[B:.*]] = memref.alloc() {polystage.name = "b"}
// CHECK: %[[Y:.*]] = memref.alloc() {polystage.name = "y"}
// CHECK-NEXT: "npu.tensor_scalar"(%[[Y]], %[[X]], %[[B]])
// CHECK-SAME: maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>]
// CHECK-SAME: op0 = "multiply", op1 = "add"
// CHECK-SAME: reverse0 = false, reverse1 = true, scalar0 = 2.000000e+00 : f32, sizes = array<i64: 8, 5>
// CHECK-NEXT: return
func.func @main() {
  %c2 = arith.constant 2.0 : f32
  %x = memref.alloc() {polystage.name = "x"} : memref<8x5xf32, #npu.sbuf>
  %b = memref.alloc() {polystage.name = "b"} : memref<8xf32, #npu.sbuf>
  %y = memref.alloc() {polystage.name = "y"} : memref<8x5xf32, #npu.sbuf>
  affine.for %l = 0 to 8 {
    affine.for %f = 0 to 5 {
      %0 = affine.load %x[%l, %f] : memref<8x5xf32, #npu.sbuf>
      %1 = affine.load %b[%l] : memref<8xf32, #npu.sbuf>
      %2 = arith.mulf %0, %c2 : f32
      %3 = arith.addf %1, %2 : f32
      affine.store %3, %y[%l, %f] : memref<8x5xf32, #npu.sbuf>
    }
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  return
}

// -----

// (x * scale) + z, scale one number per lane, z a whole tile.
// CHECK-LABEL: func.func @main
// CHECK: %[[X:.*]] = memref.alloc() {polystage.name = "x"}
// CHECK: %[[S:.*]] = memref.alloc() {polystage.name = "s"}
// CHECK-NEXT: "npu.scalar_tensor_tensor"(%[[X]], %[[X]], %[[S]], %[[X]])
// CHECK-SAME: op0 = "multiply", op1 = "add"
// CHECK-NEXT: return
func.func @main() {
  %x = memref.alloc() {polystage.name = "x"} : memref<8x5xf32, #npu.sbuf>
  %s = memref.alloc() {polystage.name = "s"} : memref<8xf32, #npu.sbuf>
  affine.for %l = 0 to 8 {
    affine.for %f = 0 to 5 {
      %0 = affine.load %x[%l, %f] : memref<8x5xf32, #npu.sbuf>
      %1 = affine.load %s[%l] : memref<8xf32, #npu.sbuf>
      %2 = arith.mulf %0, %1 : f32
      %3 = arith.addf %2, %0 : f32
      affine.store %3, %x[%l, %f] : memref<8x5xf32, #npu.sbuf>
    }
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  return
}

// -----

// 1.0 - x: the number comes first. What is narrowed is narrowed by the instruction that computes it.
// CHECK-LABEL: func.func @main
// CHECK: %[[X:.*]] = memref.alloc() {polystage.name = "x"}
// CHECK: %[[Y:.*]] = memref.alloc() {polystage.name = "y"}
// CHECK-NEXT: "npu.tensor_scalar"(%[[Y]], %[[X]])
// CHECK-SAME: op0 = "subtract"
// CHECK-SAME: reverse0 = true, scalar0 = 1.000000e+00 : f32
// CHECK-NEXT: return
func.func @main() {
  %c1 = arith.constant 1.0 : f32
  %x = memref.alloc() {polystage.name = "x"} : memref<8x5xbf16, #npu.sbuf>
  %y = memref.alloc() {polystage.name = "y"} : memref<8x5xbf16, #npu.sbuf>
  affine.for %l = 0 to 8 {
    affine.for %f = 0 to 5 {
      %0 = affine.load %x[%l, %f] : memref<8x5xbf16, #npu.sbuf>
      %1 = arith.extf %0 : bf16 to f32
      %2 = arith.subf %c1, %1 : f32
      %3 = arith.truncf %2 : f32 to bf16
      affine.store %3, %y[%l, %f] : memref<8x5xbf16, #npu.sbuf>
    }
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  return
}

// -----

// A comparison that is decided by its predicate, a true constant, a column of numbers: all without a comparison.
// CHECK-LABEL: func.func @main
// CHECK-NOT: is_
// CHECK: "npu.memset"(%[[P:[a-z0-9_]+]]) {{.*}} value = 1 : i32
// CHECK: "npu.iota"(%{{.*}}) {{.*}} value = affine_map<(d0, d1) -> (d1 * 3 + 1)>
// CHECK: "npu.select"(%{{.*}}, %[[P]],
// CHECK-NOT: "npu
func.func @main() {
  %c0 = arith.constant 0 : i32
  %x = memref.alloc() {polystage.name = "x"} : memref<8x5xf32, #npu.sbuf>
  %y = memref.alloc() {polystage.name = "y"} : memref<8x5xi32, #npu.sbuf>
  affine.for %l = 0 to 8 {
    affine.for %f = 0 to 5 {
      %0 = affine.load %x[%l, %f] : memref<8x5xf32, #npu.sbuf>
      %1 = arith.cmpf true, %0, %0 : f32
      %2 = affine.apply affine_map<(d0) -> (d0 * 3 + 1)>(%f)
      %3 = arith.index_cast %2 : index to i32
      %4 = affine.load %y[%l, %f] : memref<8x5xi32, #npu.sbuf>
      %5 = arith.select %1, %3, %4 : i32
      affine.store %5, %y[%l, %f] : memref<8x5xi32, #npu.sbuf>
    }
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  return
}

// -----

// A float to an integer power: numbers of two kinds, of which only the second may stand in the instruction.
// CHECK-LABEL: func.func @main
// CHECK: %[[N:.*]] = memref.alloc() {polystage.name = "n"}
// CHECK: %[[Y:.*]] = memref.alloc() {polystage.name = "y"}
// CHECK: "npu.memset"(%[[BASE:[a-z0-9_]+]]) {{.*}} value = 2.000000e+00 : f32
// CHECK: "npu.tensor_tensor"(%[[Y]], %[[BASE]], %[[N]])
// CHECK-SAME: op = "power"
func.func @main() {
  %c2 = arith.constant 2.0 : f32
  %n = memref.alloc() {polystage.name = "n"} : memref<8x5xi32, #npu.sbuf>
  %y = memref.alloc() {polystage.name = "y"} : memref<8x5xf32, #npu.sbuf>
  affine.for %l = 0 to 8 {
    affine.for %f = 0 to 5 {
      %0 = affine.load %n[%l, %f] : memref<8x5xi32, #npu.sbuf>
      %1 = math.fpowi %c2, %0 : f32, i32
      affine.store %1, %y[%l, %f] : memref<8x5xf32, #npu.sbuf>
    }
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  return
}
