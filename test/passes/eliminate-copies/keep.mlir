// RUN: polystage-opt %s --eliminate-copies=keep=t0 --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @main(
// CHECK:       memref.alloc() {polystage.name = "t0"}
func.func @main(%x: memref<8x4xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<4x8xf32> {polystage.kind = "output", polystage.name = "output0"}) {
  %t = memref.alloc() {polystage.name = "t0"} : memref<4x8xf32>
  // expected-remark @below {{kept copy: of 'x' to 't0': kept on demand}}
  affine.for %i = 0 to 4 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %x[%j, %i] : memref<8x4xf32>
      affine.store %0, %t[%i, %j] : memref<4x8xf32>
    }
  }
  affine.for %i = 0 to 4 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %t[%i, %j] : memref<4x8xf32>
      %1 = math.exp %0 : f32
      affine.store %1, %y[%i, %j] : memref<4x8xf32>
    }
  }
  return
}
