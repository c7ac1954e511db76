// A dimension stays whole that a nest runs over in one loop, whose parts overlap, or that belongs to an argument.
// RUN: polystage-opt --split-dimensions --mlir-pass-statistics %s 2>&1 | FileCheck %s

// CHECK: 0 split
func.func @main(%x: memref<20xf32>, %y: memref<5x4xf32>, %z: memref<20xf32>) {
  // CHECK: memref.alloc() {polystage.name = "whole"} : memref<20xf32>
  %whole = memref.alloc() {polystage.name = "whole"} : memref<20xf32>
  affine.for %i = 0 to 20 {
    %0 = affine.load %x[%i] : memref<20xf32>
    affine.store %0, %whole[%i] : memref<20xf32>
  }
  affine.for %c = 0 to 5 {
    affine.for %p = 0 to 4 {
      %0 = affine.load %whole[%c * 4 + %p] : memref<20xf32>
      affine.store %0, %y[%c, %p] : memref<5x4xf32>
    }
  }
  // CHECK: memref.alloc() {polystage.name = "window"} : memref<20xf32>
  %window = memref.alloc() {polystage.name = "window"} : memref<20xf32>
  affine.for %c = 0 to 9 {
    affine.for %p = 0 to 4 {
      %0 = affine.load %x[%c] : memref<20xf32>
      affine.store %0, %window[%c * 2 + %p] : memref<20xf32>
    }
  }
  affine.for %c = 0 to 5 {
    affine.for %p = 0 to 4 {
      %0 = affine.load %y[%c, %p] : memref<5x4xf32>
      affine.store %0, %z[%c * 4 + %p] : memref<20xf32>
    }
  }
  return
}
