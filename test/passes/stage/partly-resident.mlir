// All of %t is summed before it is scaled by the sum, and it is too large for the chip: what there is room for stays, the
// rest goes to DRAM and comes back.
// RUN: polystage-opt --set-target=name=tiny --stage --mlir-print-local-scope %s | FileCheck %s
// RUN: polystage-opt --set-target=name=tiny --stage --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s --check-prefix=STATS
// RUN: polystage-opt --set-target=name=tiny --stage="residency=whole" --mlir-print-local-scope %s | FileCheck %s --check-prefix=WHOLE
// RUN: polystage-opt --set-target=name=tiny --stage="residency=off" --mlir-print-local-scope %s | FileCheck %s --check-prefix=OFF

// STATS-DAG: 1 partly-resident
// STATS-DAG: 4 staged
// CHECK-LABEL: func.func @main
// CHECK: %[[T:.*]] = memref.alloc() {polystage.name = "t"{{.*}}} : memref<8x600xf32>
// CHECK: %[[PART:.*]] = memref.alloc() {polystage.name = "t.slice"{{.*}}} : memref<8x[[SIZE:[0-9]+]]xf32, #npu.sbuf>
// CHECK: affine.store %{{.*}}, %[[PART]][%{{.*}}, %{{.*}} * [[STEP:[0-9]+]] + %{{.*}}]
// CHECK-NEXT: }
// CHECK-NEXT: } {npu.nest = "transfer"}
// CHECK: affine.store %{{.*}}, %[[T]][%{{.*}}, %{{.*}} * [[STEP]] + %{{.*}} + {{[0-9]+}}]
// CHECK-NEXT: }
// CHECK-NEXT: } {npu.nest = "transfer"}
// CHECK: affine.load %[[PART]][
// CHECK: arith.mulf
// CHECK: affine.load %[[T]][
// CHECK: arith.mulf
// WHOLE-NOT: t.slice
// Without residency the sum leaves too, and comes back.
// OFF: %[[S:.*]] = memref.alloc() {polystage.name = "s"{{.*}}} : memref<8xf32>
// OFF: affine.store %{{.*}}, %[[S]][
// OFF: affine.load %[[S]][
func.func @main(%x: memref<8x600xf32> {polystage.name = "x", polystage.kind = "input"},
                %y: memref<8x600xf32> {polystage.name = "y", polystage.kind = "output"}) {
  %c0 = arith.constant 0.0 : f32
  %t = memref.alloc() {polystage.name = "t"} : memref<8x600xf32>
  %s = memref.alloc() {polystage.name = "s"} : memref<8xf32>
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 600 {
      %0 = affine.load %x[%i, %j] : memref<8x600xf32>
      %1 = math.exp %0 : f32
      affine.store %1, %t[%i, %j] : memref<8x600xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %i = 0 to 8 {
    affine.store %c0, %s[%i] : memref<8xf32>
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 600 {
      %0 = affine.load %s[%i] : memref<8xf32>
      %1 = affine.load %t[%i, %j] : memref<8x600xf32>
      %2 = arith.addf %0, %1 : f32
      affine.store %2, %s[%i] : memref<8xf32>
    }
  } {npu.implementation = {kind = "reduce", lane = 0 : i64}}
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 600 {
      %0 = affine.load %t[%i, %j] : memref<8x600xf32>
      %1 = affine.load %s[%i] : memref<8xf32>
      %2 = arith.mulf %0, %1 : f32
      affine.store %2, %y[%i, %j] : memref<8x600xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  return
}
