// What one nest makes and the next one reads stays on chip in between; no transfer moves it.
// RUN: polystage-opt --set-target=name=tiny --stage --mlir-print-local-scope %s | FileCheck %s
// RUN: polystage-opt --set-target=name=tiny --stage --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s --check-prefix=STATS

// STATS-DAG: 2 staged
// STATS-DAG: 1 resident
// STATS-DAG: 0 grouped
// CHECK-LABEL: func.func @main
// CHECK: %[[T:.*]] = memref.alloc() {polystage.name = "t"{{.*}}} : memref<8x10xf32, #npu.sbuf>
// CHECK: affine.load %arg0
// CHECK: npu.nest = "transfer"
// CHECK: math.exp
// CHECK-NEXT: affine.store %{{.*}}, %[[T]]
// CHECK: npu.nest = "compute"
// CHECK-NOT: npu.nest = "transfer"
// CHECK: affine.load %[[T]]
// CHECK-NEXT: math.tanh
// CHECK: npu.nest = "compute"
// CHECK: affine.store %{{.*}}, %arg1
// CHECK: npu.nest = "transfer"
// CHECK-NOT: npu.nest
func.func @main(%x: memref<8x10xf32> {polystage.name = "x", polystage.kind = "input"},
                %y: memref<8x10xf32> {polystage.name = "y", polystage.kind = "output"}) {
  %t = memref.alloc() {polystage.name = "t"} : memref<8x10xf32>
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 10 {
      %0 = affine.load %x[%i, %j] : memref<8x10xf32>
      %1 = math.exp %0 : f32
      affine.store %1, %t[%i, %j] : memref<8x10xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 10 {
      %0 = affine.load %t[%i, %j] : memref<8x10xf32>
      %1 = math.tanh %0 : f32
      affine.store %1, %y[%i, %j] : memref<8x10xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  return
}
