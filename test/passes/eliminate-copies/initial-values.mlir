// RUN: polystage-opt %s --eliminate-copies --split-input-file | FileCheck %s

// A sum that starts from a bias starts from zero; the one reader of the sum adds the bias.
// CHECK:       kind = "initialise", map = #{{.*}}, origin = "t0#0", source = "bias"
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %[[BIAS:[a-z0-9]+]]: memref<2xf32>
// CHECK:       affine.store %cst, %[[SUM:.*]][%{{.*}}]
// CHECK:       arith.mulf
// CHECK:       %[[S:.*]] = affine.load %[[SUM]][%[[J:.*]]]
// CHECK-NEXT:  %[[B:.*]] = affine.load %[[BIAS]][%[[J]]]
// CHECK-NEXT:  %[[C:.*]] = arith.addf %[[S]], %[[B]]
// CHECK-NEXT:  math.tanh %[[C]]
// CHECK-NOT:   affine.for
func.func @main(%bias: memref<2xf32> {polystage.kind = "parameter", polystage.name = "bias"},
                %w: memref<5x2xf32> {polystage.kind = "parameter", polystage.name = "w"},
                %x: memref<5xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<2xf32> {polystage.kind = "output", polystage.name = "output0"}) {
  %t = memref.alloc() {polystage.name = "t0"} : memref<2xf32>
  affine.for %j = 0 to 2 {
    %0 = affine.load %bias[%j] : memref<2xf32>
    affine.store %0, %t[%j] : memref<2xf32>
  }
  affine.for %j = 0 to 2 {
    affine.for %k = 0 to 5 {
      %0 = affine.load %x[%k] : memref<5xf32>
      %1 = affine.load %w[%k, %j] : memref<5x2xf32>
      %2 = affine.load %t[%j] : memref<2xf32>
      %3 = arith.mulf %0, %1 : f32
      %4 = arith.addf %2, %3 : f32
      affine.store %4, %t[%j] : memref<2xf32>
    }
  }
  affine.for %j = 0 to 2 {
    %0 = affine.load %t[%j] : memref<2xf32>
    %1 = math.tanh %0 : f32
    affine.store %1, %y[%j] : memref<2xf32>
  }
  return
}

// -----

// A sum that is an output is formed in an array of its own.
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %[[Y:[a-z0-9]+]]: memref<2xf32> {polystage.kind = "output"
// CHECK:       %[[SUM:.*]] = memref.alloc() {polystage.name = "t0"}
// CHECK:       affine.store %cst, %[[SUM]][%{{.*}}]
// CHECK:       affine.store %{{.*}}, %[[SUM]][%{{.*}}]
// CHECK:       affine.load %[[SUM]]
// CHECK:       arith.addf
// CHECK-NEXT:  affine.store %{{.*}}, %[[Y]]
func.func @main(%bias: memref<2xf32> {polystage.kind = "parameter", polystage.name = "bias"},
                %x: memref<5x2xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<2xf32> {polystage.kind = "output", polystage.name = "output0"}) {
  affine.for %j = 0 to 2 {
    %0 = affine.load %bias[%j] : memref<2xf32>
    affine.store %0, %y[%j] : memref<2xf32>
  }
  affine.for %j = 0 to 2 {
    affine.for %k = 0 to 5 {
      %0 = affine.load %x[%k, %j] : memref<5x2xf32>
      %1 = affine.load %y[%j] : memref<2xf32>
      %2 = arith.addf %1, %0 : f32
      affine.store %2, %y[%j] : memref<2xf32>
    }
  }
  return
}
