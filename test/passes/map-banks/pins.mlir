// Layouts and implementations from a strategy file are kept; everything else is chosen around them.
// RUN: polystage-opt --set-target=name=tiny "--map-banks=strategy=global strategy-file=%S/inputs/pins.json" --mlir-print-local-scope %s | FileCheck %s

// CHECK-LABEL: func.func @main
func.func @main(%x: memref<16x12xf32> {polystage.name = "x", polystage.kind = "input"},
                %y: memref<16x12xf32> {polystage.name = "y", polystage.kind = "output"}) {
  // CHECK: memref.alloc() {polystage.name = "a"} : memref<16x12xf32, affine_map<(d0, d1) -> (0, d0, d1)>>
  %a = memref.alloc() {polystage.name = "a"} : memref<16x12xf32>
  // CHECK: npu.implementation = {kind = "elementwise", lane = 1 : i64}
  affine.for %i = 0 to 16 {
    affine.for %j = 0 to 12 {
      %0 = affine.load %x[%i, %j] : memref<16x12xf32>
      %1 = math.exp %0 : f32
      affine.store %1, %a[%i, %j] : memref<16x12xf32>
    }
  }
  affine.for %i = 0 to 16 {
    affine.for %j = 0 to 12 {
      %0 = affine.load %a[%i, %j] : memref<16x12xf32>
      %1 = math.exp %0 : f32
      affine.store %1, %y[%i, %j] : memref<16x12xf32>
    }
  }
  return
}
