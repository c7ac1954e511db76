// Rows chosen by data: indirect transfers that wait at once. What they move has the element type of the array.
// RUN: polystage-opt --set-target=name=tiny --lower-to-npu --split-input-file --mlir-print-local-scope %s | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK: %[[I:.*]] = memref.alloc() {polystage.name = "i"}
// CHECK: %[[Y:.*]] = memref.alloc() {polystage.name = "y"}
// CHECK-NEXT: %[[T:.*]] = "npu.gather"(%arg0, %[[Y]], %[[I]])
// CHECK-SAME: maps = [affine_map<(d0, d1, d2) -> (d2, d1)>, affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>]
// CHECK-NEXT: "npu.dma_wait"(%[[T]])
func.func @main(%t: memref<100x5xf32> {polystage.name = "t", polystage.kind = "parameter"}) {
  %i = memref.alloc() {polystage.name = "i"} : memref<8xi32, #npu.sbuf>
  %y = memref.alloc() {polystage.name = "y"} : memref<8x5xf32, #npu.sbuf>
  affine.for %l = 0 to 8 {
    affine.for %f = 0 to 5 {
      %0 = affine.load %i[%l] : memref<8xi32, #npu.sbuf>
      %1 = arith.index_cast %0 : i32 to index
      %2 = memref.load %t[%1, %f] : memref<100x5xf32>
      affine.store %2, %y[%l, %f] : memref<8x5xf32, #npu.sbuf>
    }
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  return
}

// -----

// CHECK-LABEL: func.func @main
// CHECK: %[[X:.*]] = memref.alloc() {polystage.name = "x"} : memref<8x5xbf16, #npu.sbuf>
// CHECK: %[[WIDE:.*]] = memref.alloc() {{.*}} : memref<8x5xf32, #npu.sbuf>
// CHECK: "npu.tensor_copy"(%[[WIDE]], %[[X]])
// CHECK: "npu.scatter"(%[[WIDE]], %arg0, %{{.*}})
func.func @main(%t: memref<100x5xf32> {polystage.name = "t", polystage.kind = "output"}) {
  %i = memref.alloc() {polystage.name = "i"} : memref<8xi32, #npu.sbuf>
  %x = memref.alloc() {polystage.name = "x"} : memref<8x5xbf16, #npu.sbuf>
  affine.for %l = 0 to 8 {
    affine.for %f = 0 to 5 {
      %0 = affine.load %i[%l] : memref<8xi32, #npu.sbuf>
      %1 = arith.index_cast %0 : i32 to index
      %2 = affine.load %x[%l, %f] : memref<8x5xbf16, #npu.sbuf>
      %3 = arith.extf %2 : bf16 to f32
      memref.store %3, %t[%1, %f] : memref<100x5xf32>
    }
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  return
}
