// RUN: polystage-opt --print-copies --verify-diagnostics %s

// Casts and fills are told apart from copies; gathers and arithmetic are neither.

func.func @main(%a: memref<4xf32> {polystage.name = "a"}, %half: memref<4xbf16> {polystage.name = "half"},
                %i: memref<4xi32> {polystage.name = "i"}, %b: memref<4xf32> {polystage.name = "b"}) {
  %zero = arith.constant 0.0 : f32
  // expected-remark @below {{identity cast of 8 bytes from 'a' to 'half'}}
  affine.for %p = 0 to 4 {
    %0 = affine.load %a[%p] : memref<4xf32>
    %1 = arith.truncf %0 : f32 to bf16
    affine.store %1, %half[%p] : memref<4xbf16>
  }
  // expected-remark @below {{fill of 16 bytes of 'b'}}
  affine.for %p = 0 to 4 {
    affine.store %zero, %b[%p] : memref<4xf32>
  }
  affine.for %p = 0 to 4 {
    %0 = affine.load %i[%p] : memref<4xi32>
    %1 = arith.index_cast %0 : i32 to index
    %2 = memref.load %a[%1] : memref<4xf32>
    affine.store %2, %b[%p] : memref<4xf32>
  } {polystage.indirect}
  affine.for %p = 0 to 4 {
    %0 = affine.load %a[%p] : memref<4xf32>
    %1 = arith.negf %0 : f32
    affine.store %1, %b[%p] : memref<4xf32>
  }
  return
}
