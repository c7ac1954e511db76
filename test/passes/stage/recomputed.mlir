// %t waits while %e takes nearly all there is. A quarter of the products may be made again, so the last quarter of %t is,
// from %x, and the rest waits in two blocks.
// RUN: polystage-opt --set-target="name=tiny sbuf=12288" --map-banks --stage="recompute=0.25" --mlir-print-local-scope %s | FileCheck %s
// RUN: polystage-opt --set-target="name=tiny sbuf=12288" --map-banks --stage="recompute=0.25" --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s --check-prefix=STATS
// RUN: polystage-opt --set-target="name=tiny sbuf=12288" --map-banks --stage="recompute=0" --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s --check-prefix=OFF

// STATS: 1 recomputed
// CHECK: func.func @main(%[[X:[a-z0-9]+]]: memref<2x512xf32>
// CHECK: polystage.name = "t.folded.window"{{.*}}} : memref<8x1xf32
// CHECK: affine.for %[[STEP:.*]] = 0 to 64 {
// CHECK: %[[AGAIN:.*]] = memref.alloc() {polystage.name = "t.unfolded.window"{{.*}}} : memref<4x2xf32
// CHECK: %[[WINDOW:.*]] = memref.alloc() {polystage.name = "x.window"{{.*}}} : memref<2x2xf32
// CHECK: affine.load %[[X]][%{{.*}}, %[[STEP]] * 2 + %{{.*}} + 384]
// CHECK-NEXT: affine.store %{{.*}}, %[[WINDOW]]
// CHECK: affine.load %[[WINDOW]]
// CHECK: affine.store %{{.*}}, %[[AGAIN]]
// CHECK: kind = "contraction"
// OFF: 0 recomputed
module {
  func.func @main(%x: memref<2x512xf32> {polystage.kind = "input", polystage.name = "x"}, %w: memref<4x2xf32> {polystage.kind = "parameter", polystage.name = "w"}, %z: memref<8x256xf32> {polystage.kind = "input", polystage.name = "z"}, %y: memref<4x512xf32> {polystage.kind = "output", polystage.name = "y"}, %s: memref<8x256xf32> {polystage.kind = "output", polystage.name = "s"}) {
    %zero = arith.constant 0.0 : f32
    %t = memref.alloc() {polystage.name = "t"} : memref<4x512xf32>
    %most = memref.alloc() {polystage.name = "most"} : memref<4xf32>
    %e = memref.alloc() {polystage.name = "e"} : memref<8x256xf32>
    %sum = memref.alloc() {polystage.name = "sum"} : memref<8xf32>
    affine.for %i = 0 to 4 {
      affine.for %j = 0 to 512 {
        affine.store %zero, %t[%i, %j] : memref<4x512xf32>
      }
    }
    affine.for %i = 0 to 4 {
      affine.for %j = 0 to 512 {
        affine.for %k = 0 to 2 {
          %0 = affine.load %w[%i, %k] : memref<4x2xf32>
          %1 = affine.load %x[%k, %j] : memref<2x512xf32>
          %2 = affine.load %t[%i, %j] : memref<4x512xf32>
          %3 = arith.mulf %0, %1 : f32
          %4 = arith.addf %2, %3 : f32
          affine.store %4, %t[%i, %j] : memref<4x512xf32>
        }
      }
    }
    affine.for %i = 0 to 4 {
      affine.store %zero, %most[%i] : memref<4xf32>
    }
    affine.for %i = 0 to 4 {
      affine.for %j = 0 to 512 {
        %0 = affine.load %t[%i, %j] : memref<4x512xf32>
        %1 = affine.load %most[%i] : memref<4xf32>
        %2 = arith.maximumf %1, %0 : f32
        affine.store %2, %most[%i] : memref<4xf32>
      }
    }
    affine.for %i = 0 to 8 {
      affine.for %j = 0 to 256 {
        %0 = affine.load %z[%i, %j] : memref<8x256xf32>
        %1 = affine.load %most[0] : memref<4xf32>
        %2 = arith.mulf %0, %1 : f32
        affine.store %2, %e[%i, %j] : memref<8x256xf32>
      }
    }
    affine.for %i = 0 to 8 {
      affine.store %zero, %sum[%i] : memref<8xf32>
    }
    affine.for %i = 0 to 8 {
      affine.for %j = 0 to 256 {
        %0 = affine.load %e[%i, %j] : memref<8x256xf32>
        %1 = affine.load %sum[%i] : memref<8xf32>
        %2 = arith.addf %1, %0 : f32
        affine.store %2, %sum[%i] : memref<8xf32>
      }
    }
    affine.for %i = 0 to 8 {
      affine.for %j = 0 to 256 {
        %0 = affine.load %e[%i, %j] : memref<8x256xf32>
        %1 = affine.load %sum[%i] : memref<8xf32>
        %2 = arith.mulf %0, %1 : f32
        affine.store %2, %s[%i, %j] : memref<8x256xf32>
      }
    }
    affine.for %i = 0 to 4 {
      affine.for %j = 0 to 512 {
        %0 = affine.load %t[%i, %j] : memref<4x512xf32>
        %1 = affine.load %sum[7] : memref<8xf32>
        %2 = arith.mulf %0, %1 : f32
        affine.store %2, %y[%i, %j] : memref<4x512xf32>
      }
    }
    return
  }
}
