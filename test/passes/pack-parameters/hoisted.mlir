// What is computed at load time is stored in the new order at once, and read so by whatever else @load does with it.
// RUN: polystage-opt --set-target=name=tiny --pack-parameters %s | FileCheck %s

// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %[[H:[a-z0-9]+]]: memref<8x16xf32> {polystage.kind = "parameter", polystage.name = "hoisted.t0.packed"}
// CHECK:       affine.for %[[I:.*]] = 0 to 16
// CHECK:       affine.for %[[L:.*]] = 0 to 8
// CHECK:       affine.load %[[H]][%[[L]], %[[I]]] : memref<8x16xf32>
// CHECK-LABEL: func.func @load(
// CHECK-SAME:    %[[V:[a-z0-9]+]]: memref<16x8xf32> {polystage.kind = "parameter", polystage.name = "v"}
// CHECK-SAME:    %[[OUT:[a-z0-9]+]]: memref<8x16xf32> {polystage.kind = "output", polystage.name = "hoisted.t0.packed"}
// CHECK-SAME:    %[[SUM:[a-z0-9]+]]: memref<16xf32> {polystage.kind = "output", polystage.name = "hoisted.t1"}
// CHECK:       affine.for %[[I:.*]] = 0 to 16
// CHECK:       affine.for %[[L:.*]] = 0 to 8
// CHECK:       affine.load %[[V]][%[[I]], %[[L]]] : memref<16x8xf32>
// CHECK:       affine.store %{{.*}}, %[[OUT]][%[[L]], %[[I]]] : memref<8x16xf32>
// CHECK:       affine.for %[[I:.*]] = 0 to 16
// CHECK:       affine.load %[[OUT]][3, %[[I]]] : memref<8x16xf32>
// CHECK:       affine.store %{{.*}}, %[[SUM]][%[[I]]] : memref<16xf32>
// CHECK-NOT:   affine.for
func.func @main(%t0: memref<16x8xf32> {polystage.kind = "parameter", polystage.name = "hoisted.t0"},
                %t1: memref<16xf32> {polystage.kind = "parameter", polystage.name = "hoisted.t1"},
                %y: memref<16x8xf32> {polystage.kind = "output", polystage.name = "y"}) {
  affine.for %i = 0 to 16 {
    affine.for %l = 0 to 8 {
      %0 = affine.load %t0[%i, %l] : memref<16x8xf32>
      %1 = affine.load %t1[%i] : memref<16xf32>
      %2 = arith.addf %0, %1 : f32
      affine.store %2, %y[%i, %l] : memref<16x8xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 1 : i64}}
  return
}
func.func @load(%v: memref<16x8xf32> {polystage.kind = "parameter", polystage.name = "v"},
                %t0: memref<16x8xf32> {polystage.kind = "output", polystage.name = "hoisted.t0"},
                %t1: memref<16xf32> {polystage.kind = "output", polystage.name = "hoisted.t1"}) {
  affine.for %i = 0 to 16 {
    affine.for %l = 0 to 8 {
      %0 = affine.load %v[%i, %l] : memref<16x8xf32>
      %1 = math.rsqrt %0 : f32
      affine.store %1, %t0[%i, %l] : memref<16x8xf32>
    }
  }
  affine.for %i = 0 to 16 {
    %0 = affine.load %t0[%i, 3] : memref<16x8xf32>
    %1 = arith.addf %0, %0 : f32
    affine.store %1, %t1[%i] : memref<16xf32>
  }
  return
}
