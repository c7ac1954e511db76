// The product wants %k across the lanes, so that the sums over %k are sums across lanes; what follows from them is read
// on all of those. A product with a square of ones gives the sums to every lane and the mean is computed there, so that
// nothing is copied. Operators by themselves leave the sums in one lane.
// RUN: polystage-opt --set-target=name=trainium1 --map-banks=strategy=global --mlir-print-local-scope %s | FileCheck %s
// RUN: polystage-opt --set-target=name=trainium1 --map-banks=strategy=greedy --mlir-print-local-scope %s | FileCheck %s --check-prefix=GREEDY

// CHECK: relayout_bytes = 0
// CHECK: %[[S:.*]] = memref.alloc() {polystage.name = "s"} : memref<64xf32, affine_map<(d0) -> (-128, d0)>>
// CHECK: %[[M:.*]] = memref.alloc() {polystage.name = "m"} : memref<64xf32, affine_map<(d0) -> (-128, d0)>>
// CHECK: affine.store %{{.*}}, %[[S]]
// CHECK: npu.implementation = {kind = "elementwise", replicated}
// CHECK: npu.implementation = {kind = "reduce", lane = 1 : i64, replicated}
// CHECK: affine.store %{{.*}}, %[[M]]
// CHECK: npu.implementation = {kind = "elementwise", replicated}
// CHECK: npu.implementation = {kind = "elementwise", lane = 1 : i64}
// CHECK-NOT: replicated

// GREEDY-NOT: affine_map<(d0) -> (-128, d0)>
func.func @main(%x: memref<64x256xf32> {polystage.name = "x", polystage.kind = "input"},
                %v: memref<256x256xf32> {polystage.name = "v", polystage.kind = "parameter"},
                %w: memref<256x256xf32> {polystage.name = "w", polystage.kind = "parameter"},
                %y: memref<64x256xf32> {polystage.name = "y", polystage.kind = "output"}) {
  %zero = arith.constant 0.0 : f32
  %n = arith.constant 256.0 : f32
  %a = memref.alloc() {polystage.name = "a"} : memref<64x256xf32>
  %s = memref.alloc() {polystage.name = "s"} : memref<64xf32>
  %m = memref.alloc() {polystage.name = "m"} : memref<64xf32>
  %c = memref.alloc() {polystage.name = "c"} : memref<64x256xf32>
  affine.for %i = 0 to 64 {
    affine.for %j = 0 to 256 {
      affine.store %zero, %a[%i, %j] : memref<64x256xf32>
    }
  }
  affine.for %i = 0 to 64 {
    affine.for %j = 0 to 256 {
      affine.for %k = 0 to 256 {
        %0 = affine.load %x[%i, %k] : memref<64x256xf32>
        %1 = affine.load %v[%k, %j] : memref<256x256xf32>
        %2 = affine.load %a[%i, %j] : memref<64x256xf32>
        %3 = arith.mulf %0, %1 : f32
        %4 = arith.addf %2, %3 : f32
        affine.store %4, %a[%i, %j] : memref<64x256xf32>
      }
    }
  }
  affine.for %i = 0 to 64 {
    affine.store %zero, %s[%i] : memref<64xf32>
  }
  affine.for %i = 0 to 64 {
    affine.for %k = 0 to 256 {
      %0 = affine.load %a[%i, %k] : memref<64x256xf32>
      %1 = affine.load %s[%i] : memref<64xf32>
      %2 = arith.addf %0, %1 : f32
      affine.store %2, %s[%i] : memref<64xf32>
    }
  }
  affine.for %i = 0 to 64 {
    %0 = affine.load %s[%i] : memref<64xf32>
    %1 = arith.divf %0, %n : f32
    affine.store %1, %m[%i] : memref<64xf32>
  }
  affine.for %i = 0 to 64 {
    affine.for %k = 0 to 256 {
      %0 = affine.load %a[%i, %k] : memref<64x256xf32>
      %1 = affine.load %m[%i] : memref<64xf32>
      %2 = arith.subf %0, %1 : f32
      affine.store %2, %c[%i, %k] : memref<64x256xf32>
    }
  }
  affine.for %i = 0 to 64 {
    affine.for %j = 0 to 256 {
      affine.for %k = 0 to 256 {
        %0 = affine.load %c[%i, %k] : memref<64x256xf32>
        %1 = affine.load %w[%k, %j] : memref<256x256xf32>
        %2 = affine.load %y[%i, %j] : memref<64x256xf32>
        %3 = arith.mulf %0, %1 : f32
        %4 = arith.addf %2, %3 : f32
        affine.store %4, %y[%i, %j] : memref<64x256xf32>
      }
    }
  }
  return
}
