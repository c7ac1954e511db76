// RUN: polystage-opt --print-copies --mlir-pass-statistics %s 2>&1 | FileCheck %s

// CHECK-DAG: 1 copies
// CHECK-DAG: 4096 copy-bytes

func.func @main(%a: memref<1024xf32> {polystage.name = "a"}, %b: memref<1024xf32> {polystage.name = "b"}) {
  affine.for %i = 0 to 1024 {
    %0 = affine.load %a[%i] : memref<1024xf32>
    affine.store %0, %b[%i] : memref<1024xf32>
  }
  return
}
