// %t uses two lanes of eight and waits while %e needs the room: in four blocks on all lanes there is enough.
// RUN: polystage-opt --set-target="name=tiny sbuf=11264" --map-banks --stage --mlir-print-local-scope %s | FileCheck %s
// RUN: polystage-opt --set-target="name=tiny sbuf=11264" --map-banks --stage --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s --check-prefix=STATS
// RUN: polystage-opt --set-target="name=tiny sbuf=11264" --map-banks --stage=folding=off %s | FileCheck %s --check-prefix=OFF

// OFF-NOT: .folded

// STATS: 1 folded
// CHECK: %[[FOLDED:.*]] = memref.alloc() {polystage.name = "t.folded"{{.*}}} : memref<8x64xf32, #npu.sbuf>
// CHECK: affine.load %{{[a-z0-9_]+}}[%{{[a-z0-9_]+}}, %{{[a-z0-9_]+}} * 4 + 2]
// CHECK-NEXT: affine.store %{{.*}}, %[[FOLDED]][%{{[a-z0-9_]+}} + 4, %{{[a-z0-9_]+}}]
// CHECK: %[[BACK:.*]] = memref.alloc() {polystage.name = "t.unfolded"{{.*}}} : memref<2x256xf32, #npu.sbuf>
// CHECK: affine.load %[[FOLDED]][%{{[a-z0-9_]+}} + 6, %{{[a-z0-9_]+}}]
// CHECK-NEXT: affine.store %{{.*}}, %[[BACK]][%{{[a-z0-9_]+}}, %{{[a-z0-9_]+}} * 4 + 3]
// CHECK: affine.load %[[BACK]]
module {
  func.func @main(%x: memref<2x256xf32> {polystage.kind = "input", polystage.name = "x"}, %z: memref<8x128xf32> {polystage.kind = "input", polystage.name = "z"}, %y: memref<2x256xf32> {polystage.kind = "output", polystage.name = "y"}, %s: memref<8x128xf32> {polystage.kind = "output", polystage.name = "s"}) {
    %zero = arith.constant 0.0 : f32
    %t = memref.alloc() {polystage.name = "t"} : memref<2x256xf32>
    %most = memref.alloc() {polystage.name = "most"} : memref<2xf32>
    %e = memref.alloc() {polystage.name = "e"} : memref<8x128xf32>
    %sum = memref.alloc() {polystage.name = "sum"} : memref<8xf32>
    affine.for %i = 0 to 2 {
      affine.for %j = 0 to 256 {
        %0 = affine.load %x[%i, %j] : memref<2x256xf32>
        %1 = math.exp %0 : f32
        affine.store %1, %t[%i, %j] : memref<2x256xf32>
      }
    }
    affine.for %i = 0 to 2 {
      affine.store %zero, %most[%i] : memref<2xf32>
    }
    affine.for %i = 0 to 2 {
      affine.for %j = 0 to 256 {
        %0 = affine.load %t[%i, %j] : memref<2x256xf32>
        %1 = affine.load %most[%i] : memref<2xf32>
        %2 = arith.maximumf %1, %0 : f32
        affine.store %2, %most[%i] : memref<2xf32>
      }
    }
    affine.for %i = 0 to 8 {
      affine.for %j = 0 to 128 {
        %0 = affine.load %z[%i, %j] : memref<8x128xf32>
        %1 = affine.load %most[0] : memref<2xf32>
        %2 = arith.mulf %0, %1 : f32
        affine.store %2, %e[%i, %j] : memref<8x128xf32>
      }
    }
    affine.for %i = 0 to 8 {
      affine.store %zero, %sum[%i] : memref<8xf32>
    }
    affine.for %i = 0 to 8 {
      affine.for %j = 0 to 128 {
        %0 = affine.load %e[%i, %j] : memref<8x128xf32>
        %1 = affine.load %sum[%i] : memref<8xf32>
        %2 = arith.addf %1, %0 : f32
        affine.store %2, %sum[%i] : memref<8xf32>
      }
    }
    affine.for %i = 0 to 8 {
      affine.for %j = 0 to 128 {
        %0 = affine.load %e[%i, %j] : memref<8x128xf32>
        %1 = affine.load %sum[%i] : memref<8xf32>
        %2 = arith.mulf %0, %1 : f32
        affine.store %2, %s[%i, %j] : memref<8x128xf32>
      }
    }
    affine.for %i = 0 to 2 {
      affine.for %j = 0 to 256 {
        %0 = affine.load %t[%i, %j] : memref<2x256xf32>
        %1 = affine.load %sum[7] : memref<8xf32>
        %2 = arith.mulf %0, %1 : f32
        affine.store %2, %y[%i, %j] : memref<2x256xf32>
      }
    }
    return
  }
}
