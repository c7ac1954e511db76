// RUN: polystage-opt %s --eliminate-copies --split-input-file | FileCheck %s

// Two arguments are concatenated: the reader is cut where they meet, and its parts say that they were one.
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %[[A:[a-z0-9]+]]: memref<4xf32>
// CHECK-SAME:    %[[B:[a-z0-9]+]]: memref<6xf32>
// CHECK-NOT:   memref.alloc
// CHECK:       affine.for %[[I:.*]] = 0 to 4
// CHECK-NEXT:    affine.load %[[A]][%[[I]]]
// CHECK:         affine.store %{{.*}}, %[[Y:.*]][%[[I]]]
// CHECK:       polystage.origin = "output0#0"
// CHECK:       affine.for %[[J:.*]] = 0 to 6
// CHECK-NEXT:    affine.load %[[B]][%[[J]]]
// CHECK:         affine.store %{{.*}}, %[[Y]][%[[J]] + 4]
// CHECK:       polystage.origin = "output0#0"
// CHECK-NOT:   affine.for
func.func @main(%a: memref<4xf32> {polystage.kind = "input", polystage.name = "a"},
                %b: memref<6xf32> {polystage.kind = "input", polystage.name = "b"},
                %y: memref<10xf32> {polystage.kind = "output", polystage.name = "output0"}) {
  %t = memref.alloc() {polystage.name = "t0"} : memref<10xf32>
  affine.for %i = 0 to 4 {
    %0 = affine.load %a[%i] : memref<4xf32>
    affine.store %0, %t[%i] : memref<10xf32>
  }
  affine.for %i = 0 to 6 {
    %0 = affine.load %b[%i] : memref<6xf32>
    affine.store %0, %t[%i + 4] : memref<10xf32>
  }
  affine.for %i = 0 to 10 {
    %0 = affine.load %t[%i] : memref<10xf32>
    %1 = math.exp %0 : f32
    affine.store %1, %y[%i] : memref<10xf32>
  }
  return
}

// -----

// A contraction over the concatenated dimension: two nests add to one accumulator.
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %[[A:[a-z0-9]+]]: memref<4xf32>
// CHECK-SAME:    %[[B:[a-z0-9]+]]: memref<6xf32>
// CHECK-SAME:    %[[W:[a-z0-9]+]]: memref<10x2xf32>
// CHECK-NOT:   memref.alloc
// CHECK:       affine.load %[[A]][%[[I:.*]]]
// CHECK-NEXT:  affine.load %[[W]][%[[I]], %{{.*}}]
// CHECK:       affine.load %[[B]][%[[J:.*]]]
// CHECK-NEXT:  affine.load %[[W]][%[[J]] + 4, %{{.*}}]
func.func @main(%a: memref<4xf32> {polystage.kind = "input", polystage.name = "a"},
                %b: memref<6xf32> {polystage.kind = "input", polystage.name = "b"},
                %w: memref<10x2xf32> {polystage.kind = "parameter", polystage.name = "w"},
                %y: memref<2xf32> {polystage.kind = "output", polystage.name = "output0"}) {
  %zero = arith.constant 0.0 : f32
  %t = memref.alloc() {polystage.name = "t0"} : memref<10xf32>
  affine.for %i = 0 to 4 {
    %0 = affine.load %a[%i] : memref<4xf32>
    affine.store %0, %t[%i] : memref<10xf32>
  }
  affine.for %i = 0 to 6 {
    %0 = affine.load %b[%i] : memref<6xf32>
    affine.store %0, %t[%i + 4] : memref<10xf32>
  }
  affine.for %j = 0 to 2 {
    affine.store %zero, %y[%j] : memref<2xf32>
  }
  affine.for %j = 0 to 2 {
    affine.for %i = 0 to 10 {
      %0 = affine.load %t[%i] : memref<10xf32>
      %1 = affine.load %w[%i, %j] : memref<10x2xf32>
      %2 = affine.load %y[%j] : memref<2xf32>
      %3 = arith.mulf %0, %1 : f32
      %4 = arith.addf %2, %3 : f32
      affine.store %4, %y[%j] : memref<2xf32>
    }
  }
  return
}

// -----

// The border of a padding is a constant in the body of an elementwise reader.
// CHECK-LABEL: func.func @main(
// CHECK-NOT:   memref.alloc
// CHECK:       affine.for %{{.*}} = 0 to 2
// CHECK-NEXT:    math.exp %cst
func.func @main(%a: memref<4xf32> {polystage.kind = "input", polystage.name = "a"},
                %y: memref<6xf32> {polystage.kind = "output", polystage.name = "output0"}) {
  %one = arith.constant 1.0 : f32
  %t = memref.alloc() {polystage.name = "t0"} : memref<6xf32>
  affine.for %i = 0 to 6 {
    affine.store %one, %t[%i] : memref<6xf32>
  }
  affine.for %i = 0 to 4 {
    %0 = affine.load %a[%i] : memref<4xf32>
    affine.store %0, %t[%i] : memref<6xf32>
  }
  affine.for %i = 0 to 6 {
    %0 = affine.load %t[%i] : memref<6xf32>
    %1 = math.exp %0 : f32
    affine.store %1, %y[%i] : memref<6xf32>
  }
  return
}
