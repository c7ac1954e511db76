// Vectors that nests have across their lanes become columns of one array; one that some nest reads along its free
// dimension stays, and so does one without another of its length.
// RUN: polystage-opt --set-target=name=edge --bundle-parameters --mlir-pass-statistics %s 2>%t | FileCheck %s
// RUN: FileCheck %s --check-prefix=STATS --input-file=%t
// RUN: polystage-opt --set-target=name=edge --bundle-parameters=strategy=off %s | FileCheck %s --check-prefix=STAYS
// RUN: polystage-opt --set-target=name=edge --bundle-parameters=room=0.0001 %s | FileCheck %s --check-prefix=STAYS

// STATS-DAG: 2 bundled
// STATS-DAG: 1 bundles
// STAYS-NOT: bundle
// STAYS: return

// CHECK: #[[BLOCKS:.*]] = affine_map<(d0, d1) -> (d0 mod 16, d0 floordiv 16, d1)>
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[B:[a-z0-9]+]]: memref<32x2xf32, #[[BLOCKS]]> {polystage.kind = "parameter", polystage.name = "s.bundle"}
// CHECK-SAME: %[[U:[a-z0-9]+]]: memref<32xf32> {polystage.kind = "parameter", polystage.name = "u"}
// CHECK-SAME: %[[V:[a-z0-9]+]]: memref<8xf32> {polystage.kind = "parameter", polystage.name = "v"}
// CHECK:       affine.load %[[B]][%[[C:.*]], 0]
// CHECK:       affine.load %[[B]][%[[C]], 1]
// CHECK:       affine.load %[[U]]
// CHECK:       affine.load %[[V]]
// CHECK-LABEL: func.func @load(
// CHECK-SAME: %[[S:[a-z0-9]+]]: memref<32xf32> {{{.*}}polystage.name = "s"}
// CHECK-SAME: %[[OUT:[a-z0-9]+]]: memref<32x2xf32, #[[BLOCKS]]> {polystage.kind = "output", polystage.name = "s.bundle"}
// CHECK:       %[[T:.*]] = memref.alloc() {polystage.name = "t"} : memref<32xf32>
// CHECK:       affine.store %{{.*}}, %[[T]]
// CHECK:       affine.load %[[S]][%[[K:.*]]]
// CHECK-NEXT:  affine.store %{{.*}}, %[[OUT]][%[[K]], 0]
// CHECK:       affine.load %[[T]][%[[K:.*]]]
// CHECK-NEXT:  affine.store %{{.*}}, %[[OUT]][%[[K]], 1]
module {
  func.func @main(%s: memref<32xf32> {polystage.kind = "parameter", polystage.name = "s"},
                  %t: memref<32xf32> {polystage.kind = "parameter", polystage.name = "t"},
                  %u: memref<32xf32> {polystage.kind = "parameter", polystage.name = "u"},
                  %v: memref<8xf32> {polystage.kind = "parameter", polystage.name = "v"},
                  %x: memref<32x8xf32> {polystage.kind = "input", polystage.name = "x"},
                  %y: memref<32x8xf32> {polystage.kind = "output", polystage.name = "y"},
                  %z: memref<8x32xf32> {polystage.kind = "output", polystage.name = "z"}) {
    affine.for %c = 0 to 32 {
      affine.for %i = 0 to 8 {
        %0 = affine.load %x[%c, %i] : memref<32x8xf32>
        %1 = affine.load %s[%c] : memref<32xf32>
        %2 = arith.mulf %0, %1 : f32
        %3 = affine.load %t[%c] : memref<32xf32>
        %4 = arith.addf %2, %3 : f32
        affine.store %4, %y[%c, %i] : memref<32x8xf32>
      }
    } {npu.implementation = {kind = "elementwise", lane = 0}}
    affine.for %i = 0 to 8 {
      affine.for %c = 0 to 32 {
        %0 = affine.load %u[%c] : memref<32xf32>
        %1 = affine.load %v[%i] : memref<8xf32>
        %2 = arith.addf %0, %1 : f32
        affine.store %2, %z[%i, %c] : memref<8x32xf32>
      }
    } {npu.implementation = {kind = "elementwise", lane = 0}}
    return
  }
  func.func @load(%s: memref<32xf32> {polystage.kind = "parameter", polystage.name = "s"},
                  %t: memref<32xf32> {polystage.kind = "output", polystage.name = "t"}) {
    affine.for %c = 0 to 32 {
      %0 = affine.load %s[%c] : memref<32xf32>
      %1 = arith.addf %0, %0 : f32
      affine.store %1, %t[%c] : memref<32xf32>
    }
    return
  }
}
