// RUN: polystage-opt %s --fuse-nests=max-ops=2 2>&1 | FileCheck %s

// The last nest takes in one operation; the remark is on the nest that would be one too many.
// CHECK:       max-ops.mlir:{{[0-9:]+}} remark: not merged into the nest that reads it: the body would have 3 operations, max-ops is 2
// CHECK:       math.exp
// CHECK-NEXT:  affine.store
// CHECK:       math.tanh
// CHECK-NEXT:  math.sqrt
// CHECK-NEXT:  affine.store
// CHECK-NOT:   affine.store
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
