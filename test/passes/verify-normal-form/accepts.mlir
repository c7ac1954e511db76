// RUN: polystage-opt %s --verify-normal-form | FileCheck %s

// CHECK: func.func @main
memref.global "private" constant @table : memref<3xi32> = dense<[2, 0, 1]>
func.func @main(%x: memref<9x4xbf16> {polystage.kind = "parameter", polystage.name = "x"},
                %m: memref<3xi1> {polystage.kind = "input", polystage.name = "m"},
                %y: memref<3x4xf32> {polystage.kind = "output", polystage.name = "output0"},
                %s: memref<f32> {polystage.kind = "output", polystage.name = "output1"}) {
  %zero = arith.constant 0.0 : f32
  %table = memref.get_global @table : memref<3xi32>
  %t = memref.alloc() {polystage.name = "t7"} : memref<3x4xbf16>
  affine.for %i = 0 to 3 {
    affine.for %j = 0 to 4 {
      %0 = affine.load %table[%i] : memref<3xi32>
      %1 = arith.index_cast %0 : i32 to index
      %2 = affine.apply affine_map<(d0) -> (d0)>(%j)
      %3 = memref.load %x[%1, %2] : memref<9x4xbf16>
      affine.store %3, %t[%i, %j] : memref<3x4xbf16>
    }
  } {polystage.indirect}
  affine.for %i = 0 to 3 {
    affine.for %j = 0 to 4 {
      %0 = affine.load %m[%i] : memref<3xi1>
      %1 = affine.load %t[(%i * 4 + %j) floordiv 4, %j mod 4] : memref<3x4xbf16>
      %2 = arith.extf %1 : bf16 to f32
      %3 = affine.apply affine_map<(d0) -> (d0)>(%j)
      %4 = arith.index_cast %3 : index to i32
      %5 = arith.sitofp %4 : i32 to f32
      %6 = arith.select %0, %2, %5 : f32
      affine.store %6, %y[%i, %j] : memref<3x4xf32>
    }
  }
  affine.for %i = 0 to 1 {
    affine.store %zero, %s[] : memref<f32>
  }
  affine.for %i = 0 to 3 {
    affine.for %j = 0 to 4 {
      %0 = affine.load %s[] : memref<f32>
      %1 = affine.load %y[%i, %j] : memref<3x4xf32>
      %2 = arith.addf %0, %1 : f32
      affine.store %2, %s[] : memref<f32>
    }
  }
  return
}
