// RUN: polystage-opt %s --eliminate-copies --split-input-file | FileCheck %s

// A roll is written in two pieces and read as one closed form.
// CHECK:       polystage.certificates = [{array = "t0", {{.*}}kind = "join"
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %[[X:[a-z0-9]+]]: memref<56xf32>
// CHECK:       affine.load %[[X]][(%{{.*}} + 3) mod 56]
func.func @main(%x: memref<56xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<56xf32> {polystage.kind = "output", polystage.name = "output0"}) {
  %t = memref.alloc() {polystage.name = "t0"} : memref<56xf32>
  affine.for %i = 0 to 53 {
    %0 = affine.load %x[%i + 3] : memref<56xf32>
    affine.store %0, %t[%i] : memref<56xf32>
  }
  affine.for %i = 0 to 3 {
    %0 = affine.load %x[%i] : memref<56xf32>
    affine.store %0, %t[%i + 53] : memref<56xf32>
  }
  affine.for %i = 0 to 56 {
    %0 = affine.load %t[%i] : memref<56xf32>
    %1 = math.exp %0 : f32
    affine.store %1, %y[%i] : memref<56xf32>
  }
  return
}

// -----

// A repetition, and rows that are interleaved.
// CHECK:       polystage.certificates = [{array = "t0", {{.*}}kind = "join"{{.*}}{array = "t1", {{.*}}kind = "join"
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %[[X:[a-z0-9]+]]: memref<2x8xf32>
// CHECK:       affine.load %[[X]][%[[I:.*]] mod 2, %[[I]] floordiv 2]
// CHECK:       affine.load %[[X]][0, %{{.*}} mod 8]
func.func @main(%x: memref<2x8xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<16xf32> {polystage.kind = "output", polystage.name = "output0"},
                %z: memref<16xf32> {polystage.kind = "output", polystage.name = "output1"}) {
  %t = memref.alloc() {polystage.name = "t0"} : memref<16xf32>
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[0, %i] : memref<2x8xf32>
    affine.store %0, %t[%i * 2] : memref<16xf32>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[1, %i] : memref<2x8xf32>
    affine.store %0, %t[%i * 2 + 1] : memref<16xf32>
  }
  %r = memref.alloc() {polystage.name = "t1"} : memref<16xf32>
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[0, %i] : memref<2x8xf32>
    affine.store %0, %r[%i] : memref<16xf32>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[0, %i] : memref<2x8xf32>
    affine.store %0, %r[%i + 8] : memref<16xf32>
  }
  affine.for %i = 0 to 16 {
    %0 = affine.load %t[%i] : memref<16xf32>
    %1 = math.exp %0 : f32
    affine.store %1, %y[%i] : memref<16xf32>
  }
  affine.for %i = 0 to 16 {
    %0 = affine.load %r[%i] : memref<16xf32>
    %1 = math.exp %0 : f32
    affine.store %1, %z[%i] : memref<16xf32>
  }
  return
}
