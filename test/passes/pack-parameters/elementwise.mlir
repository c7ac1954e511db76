// Outside of contractions the free dimensions keep their order; a dimension of one element stays out of the loops.
// What passes have noted on the function stays there.
// RUN: polystage-opt --set-target=name=tiny --pack-parameters %s | FileCheck %s

// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %[[S:[a-z0-9]+]]: memref<8x1x5x6xf32> {polystage.kind = "constant", polystage.name = "s.packed"}
// CHECK-SAME:    attributes {polystage.padding = 7 : i64}
// CHECK:       affine.for %[[I:.*]] = 0 to 5
// CHECK:       affine.for %[[J:.*]] = 0 to 6
// CHECK:       affine.for %[[L:.*]] = 0 to 8
// CHECK:       affine.load %[[S]][%[[L]], 0, %[[I]], %[[J]]]
// CHECK-LABEL: func.func @load(
// CHECK-SAME:    %[[FROM:[a-z0-9]+]]: memref<5x1x6x8xf32> {polystage.kind = "constant", polystage.name = "s"}
// CHECK:       affine.for %[[L:.*]] = 0 to 8
// CHECK-NEXT:  affine.for %[[I:.*]] = 0 to 5
// CHECK-NEXT:  affine.for %[[J:.*]] = 0 to 6
// CHECK-NEXT:  affine.load %[[FROM]][%[[I]], 0, %[[J]], %[[L]]]
func.func @main(%s: memref<5x1x6x8xf32> {polystage.kind = "constant", polystage.name = "s"},
                %x: memref<5x6x8xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<5x6x8xf32> {polystage.kind = "output", polystage.name = "y"})
    attributes {polystage.padding = 7 : i64} {
  affine.for %i = 0 to 5 {
    affine.for %j = 0 to 6 {
      affine.for %l = 0 to 8 {
        %0 = affine.load %s[%i, 0, %j, %l] : memref<5x1x6x8xf32>
        %1 = affine.load %x[%i, %j, %l] : memref<5x6x8xf32>
        %2 = arith.mulf %0, %1 : f32
        affine.store %2, %y[%i, %j, %l] : memref<5x6x8xf32>
      }
    }
  } {npu.implementation = {kind = "elementwise", lane = 2 : i64}}
  return
}
