// Loops whose iterations depend on their order stay whole: what they load through a division is copied first.
// RUN: polystage-opt --refine-domains --mlir-print-local-scope --split-input-file %s | FileCheck %s

// A recurrence.
// CHECK-LABEL: func.func @main
// CHECK: %[[COPY:.*]] = memref.alloc() {polystage.name = "a.unfolded0"} : memref<8xf32>
// CHECK: affine.for %{{.*}} = 0 to 2
// CHECK-NEXT: affine.for %{{.*}} = 0 to 4
// CHECK: affine.store %{{.*}}, %[[COPY]]
// CHECK: %[[OTHER:.*]] = memref.alloc() {polystage.name = "a.unfolded1"} : memref<8xf32>
// CHECK: affine.store %{{.*}}, %[[OTHER]]
// CHECK: affine.for %[[I:[a-z0-9]+]] = 0 to 8
// CHECK-DAG: affine.load %arg1[%[[I]]]
// CHECK-DAG: affine.load %[[COPY]][%[[I]]]
// CHECK-DAG: affine.load %[[OTHER]][%[[I]]]
// CHECK: affine.store %{{.*}}, %arg1[%[[I]] + 1]
// CHECK-NOT: affine.for
func.func @main(%a: memref<2xf32> {polystage.name = "a"}, %b: memref<9xf32> {polystage.name = "b"}) {
  affine.for %i = 0 to 8 {
    %0 = affine.load %b[%i] : memref<9xf32>
    %1 = affine.load %a[%i floordiv 4] : memref<2xf32>
    %2 = affine.load %a[%i mod 2] : memref<2xf32>
    %3 = arith.addf %0, %1 : f32
    %4 = arith.addf %2, %3 : f32
    affine.store %4, %b[%i + 1] : memref<9xf32>
  }
  return
}

// -----

// A fold whose steps do not commute: only the reduced loop stays whole, that of the result is split.
// CHECK-LABEL: func.func @main
// CHECK: %[[COPY:.*]] = memref.alloc() {polystage.name = "a.unfolded0"} : memref<8xf32>
// CHECK-NOT: floordiv
// CHECK: affine.store %{{.*}}, %[[COPY]]
// CHECK: affine.for %[[HIGH:.*]] = 0 to 2
// CHECK-NEXT: affine.for %[[LOW:.*]] = 0 to 3
// CHECK-NEXT: affine.for %[[K:.*]] = 0 to 8
// CHECK: affine.load %arg1[%[[HIGH]], %[[LOW]]]
// CHECK: affine.load %[[COPY]][%[[K]]]
func.func @main(%a: memref<2xf32> {polystage.name = "a"}, %b: memref<2x3xf32> {polystage.name = "b"}) {
  affine.for %i = 0 to 6 {
    affine.for %k = 0 to 8 {
      %0 = affine.load %b[%i floordiv 3, %i mod 3] : memref<2x3xf32>
      %1 = affine.load %a[%k floordiv 4] : memref<2xf32>
      %2 = arith.subf %1, %0 : f32
      affine.store %2, %b[%i floordiv 3, %i mod 3] : memref<2x3xf32>
    }
  }
  return
}

// -----

// A reduction may take its terms in any order: nothing is copied.
// CHECK-LABEL: func.func @main
// CHECK-NOT: memref.alloc
// CHECK: affine.for %{{.*}} = 0 to 2
// CHECK-NEXT: affine.for %{{.*}} = 0 to 4
func.func @main(%a: memref<2xf32> {polystage.name = "a"}, %b: memref<f32> {polystage.name = "b"}) {
  affine.for %k = 0 to 8 {
    %0 = affine.load %b[] : memref<f32>
    %1 = affine.load %a[%k floordiv 4] : memref<2xf32>
    %2 = arith.addf %1, %0 : f32
    affine.store %2, %b[] : memref<f32>
  }
  return
}
