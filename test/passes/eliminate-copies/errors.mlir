// RUN: polystage-opt %s --eliminate-copies=keep=t7 --verify-diagnostics

// expected-error @below {{no array is named 't7', which keep= lists}}
module {
  func.func @main(%x: memref<4xf32> {polystage.kind = "input", polystage.name = "x"},
                  %y: memref<4xf32> {polystage.kind = "output", polystage.name = "output0"}) {
    affine.for %i = 0 to 4 {
      %0 = affine.load %x[%i] : memref<4xf32>
      %1 = math.exp %0 : f32
      affine.store %1, %y[%i] : memref<4xf32>
    }
    return
  }
}
