// %t is too large for the chip, and its border is one value: it is not stored with the rest, but written again where a
// window takes it in.
// RUN: polystage-opt --set-target=name=tiny --stage --mlir-print-local-scope %s | FileCheck %s
// RUN: polystage-opt --set-target=name=tiny --stage="residency=whole" --mlir-print-local-scope %s | FileCheck %s --check-prefix=WHOLE

// CHECK-LABEL: func.func @main
// CHECK: %[[C2:.*]] = arith.constant 2.0
// CHECK: %[[T:.*]] = memref.alloc() {polystage.name = "t"{{.*}}} : memref<802x8xf32, affine_map<(d0, d1) -> (d1, d0)>>
// CHECK-NOT: affine.store %{{.*}}, %[[T]][0, %
// CHECK-NOT: affine.store %{{.*}}, %[[T]][801, %
// CHECK: %[[S:.*]] = memref.alloc() {polystage.name = "s"{{.*}}}
// CHECK: %[[FIRST:.*]] = memref.alloc() {polystage.name = "t.window"{{.*}}}
// CHECK-NEXT: affine.for %[[J:.*]] = 0 to 8 {
// CHECK-NEXT: affine.store %[[C2]], %[[FIRST]][0, %[[J]]]
// CHECK: affine.store %[[C2]], %{{[a-z0-9_]+}}[{{[1-9][0-9]*}}, %{{.*}}]
// CHECK: arith.mulf
// WHOLE: %[[T:.*]] = memref.alloc() {polystage.name = "t"{{.*}}} : memref<802x8xf32, affine_map<(d0, d1) -> (d1, d0)>>
// WHOLE: affine.store %{{.*}}, %[[T]][0, %
// WHOLE: affine.store %{{.*}}, %[[T]][801, %
func.func @main(%x: memref<800x8xf32> {polystage.name = "x", polystage.kind = "input"},
                %y: memref<802x8xf32> {polystage.name = "y", polystage.kind = "output"}) {
  %c0 = arith.constant 0.0 : f32
  %c2 = arith.constant 2.0 : f32
  %t = memref.alloc() {polystage.name = "t"} : memref<802x8xf32, affine_map<(i, j) -> (j, i)>>
  %s = memref.alloc() {polystage.name = "s"} : memref<8xf32>
  affine.for %j = 0 to 8 {
    affine.store %c2, %t[0, %j] : memref<802x8xf32, affine_map<(i, j) -> (j, i)>>
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %j = 0 to 8 {
    affine.store %c2, %t[801, %j] : memref<802x8xf32, affine_map<(i, j) -> (j, i)>>
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %i = 0 to 800 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %x[%i, %j] : memref<800x8xf32>
      %1 = math.exp %0 : f32
      affine.store %1, %t[%i + 1, %j] : memref<802x8xf32, affine_map<(i, j) -> (j, i)>>
    }
  } {npu.implementation = {kind = "elementwise", lane = 1 : i64}}
  affine.for %j = 0 to 8 {
    affine.store %c0, %s[%j] : memref<8xf32>
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %j = 0 to 8 {
    affine.for %i = 0 to 802 {
      %0 = affine.load %s[%j] : memref<8xf32>
      %1 = affine.load %t[%i, %j] : memref<802x8xf32, affine_map<(i, j) -> (j, i)>>
      %2 = arith.addf %0, %1 : f32
      affine.store %2, %s[%j] : memref<8xf32>
    }
  } {npu.implementation = {kind = "reduce", lane = 0 : i64}}
  affine.for %i = 0 to 802 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %t[%i, %j] : memref<802x8xf32, affine_map<(i, j) -> (j, i)>>
      %1 = affine.load %s[%j] : memref<8xf32>
      %2 = arith.mulf %0, %1 : f32
      affine.store %2, %y[%i, %j] : memref<802x8xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 1 : i64}}
  return
}
