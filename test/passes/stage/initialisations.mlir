// A nest that loads nothing moves to before the first nest that uses its array, not past one that uses an element of it.
// RUN: polystage-opt --set-target=name=tiny --stage=strategy=local --mlir-print-local-scope %s | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK-SAME: %[[X:[a-z0-9]+]]: memref<8x10xf32>
// CHECK-SAME: %[[Y:[a-z0-9]+]]: memref<8xf32>
// CHECK-SAME: %[[Z:[a-z0-9]+]]: memref<8xf32>
func.func @main(%x: memref<8x10xf32> {polystage.name = "x", polystage.kind = "input"},
                %y: memref<8xf32> {polystage.name = "y", polystage.kind = "output"},
                %z: memref<8xf32> {polystage.name = "z", polystage.kind = "output"}) {
  %c0 = arith.constant 0.0 : f32
  // The fill of %z goes behind the first sum.
  // CHECK: affine.store %{{.*}}, %[[Y]]
  // CHECK: affine.store %{{.*}}, %[[Y]]
  // CHECK: math.exp
  // CHECK: affine.store %{{.*}}, %[[Z]]
  affine.for %i = 0 to 8 {
    affine.store %c0, %z[%i] : memref<8xf32>
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %i = 0 to 8 {
    affine.store %c0, %y[%i] : memref<8xf32>
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %i = 0 to 8 {
    affine.for %k = 0 to 10 {
      %0 = affine.load %y[%i] : memref<8xf32>
      %1 = affine.load %x[%i, %k] : memref<8x10xf32>
      %2 = arith.addf %0, %1 : f32
      affine.store %2, %y[%i] : memref<8xf32>
    }
  } {npu.implementation = {kind = "reduce", lane = 0 : i64}}
  affine.for %i = 0 to 8 {
    %0 = affine.load %y[%i] : memref<8xf32>
    %1 = math.exp %0 : f32
    affine.store %1, %y[%i] : memref<8xf32>
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %i = 0 to 8 {
    affine.for %k = 0 to 10 {
      %0 = affine.load %z[%i] : memref<8xf32>
      %1 = affine.load %x[%i, %k] : memref<8x10xf32>
      %2 = arith.maximumf %0, %1 : f32
      affine.store %2, %z[%i] : memref<8xf32>
    }
  } {npu.implementation = {kind = "reduce", lane = 0 : i64}}
  return
}
