// The nest that rounds %sum ends a longer life than it begins: it goes directly behind the nest that writes %sum.
// RUN: polystage-opt --set-target=name=tiny --map-banks --stage %s | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK: arith.addf
// CHECK-NEXT: affine.store %{{.*}}, %[[SUM:[a-z0-9_]+]][
// CHECK: affine.load %[[SUM]][
// CHECK-NEXT: arith.truncf
// CHECK: math.exp
func.func @main(%x: memref<8x8xf32> {polystage.name = "x", polystage.kind = "input"},
                %y: memref<8x8xf32> {polystage.name = "y", polystage.kind = "output"},
                %z: memref<8x8xf32> {polystage.name = "z", polystage.kind = "output"}) {
  %sum = memref.alloc() {polystage.name = "sum"} : memref<8x8xf32>
  %rounded = memref.alloc() {polystage.name = "rounded"} : memref<8x8xbf16>
  affine.for %i = 0 to 8 { affine.for %j = 0 to 8 {
    %0 = affine.load %x[%i, %j] : memref<8x8xf32>
    %1 = arith.addf %0, %0 : f32
    affine.store %1, %sum[%i, %j] : memref<8x8xf32>
  } }
  affine.for %i = 0 to 8 { affine.for %j = 0 to 8 {
    %0 = affine.load %x[%i, %j] : memref<8x8xf32>
    %1 = math.exp %0 : f32
    affine.store %1, %y[%i, %j] : memref<8x8xf32>
  } }
  affine.for %i = 0 to 8 { affine.for %j = 0 to 8 {
    %0 = affine.load %sum[%i, %j] : memref<8x8xf32>
    %1 = arith.truncf %0 : f32 to bf16
    affine.store %1, %rounded[%i, %j] : memref<8x8xbf16>
  } }
  affine.for %i = 0 to 8 { affine.for %j = 0 to 8 {
    %0 = affine.load %rounded[%i, %j] : memref<8x8xbf16>
    %1 = arith.extf %0 : bf16 to f32
    affine.store %1, %z[%i, %j] : memref<8x8xf32>
  } }
  return
}
