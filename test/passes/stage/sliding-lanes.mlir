// A window that slides along its lanes: what stays moves from lane to lane, which takes a transfer and no tile buffer.
// RUN: polystage-opt --set-target="name=tiny sbuf=1KiB" --stage --mlir-print-local-scope %s | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK: %[[T:.*]] = memref.alloc() {polystage.name = "t.window"{{.*}}} : memref<{{[0-9]+}}x2xf32, {{.*}}(d0 mod 8,
// CHECK: affine.store %{{.*}}, %arg1
// CHECK: npu.nest = "transfer"
// CHECK: affine.load %[[T]][%[[L:.*]] + {{[0-9]+}}, %[[J:.*]]]
// CHECK-NEXT: affine.store %{{.*}}, %[[T]][%[[L]], %[[J]]]
// CHECK-NEXT: }
// CHECK-NEXT: } {npu.nest = "transfer"}
func.func @main(%x: memref<330x2xf32> {polystage.name = "x", polystage.kind = "input"},
                %y: memref<328x2xf32> {polystage.name = "y", polystage.kind = "output"}) {
  %c0 = arith.constant 0.0 : f32
  %t = memref.alloc() {polystage.name = "t"} : memref<330x2xf32>
  affine.for %i = 0 to 330 {
    affine.for %j = 0 to 2 {
      %0 = affine.load %x[%i, %j] : memref<330x2xf32>
      %1 = math.exp %0 : f32
      affine.store %1, %t[%i, %j] : memref<330x2xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %i = 0 to 328 {
    affine.for %j = 0 to 2 {
      affine.store %c0, %y[%i, %j] : memref<328x2xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %i = 0 to 328 {
    affine.for %j = 0 to 2 {
      affine.for %k = 0 to 3 {
        %0 = affine.load %y[%i, %j] : memref<328x2xf32>
        %1 = affine.load %t[%i + %k, %j] : memref<330x2xf32>
        %2 = arith.addf %0, %1 : f32
        affine.store %2, %y[%i, %j] : memref<328x2xf32>
      }
    }
  } {npu.implementation = {kind = "reduce", lane = 0 : i64}}
  return
}
