// Two windows of three, one after the other, on a chip that holds no row: tiles slide over both, and what the next tile
// needs again of %t moves to the beginning of its window instead of being made or loaded again.
// RUN: polystage-opt --set-target="name=tiny sbuf=1KiB" --stage --mlir-print-local-scope %s | FileCheck %s
// RUN: polystage-opt --set-target="name=tiny sbuf=1KiB" --stage --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s --check-prefix=STATS
// RUN: polystage-opt --set-target="name=tiny sbuf=1KiB" --stage="windows=apart" --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s --check-prefix=APART

// APART-DAG: 2 grouped
// STATS-DAG: 4 staged
// STATS-DAG: 1 grouped
// CHECK-LABEL: func.func @main
// CHECK: %[[T:.*]] = memref.alloc() {polystage.name = "t.window"{{.*}}} : memref<8x[[SIZE:[0-9]+]]xf32, #npu.sbuf>
// CHECK: %[[X:.*]] = memref.alloc() {polystage.name = "x.window"{{.*}}} : memref<8x[[SIZE]]xf32, #npu.sbuf>
// CHECK: affine.store %{{.*}}, %arg1
// CHECK: affine.for %[[TILE:.*]] = 0 to {{[0-9]+}} {
// CHECK-NEXT: affine.for %[[L:.*]] = 0 to 8 {
// CHECK-NEXT: affine.for %[[K:.*]] = 0 to 2 {
// CHECK-NEXT: affine.load %[[T]][%[[L]], %[[K]] + [[MOVE:[0-9]+]]]
// CHECK-NEXT: affine.store %{{.*}}, %[[T]][%[[L]], %[[K]]]
// CHECK: npu.nest = "compute"
// CHECK: affine.for %{{.*}} = 0 to 2 {
// CHECK-NEXT: affine.load %[[X]][%{{.*}}, %{{.*}} + [[MOVE]]]
// CHECK-NEXT: affine.store %{{.*}}, %[[X]]
// CHECK: npu.nest = "compute"
// CHECK: affine.load %arg0[%{{.*}}, %[[TILE]] * [[MOVE]] +
// CHECK-NEXT: affine.store %{{.*}}, %[[X]][%{{.*}}, %{{.*}} + 2]
// CHECK: npu.nest = "transfer"
// CHECK: affine.store %{{.*}}, %[[T]][%{{.*}}, %{{.*}} + 2]
// CHECK: %[[Y:.*]] = memref.alloc() {polystage.name = "y.window"{{.*}}} : memref<8x[[MOVE]]xf32, #npu.sbuf>
// CHECK: affine.store %{{.*}}, %[[Y]]
// CHECK: affine.store %{{.*}}, %arg1[%{{.*}}, %[[TILE]] * [[MOVE]] +
// CHECK-NEXT: }
// CHECK-NEXT: } {npu.nest = "transfer"}
// CHECK-NEXT: }
// CHECK-NEXT: return
func.func @main(%x: memref<8x68xf32> {polystage.name = "x", polystage.kind = "input"},
                %y: memref<8x64xf32> {polystage.name = "y", polystage.kind = "output"}) {
  %c0 = arith.constant 0.0 : f32
  %t = memref.alloc() {polystage.name = "t"} : memref<8x66xf32>
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 66 {
      affine.store %c0, %t[%i, %j] : memref<8x66xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 66 {
      affine.for %k = 0 to 3 {
        %0 = affine.load %t[%i, %j] : memref<8x66xf32>
        %1 = affine.load %x[%i, %j + %k] : memref<8x68xf32>
        %2 = arith.addf %0, %1 : f32
        affine.store %2, %t[%i, %j] : memref<8x66xf32>
      }
    }
  } {npu.implementation = {kind = "reduce", lane = 0 : i64}}
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 64 {
      affine.store %c0, %y[%i, %j] : memref<8x64xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 64 {
      affine.for %k = 0 to 3 {
        %0 = affine.load %y[%i, %j] : memref<8x64xf32>
        %1 = affine.load %t[%i, %j + %k] : memref<8x66xf32>
        %2 = arith.addf %0, %1 : f32
        affine.store %2, %y[%i, %j] : memref<8x64xf32>
      }
    }
  } {npu.implementation = {kind = "reduce", lane = 0 : i64}}
  return
}
