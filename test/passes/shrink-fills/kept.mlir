// A fill stays that is read first, whose covers are no boxes, or that starts an accumulation.
// RUN: polystage-opt --shrink-fills --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s

// CHECK: Pass statistics report
// CHECK-NOT: {{[0-9]+}} {{shrunk|removed}}
func.func @main(%x: memref<8x8xf32>, %y: memref<8xf32>, %p: memref<4xi32>) {
  %c0 = arith.constant 0.0 : f32
  %sum = memref.alloc() {polystage.name = "sum"} : memref<8xf32>
  affine.for %i = 0 to 8 {
    affine.store %c0, %sum[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %sum[%i] : memref<8xf32>
      %1 = affine.load %x[%i, %j] : memref<8x8xf32>
      %2 = arith.addf %0, %1 : f32
      affine.store %2, %sum[%i] : memref<8xf32>
    }
  }
  %even = memref.alloc() {polystage.name = "even"} : memref<8xf32>
  affine.for %i = 0 to 8 {
    affine.store %c0, %even[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 4 {
    %0 = affine.load %sum[%i] : memref<8xf32>
    affine.store %0, %even[%i * 2] : memref<8xf32>
  }
  %diagonal = memref.alloc() {polystage.name = "diagonal"} : memref<8x8xf32>
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 8 {
      affine.store %c0, %diagonal[%i, %j] : memref<8x8xf32>
    }
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %even[%i] : memref<8xf32>
    affine.store %0, %diagonal[%i, %i] : memref<8x8xf32>
  }
  %chosen = memref.alloc() {polystage.name = "chosen"} : memref<8xf32>
  affine.for %i = 0 to 8 {
    affine.store %c0, %chosen[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 4 {
    %0 = affine.load %p[%i] : memref<4xi32>
    %1 = arith.index_cast %0 : i32 to index
    %2 = affine.load %diagonal[%i, %i] : memref<8x8xf32>
    %3 = affine.load %diagonal[%i + 4, %i + 4] : memref<8x8xf32>
    %4 = arith.addf %2, %3 : f32
    memref.store %4, %chosen[%1] : memref<8xf32>
  } {polystage.indirect}
  affine.for %i = 0 to 8 {
    %0 = affine.load %chosen[%i] : memref<8xf32>
    affine.store %0, %y[%i] : memref<8xf32>
  }
  return
}
