// A parameter that @load reads for something else is handed to it once.
// RUN: polystage-opt --set-target=name=tiny --pack-parameters %s | FileCheck %s

// CHECK-LABEL: func.func @load(
// CHECK-SAME:    %[[W:[a-z0-9]+]]: memref<16x8xf32> {polystage.kind = "parameter", polystage.name = "w"}
// CHECK-SAME:    %[[H:[a-z0-9]+]]: memref<16xf32> {polystage.kind = "output", polystage.name = "hoisted.t0"}
// CHECK-SAME:    %[[P:[a-z0-9]+]]: memref<8x16xf32> {polystage.kind = "output", polystage.name = "w.packed"}
// CHECK-SAME:    ) {
// CHECK:       affine.load %[[W]][%{{.*}}, 0]
// CHECK:       affine.load %[[W]][%[[I:.*]], %[[L:.*]]]
// CHECK-NEXT:  affine.store %{{.*}}, %[[P]][%[[L]], %[[I]]]
func.func @main(%w: memref<16x8xf32> {polystage.kind = "parameter", polystage.name = "w"},
                %t0: memref<16xf32> {polystage.kind = "parameter", polystage.name = "hoisted.t0"},
                %y: memref<16x8xf32> {polystage.kind = "output", polystage.name = "y"}) {
  affine.for %i = 0 to 16 {
    affine.for %l = 0 to 8 {
      %0 = affine.load %w[%i, %l] : memref<16x8xf32>
      %1 = affine.load %t0[%i] : memref<16xf32>
      %2 = arith.addf %0, %1 : f32
      affine.store %2, %y[%i, %l] : memref<16x8xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 1 : i64}}
  return
}
func.func @load(%w: memref<16x8xf32> {polystage.kind = "parameter", polystage.name = "w"},
                %t0: memref<16xf32> {polystage.kind = "output", polystage.name = "hoisted.t0"}) {
  affine.for %i = 0 to 16 {
    %0 = affine.load %w[%i, 0] : memref<16x8xf32>
    %1 = math.rsqrt %0 : f32
    affine.store %1, %t0[%i] : memref<16xf32>
  }
  return
}
