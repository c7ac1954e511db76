// RUN: polystage-opt %s --fuse-nests=max-operations=1 | FileCheck %s --check-prefix=BOUND
// RUN: polystage-opt %s --fuse-nests | FileCheck %s

// A store and a load with remainders: isl says that the load undoes the store, if it may work long enough.
// BOUND-COUNT-2: affine.store
// BOUND-NOT:   affine.store
// CHECK:       affine.store
// CHECK-NOT:   affine.store
func.func @main(%x: memref<16x8xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<128xf32> {polystage.kind = "output", polystage.name = "y"}) {
  %t0 = memref.alloc() {polystage.name = "t0"} : memref<128xf32>
  affine.for %i = 0 to 128 {
    %0 = affine.load %x[%i floordiv 8, %i mod 8] : memref<16x8xf32>
    %1 = math.exp %0 : f32
    affine.store %1, %t0[((%i floordiv 8) mod 4) * 32 + (%i floordiv 32) * 8 + %i mod 8] : memref<128xf32>
  }
  affine.for %i = 0 to 128 {
    %0 = affine.load %t0[((%i floordiv 8) mod 4) * 32 + (%i floordiv 32) * 8 + %i mod 8] : memref<128xf32>
    %1 = math.sqrt %0 : f32
    affine.store %1, %y[%i] : memref<128xf32>
  }
  return
}
