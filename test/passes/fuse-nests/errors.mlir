// RUN: polystage-opt %s --fuse-nests --split-input-file --verify-diagnostics
// RUN: not polystage-opt %s --fuse-nests=strategy=all 2>&1 | FileCheck %s --check-prefix=STRATEGY
// RUN: not polystage-opt %s --fuse-nests=max-ops=many 2>&1 | FileCheck %s --check-prefix=NUMBER

// STRATEGY: error: {{.*}}strategy
// NUMBER: error: {{.*}}max-ops

// expected-error @unknown {{module has no function @main}}
module {
}

// -----

func.func private @scalar(f32) -> f32
func.func @main(%x: memref<8xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<8xf32> {polystage.kind = "output", polystage.name = "y"}) {
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[%i] : memref<8xf32>
    // expected-error@+1 {{'func.call' is not supported in a nest}}
    %1 = func.call @scalar(%0) : (f32) -> f32
    affine.store %1, %y[%i] : memref<8xf32>
  }
  return
}
