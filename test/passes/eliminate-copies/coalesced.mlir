// RUN: polystage-opt %s --eliminate-copies --split-input-file | FileCheck %s
// RUN: polystage-opt %s --eliminate-copies=strategy=load-forward --split-input-file | FileCheck %s --check-prefix=FORWARD

// A padded value is computed inside of the padded array; the fill shrinks to the border that nobody else writes.
// CHECK:       kind = "coalesce"
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %[[X:[a-z0-9]+]]: memref<4xf32>
// CHECK-COUNT-1: memref.alloc
// CHECK:       affine.store %{{.*}}, %[[P:.*]][%{{.*}} + 1] : memref<7xf32>
// CHECK:       affine.store %{{.*}}, %[[P]][0] : memref<7xf32>
// CHECK:       affine.for %[[I:.*]] = 0 to 2
// CHECK-NEXT:    affine.store %{{.*}}, %[[P]][%[[I]] + 5] : memref<7xf32>
// CHECK:       affine.for %{{.*}} = 0 to 5
// CHECK:         affine.load %[[P]][%{{.*}} + %{{.*}}]
// FORWARD-LABEL: func.func @main(
// FORWARD-COUNT-2: memref.alloc
func.func @main(%x: memref<4xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<5xf32> {polystage.kind = "output", polystage.name = "output0"}) {
  %zero = arith.constant 0.0 : f32
  %a = memref.alloc() {polystage.name = "t0"} : memref<4xf32>
  affine.for %i = 0 to 4 {
    %0 = affine.load %x[%i] : memref<4xf32>
    %1 = math.exp %0 : f32
    affine.store %1, %a[%i] : memref<4xf32>
  }
  %p = memref.alloc() {polystage.name = "t1"} : memref<7xf32>
  affine.for %i = 0 to 7 {
    affine.store %zero, %p[%i] : memref<7xf32>
  }
  affine.for %i = 0 to 4 {
    %0 = affine.load %a[%i] : memref<4xf32>
    affine.store %0, %p[%i + 1] : memref<7xf32>
  }
  affine.for %i = 0 to 5 {
    affine.store %zero, %y[%i] : memref<5xf32>
  }
  affine.for %i = 0 to 5 {
    affine.for %k = 0 to 3 {
      %0 = affine.load %p[%i + %k] : memref<7xf32>
      %1 = affine.load %y[%i] : memref<5xf32>
      %2 = arith.addf %1, %0 : f32
      affine.store %2, %y[%i] : memref<5xf32>
    }
  }
  return
}

// -----

// Each layer reads all values before it, concatenated anew: they share the array of the last concatenation.
// CHECK-LABEL: func.func @main(
// CHECK-COUNT-1: memref.alloc() {{.*}} : memref<12xf32>
// CHECK-NOT:   memref.alloc
// CHECK:       affine.store %{{.*}}, %[[B:.*]][%{{.*}}] : memref<12xf32>
// CHECK:       affine.store %{{.*}}, %[[B]][%{{.*}} + 4] : memref<12xf32>
// CHECK:       affine.for %[[I:.*]] = 0 to 8
// CHECK-NEXT:    affine.load %[[B]][%[[I]]] : memref<12xf32>
// CHECK:       affine.store %{{.*}}, %[[B]][%{{.*}} + 8] : memref<12xf32>
// CHECK:       affine.for %[[J:.*]] = 0 to 12
// CHECK-NEXT:    affine.load %[[B]][%[[J]]] : memref<12xf32>
// CHECK-NOT:   affine.for
func.func @main(%x: memref<4xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<8xf32> {polystage.kind = "output", polystage.name = "output0"},
                %z: memref<12xf32> {polystage.kind = "output", polystage.name = "output1"}) {
  %a = memref.alloc() {polystage.name = "t0"} : memref<4xf32>
  %b = memref.alloc() {polystage.name = "t1"} : memref<4xf32>
  %c = memref.alloc() {polystage.name = "t2"} : memref<4xf32>
  %ab = memref.alloc() {polystage.name = "t3"} : memref<8xf32>
  %abc = memref.alloc() {polystage.name = "t4"} : memref<12xf32>
  affine.for %i = 0 to 4 {
    %0 = affine.load %x[%i] : memref<4xf32>
    %1 = math.exp %0 : f32
    affine.store %1, %a[%i] : memref<4xf32>
  }
  affine.for %i = 0 to 4 {
    %0 = affine.load %x[%i] : memref<4xf32>
    %1 = math.sin %0 : f32
    affine.store %1, %b[%i] : memref<4xf32>
  }
  affine.for %i = 0 to 4 {
    %0 = affine.load %a[%i] : memref<4xf32>
    affine.store %0, %ab[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 4 {
    %0 = affine.load %b[%i] : memref<4xf32>
    affine.store %0, %ab[%i + 4] : memref<8xf32>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %ab[%i] : memref<8xf32>
    %1 = math.exp %0 : f32
    affine.store %1, %y[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 4 {
    %0 = affine.load %x[%i] : memref<4xf32>
    %1 = math.cos %0 : f32
    affine.store %1, %c[%i] : memref<4xf32>
  }
  affine.for %i = 0 to 4 {
    %0 = affine.load %a[%i] : memref<4xf32>
    affine.store %0, %abc[%i] : memref<12xf32>
  }
  affine.for %i = 0 to 4 {
    %0 = affine.load %b[%i] : memref<4xf32>
    affine.store %0, %abc[%i + 4] : memref<12xf32>
  }
  affine.for %i = 0 to 4 {
    %0 = affine.load %c[%i] : memref<4xf32>
    affine.store %0, %abc[%i + 8] : memref<12xf32>
  }
  affine.for %i = 0 to 12 {
    %0 = affine.load %abc[%i] : memref<12xf32>
    %1 = math.exp %0 : f32
    affine.store %1, %z[%i] : memref<12xf32>
  }
  return
}
