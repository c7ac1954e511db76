// A relayout between arrays on chip stays and moves them; with strategy=local its reader loads the array as it likes.
// RUN: polystage-opt --set-target=name=tiny --stage --mlir-print-local-scope %s | FileCheck %s
// RUN: polystage-opt --set-target=name=tiny --stage=strategy=local --mlir-print-local-scope %s | FileCheck %s --check-prefix=LOCAL

// CHECK-LABEL: func.func @main
// CHECK: %[[T:.*]] = memref.alloc() {polystage.name = "t"{{.*}}} : memref<8x6xf32, #npu.sbuf>
// CHECK: %[[MOVED:.*]] = memref.alloc() {polystage.name = "t.relayout0"{{.*}}} : memref<8x6xf32, affine_map<(d0, d1) -> (d1, d0)>, #npu.sbuf>
// CHECK: affine.load %[[T]][%[[I:.*]], %[[J:.*]]]
// CHECK-NEXT: affine.store %{{.*}}, %[[MOVED]][%[[I]], %[[J]]]
// CHECK: npu.nest = "transfer"
// CHECK: affine.load %[[MOVED]]
// CHECK-NEXT: math.tanh
// LOCAL-LABEL: func.func @main
// LOCAL-NOT: relayout
func.func @main(%x: memref<8x6xf32> {polystage.name = "x", polystage.kind = "input"},
                %y: memref<8x6xf32> {polystage.name = "y", polystage.kind = "output"}) {
  %t = memref.alloc() {polystage.name = "t"} : memref<8x6xf32>
  %m = memref.alloc() {polystage.name = "t.relayout0"} : memref<8x6xf32, affine_map<(d0, d1) -> (d1, d0)>>
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 6 {
      %0 = affine.load %x[%i, %j] : memref<8x6xf32>
      %1 = math.exp %0 : f32
      affine.store %1, %t[%i, %j] : memref<8x6xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 6 {
      %0 = affine.load %t[%i, %j] : memref<8x6xf32>
      affine.store %0, %m[%i, %j] : memref<8x6xf32, affine_map<(d0, d1) -> (d1, d0)>>
    }
  } {npu.implementation = {kind = "relayout"}}
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 6 {
      %0 = affine.load %m[%i, %j] : memref<8x6xf32, affine_map<(d0, d1) -> (d1, d0)>>
      %1 = math.tanh %0 : f32
      affine.store %1, %y[%i, %j] : memref<8x6xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 1 : i64}}
  return
}
