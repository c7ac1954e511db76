// On 128 lanes columns taken as 3 heads of 64 become one dimension again, for the writers of %t and for %r, whose only
// reader goes over heads and columns as over the rows of %w; nests that go over both as over one have one loop.
// RUN: polystage-opt --set-target=name=trainium1 --merge-dimensions --mlir-print-local-scope %s | FileCheck %s
// RUN: polystage-opt --set-target=name=trainium1 --merge-dimensions --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s --check-prefix=STATS

// STATS-DAG: 2 merged
// STATS-DAG: 2 loops
// CHECK-LABEL: func.func @main
// CHECK: %[[T:.*]] = memref.alloc() {polystage.name = "t"} : memref<16x192xf32>
// CHECK: %[[R:.*]] = memref.alloc() {polystage.name = "r"} : memref<16x192xf32>
func.func @main(%x: memref<16x192xf32>, %w: memref<192x8xf32>, %y: memref<16x8xf32>) {
  %c0 = arith.constant 0.0 : f32
  %t = memref.alloc() {polystage.name = "t"} : memref<3x16x64xf32>
  %r = memref.alloc() {polystage.name = "r"} : memref<16x3x64xf32>
  // CHECK: affine.for %[[Q:.*]] = 0 to 16
  // CHECK-NEXT: affine.for %[[C:.*]] = 0 to 192
  // CHECK-NEXT: affine.load %arg0[%[[Q]], %[[C]]]
  // CHECK-NEXT: affine.store %{{.*}}, %[[T]][%[[Q]], %[[C]]]
  affine.for %h = 0 to 3 {
    affine.for %q = 0 to 16 {
      affine.for %d = 0 to 64 {
        %0 = affine.load %x[%q, 64 * %h + %d] : memref<16x192xf32>
        affine.store %0, %t[%h, %q, %d] : memref<3x16x64xf32>
      }
    }
  }
  // CHECK: affine.for %[[H:.*]] = 0 to 3
  // CHECK: affine.load %[[T]][%[[Q:.*]], %[[H]] * 64 + %[[D:.*]]]
  // CHECK: affine.load %[[T]][0, %[[H]] * 64 + %[[D]]]
  // CHECK: affine.store %{{.*}}, %[[R]][%[[Q]], %[[H]] * 64 + %[[D]]]
  affine.for %h = 0 to 3 {
    affine.for %q = 0 to 16 {
      affine.for %d = 0 to 64 {
        %0 = affine.load %t[%h, %q, %d] : memref<3x16x64xf32>
        %1 = affine.load %t[%h, 0, %d] : memref<3x16x64xf32>
        %2 = arith.maximumf %0, %1 : f32
        %i = affine.apply affine_map<(d0) -> (d0)>(%h)
        %3 = arith.index_cast %i : index to i32
        %4 = arith.sitofp %3 : i32 to f32
        %5 = arith.addf %2, %4 : f32
        affine.store %5, %r[%q, %h, %d] : memref<16x3x64xf32>
      }
    }
  }
  // CHECK: affine.store %{{.*}}, %arg2
  affine.for %q = 0 to 16 {
    affine.for %n = 0 to 8 {
      affine.store %c0, %y[%q, %n] : memref<16x8xf32>
    }
  }
  // CHECK: affine.for %[[Q:.*]] = 0 to 16
  // CHECK-NEXT: affine.for %[[N:.*]] = 0 to 8
  // CHECK-NEXT: affine.for %[[K:.*]] = 0 to 192
  // CHECK: affine.load %[[R]][%[[Q]], %[[K]]]
  // CHECK-NEXT: affine.load %arg1[%[[K]], %[[N]]]
  affine.for %q = 0 to 16 {
    affine.for %n = 0 to 8 {
      affine.for %h = 0 to 3 {
        affine.for %d = 0 to 64 {
          %0 = affine.load %y[%q, %n] : memref<16x8xf32>
          %1 = affine.load %r[%q, %h, %d] : memref<16x3x64xf32>
          %2 = affine.load %w[64 * %h + %d, %n] : memref<192x8xf32>
          %3 = arith.mulf %1, %2 : f32
          %4 = arith.addf %0, %3 : f32
          affine.store %4, %y[%q, %n] : memref<16x8xf32>
        }
      }
    }
  }
  return
}
