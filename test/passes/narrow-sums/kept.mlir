// Sums stay as they are that one nest reads, whose parts different nests read, or that one of two nests reads in f32.
// RUN: polystage-opt --narrow-sums --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s

// CHECK: Pass statistics report
// CHECK-NOT: {{[0-9]+}} narrowed
func.func @main(%a: memref<8x4xf32>, %x: memref<8xbf16>, %y: memref<8xf32>) {
  %once = memref.alloc() {polystage.name = "once"} : memref<8xf32>
  affine.for %i = 0 to 8 {
    affine.for %k = 0 to 4 {
      %0 = affine.load %once[%i] : memref<8xf32>
      %1 = affine.load %a[%i, %k] : memref<8x4xf32>
      %2 = arith.addf %0, %1 : f32
      affine.store %2, %once[%i] : memref<8xf32>
    }
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %once[%i] : memref<8xf32>
    %1 = arith.truncf %0 : f32 to bf16
    affine.store %1, %x[%i] : memref<8xbf16>
  }
  %parts = memref.alloc() {polystage.name = "parts"} : memref<8xf32>
  affine.for %i = 0 to 8 {
    affine.for %k = 0 to 4 {
      %0 = affine.load %parts[%i] : memref<8xf32>
      %1 = affine.load %a[%i, %k] : memref<8x4xf32>
      %2 = arith.addf %0, %1 : f32
      affine.store %2, %parts[%i] : memref<8xf32>
    }
  }
  affine.for %i = 0 to 4 {
    %0 = affine.load %parts[%i] : memref<8xf32>
    %1 = arith.truncf %0 : f32 to bf16
    affine.store %1, %x[%i] : memref<8xbf16>
  }
  affine.for %i = 0 to 4 {
    %0 = affine.load %parts[%i + 4] : memref<8xf32>
    %1 = arith.truncf %0 : f32 to bf16
    affine.store %1, %x[%i + 4] : memref<8xbf16>
  }
  %wide = memref.alloc() {polystage.name = "wide"} : memref<8xf32>
  affine.for %i = 0 to 8 {
    affine.for %k = 0 to 4 {
      %0 = affine.load %wide[%i] : memref<8xf32>
      %1 = affine.load %a[%i, %k] : memref<8x4xf32>
      %2 = arith.addf %0, %1 : f32
      affine.store %2, %wide[%i] : memref<8xf32>
    }
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %wide[%i] : memref<8xf32>
    %1 = arith.truncf %0 : f32 to bf16
    affine.store %1, %x[%i] : memref<8xbf16>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %wide[%i] : memref<8xf32>
    affine.store %0, %y[%i] : memref<8xf32>
  }
  return
}
