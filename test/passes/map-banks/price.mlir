// The product wants %k across the lanes, the maximum over %k does not. What a relayout byte costs decides whether the
// array is moved between them. Seed and time limit do not change an optimum that is proved.
// RUN: polystage-opt --set-target=name=trainium1 "--map-banks=strategy=global price=0.0" %s | FileCheck %s --check-prefix=FREE
// RUN: polystage-opt --set-target=name=trainium1 "--map-banks=strategy=global price=1000 seed=7 time-limit=5" %s | FileCheck %s --check-prefix=DEAR

// FREE: relayout_bytes = {{[1-9]}}
// FREE: kind = "relayout"
// DEAR: relayout_bytes = 0
// DEAR-NOT: kind = "relayout"
func.func @main(%x: memref<128x128xf32> {polystage.name = "x", polystage.kind = "input"},
                %w: memref<128x512xf32> {polystage.name = "w", polystage.kind = "parameter"},
                %m: memref<128xf32> {polystage.name = "m", polystage.kind = "output"},
                %y: memref<128x512xf32> {polystage.name = "y", polystage.kind = "output"}) {
  %a = memref.alloc() {polystage.name = "a"} : memref<128x128xf32>
  affine.for %i = 0 to 128 {
    affine.for %k = 0 to 128 {
      %0 = affine.load %x[%i, %k] : memref<128x128xf32>
      %1 = math.exp %0 : f32
      affine.store %1, %a[%i, %k] : memref<128x128xf32>
    }
  }
  affine.for %i = 0 to 128 {
    affine.for %k = 0 to 128 {
      %0 = affine.load %m[%i] : memref<128xf32>
      %1 = affine.load %a[%i, %k] : memref<128x128xf32>
      %2 = arith.maximumf %0, %1 : f32
      affine.store %2, %m[%i] : memref<128xf32>
    }
  }
  affine.for %i = 0 to 128 {
    affine.for %j = 0 to 512 {
      affine.for %k = 0 to 128 {
        %0 = affine.load %a[%i, %k] : memref<128x128xf32>
        %1 = affine.load %w[%k, %j] : memref<128x512xf32>
        %2 = affine.load %y[%i, %j] : memref<128x512xf32>
        %3 = arith.mulf %0, %1 : f32
        %4 = arith.addf %2, %3 : f32
        affine.store %4, %y[%i, %j] : memref<128x512xf32>
      }
    }
  }
  return
}
