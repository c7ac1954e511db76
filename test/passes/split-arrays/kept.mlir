// An array stays whole that a nest reads across its parts, whose parts interleave, or that is gathered from.
// RUN: polystage-opt --split-arrays --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s

// CHECK: Pass statistics report
// CHECK-NOT: {{[0-9]+}} {{split|parts}}
func.func @main(%x: memref<4xf32>, %y: memref<8xf32>, %p: memref<4xi32>) {
  %across = memref.alloc() {polystage.name = "across"} : memref<8xf32>
  affine.for %i = 0 to 4 {
    %0 = affine.load %x[%i] : memref<4xf32>
    affine.store %0, %across[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 4 {
    %0 = affine.load %x[%i] : memref<4xf32>
    affine.store %0, %across[%i + 4] : memref<8xf32>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %across[%i] : memref<8xf32>
    affine.store %0, %y[%i] : memref<8xf32>
  }
  %even = memref.alloc() {polystage.name = "even"} : memref<8xf32>
  affine.for %i = 0 to 4 {
    %0 = affine.load %x[%i] : memref<4xf32>
    affine.store %0, %even[2 * %i] : memref<8xf32>
  }
  affine.for %i = 0 to 4 {
    %0 = affine.load %x[%i] : memref<4xf32>
    affine.store %0, %even[2 * %i + 1] : memref<8xf32>
  }
  %chosen = memref.alloc() {polystage.name = "chosen"} : memref<8xf32>
  affine.for %i = 0 to 4 {
    %0 = affine.load %even[2 * %i] : memref<8xf32>
    affine.store %0, %chosen[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 4 {
    %0 = affine.load %even[2 * %i + 1] : memref<8xf32>
    affine.store %0, %chosen[%i + 4] : memref<8xf32>
  }
  affine.for %i = 0 to 4 {
    %0 = affine.load %p[%i] : memref<4xi32>
    %1 = arith.index_cast %0 : i32 to index
    %2 = memref.load %chosen[%1] : memref<8xf32>
    affine.store %2, %y[%i] : memref<8xf32>
  }
  return
}
