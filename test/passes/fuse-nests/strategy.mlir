// RUN: polystage-opt %s --fuse-nests=strategy=off | FileCheck %s --check-prefix=OFF
// RUN: polystage-opt %s --fuse-nests=strategy=greedy | FileCheck %s --check-prefix=GREEDY

// OFF-COUNT-3: affine.store
// OFF-NOT:     affine.store
// GREEDY:      affine.store
// GREEDY-NOT:  affine.store
func.func @main(%x: memref<8xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<8xf32> {polystage.kind = "output", polystage.name = "y"}) {
  %t0 = memref.alloc() {polystage.name = "t0"} : memref<8xf32>
  %t1 = memref.alloc() {polystage.name = "t1"} : memref<8xf32>
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[%i] : memref<8xf32>
    %1 = math.exp %0 : f32
    affine.store %1, %t0[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %t0[%i] : memref<8xf32>
    %1 = math.tanh %0 : f32
    affine.store %1, %t1[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %t1[%i] : memref<8xf32>
    %1 = math.sqrt %0 : f32
    affine.store %1, %y[%i] : memref<8xf32>
  }
  return
}
