// RUN: polystage-opt %s --eliminate-copies --split-input-file | FileCheck %s

// Composition keeps access functions as short as they can be: chains of permutations, reshapes and windows.

// Windows of 7x7 partitioned and put back: the identity.
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %[[X:[a-z0-9]+]]: memref<56x56x96xf32>
// CHECK:       affine.for %[[I:.*]] = 0 to 56
// CHECK:         affine.for %[[J:.*]] = 0 to 56
// CHECK:           affine.for %[[C:.*]] = 0 to 96
// CHECK-NEXT:        affine.load %[[X]][%[[I]], %[[J]], %[[C]]]
// CHECK-NOT:   affine.for
func.func @main(%x: memref<56x56x96xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<56x56x96xf32> {polystage.kind = "output", polystage.name = "output0"}) {
  %w = memref.alloc() {polystage.name = "t0"} : memref<64x49x96xf32>
  %p = memref.alloc() {polystage.name = "t1"} : memref<8x7x8x7x96xf32>
  affine.for %n = 0 to 64 {
    affine.for %q = 0 to 49 {
      affine.for %c = 0 to 96 {
        %0 = affine.load %x[(%n floordiv 8) * 7 + %q floordiv 7, (%n mod 8) * 7 + %q mod 7, %c] : memref<56x56x96xf32>
        affine.store %0, %w[%n, %q, %c] : memref<64x49x96xf32>
      }
    }
  }
  affine.for %a = 0 to 8 {
    affine.for %i = 0 to 7 {
      affine.for %b = 0 to 8 {
        affine.for %j = 0 to 7 {
          affine.for %c = 0 to 96 {
            %0 = affine.load %w[%a * 8 + %b, %i * 7 + %j, %c] : memref<64x49x96xf32>
            affine.store %0, %p[%a, %i, %b, %j, %c] : memref<8x7x8x7x96xf32>
          }
        }
      }
    }
  }
  affine.for %i = 0 to 56 {
    affine.for %j = 0 to 56 {
      affine.for %c = 0 to 96 {
        %0 = affine.load %p[%i floordiv 7, %i mod 7, %j floordiv 7, %j mod 7, %c] : memref<8x7x8x7x96xf32>
        %1 = math.exp %0 : f32
        affine.store %1, %y[%i, %j, %c] : memref<56x56x96xf32>
      }
    }
  }
  return
}

// -----

// Heads split, transposed, transposed back and merged: the identity.
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %[[X:[a-z0-9]+]]: memref<128x768xf32>
// CHECK:       affine.for %[[I:.*]] = 0 to 128
// CHECK:         affine.for %[[J:.*]] = 0 to 768
// CHECK-NEXT:      affine.load %[[X]][%[[I]], %[[J]]]
// CHECK-NOT:   affine.for
func.func @main(%x: memref<128x768xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<128x768xf32> {polystage.kind = "output", polystage.name = "output0"}) {
  %h = memref.alloc() {polystage.name = "t0"} : memref<12x128x64xf32>
  %m = memref.alloc() {polystage.name = "t1"} : memref<128x12x64xf32>
  affine.for %s = 0 to 128 {
    affine.for %c = 0 to 768 {
      %0 = affine.load %x[%s, %c] : memref<128x768xf32>
      affine.store %0, %h[%c floordiv 64, %s, %c mod 64] : memref<12x128x64xf32>
    }
  }
  affine.for %s = 0 to 128 {
    affine.for %n = 0 to 12 {
      affine.for %d = 0 to 64 {
        %0 = affine.load %h[%n, %s, %d] : memref<12x128x64xf32>
        affine.store %0, %m[%s, %n, %d] : memref<128x12x64xf32>
      }
    }
  }
  affine.for %s = 0 to 128 {
    affine.for %c = 0 to 768 {
      %0 = affine.load %m[%s, %c floordiv 64, %c mod 64] : memref<128x12x64xf32>
      %1 = math.exp %0 : f32
      affine.store %1, %y[%s, %c] : memref<128x768xf32>
    }
  }
  return
}

// -----

// Pixel shuffle, and channels shuffled in two groups.
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %[[X:[a-z0-9]+]]: memref<4x8x8xf32>
// CHECK-SAME:    %[[Z:[a-z0-9]+]]: memref<6xf32>
// CHECK:       affine.load %[[X]][(%[[I:.*]] mod 2) * 2 + %[[J:.*]] mod 2, %[[I]] floordiv 2, %[[J]] floordiv 2]
// CHECK:       affine.load %[[Z]][%[[C:.*]] floordiv 2 + (%[[C]] mod 2) * 3]
func.func @main(%x: memref<4x8x8xf32> {polystage.kind = "input", polystage.name = "x"},
                %z: memref<6xf32> {polystage.kind = "input", polystage.name = "z"},
                %y: memref<16x16xf32> {polystage.kind = "output", polystage.name = "output0"},
                %u: memref<6xf32> {polystage.kind = "output", polystage.name = "output1"}) {
  %t = memref.alloc() {polystage.name = "t0"} : memref<8x2x8x2xf32>
  %s = memref.alloc() {polystage.name = "t1"} : memref<3x2xf32>
  affine.for %i = 0 to 8 {
    affine.for %a = 0 to 2 {
      affine.for %j = 0 to 8 {
        affine.for %b = 0 to 2 {
          %0 = affine.load %x[%a * 2 + %b, %i, %j] : memref<4x8x8xf32>
          affine.store %0, %t[%i, %a, %j, %b] : memref<8x2x8x2xf32>
        }
      }
    }
  }
  affine.for %i = 0 to 16 {
    affine.for %j = 0 to 16 {
      %0 = affine.load %t[%i floordiv 2, %i mod 2, %j floordiv 2, %j mod 2] : memref<8x2x8x2xf32>
      %1 = math.exp %0 : f32
      affine.store %1, %y[%i, %j] : memref<16x16xf32>
    }
  }
  affine.for %k = 0 to 3 {
    affine.for %g = 0 to 2 {
      %0 = affine.load %z[%g * 3 + %k] : memref<6xf32>
      affine.store %0, %s[%k, %g] : memref<3x2xf32>
    }
  }
  affine.for %c = 0 to 6 {
    %0 = affine.load %s[%c floordiv 2, %c mod 2] : memref<3x2xf32>
    %1 = math.exp %0 : f32
    affine.store %1, %u[%c] : memref<6xf32>
  }
  return
}
