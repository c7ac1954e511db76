// %t2 is on chip as a whole and leaves but for a part: the part comes from there, as DRAM has nothing of it before.
// RUN: polystage-opt --set-target="name=tiny sbuf=1056" --refine-domains --shrink-fills --map-banks --stage --mlir-print-local-scope %s | FileCheck %s

// CHECK: %[[T:.*]] = memref.alloc() {polystage.name = "t2"{{.*}}}
// CHECK: %[[WHOLE:.*]] = memref.alloc() {polystage.name = "t2.resident"{{.*}}}
// CHECK: %[[PART:.*]] = memref.alloc() {polystage.name = "t2.slice"{{.*}}} : memref<[[ROWS:[0-9]+]]x8xf32
// CHECK-NOT: affine.load %[[T]][
// CHECK: affine.store %{{.*}}, %[[PART]][%{{.*}}, %{{.*}}]
// CHECK: affine.store %{{.*}}, %[[T]][%{{.*}} + [[ROWS]], %{{.*}}]
module {
  func.func @main(%arg0: memref<5x8x12xf32> {polystage.kind = "input", polystage.name = "in1"}, %arg1: memref<12x8xf32> {polystage.kind = "input", polystage.name = "in9"}, %arg2: memref<5x8x12xf32> {polystage.kind = "output", polystage.name = "t8"}, %arg3: memref<5x8xf32> {polystage.kind = "output", polystage.name = "t19"}) {
    %cst = arith.constant -1.600000e+01 : f32
    %cst_0 = arith.constant -4.000000e+00 : f32
    %cst_1 = arith.constant 4.000000e+00 : f32
    %cst_2 = arith.constant 0.000000e+00 : f32
    %alloc = memref.alloc() {polystage.name = "t2"} : memref<5x8xf32>
    %alloc_3 = memref.alloc() {polystage.name = "t6"} : memref<5x8x12xf32>
    %alloc_4 = memref.alloc() {polystage.name = "t10"} : memref<5x8x8xf32>
    %alloc_5 = memref.alloc() {polystage.name = "t14"} : memref<5x8xf32>
    %alloc_6 = memref.alloc() {polystage.name = "t15"} : memref<5xf32>
    affine.for %arg4 = 0 to 5 {
      affine.for %arg5 = 0 to 8 {
        affine.store %cst, %alloc[%arg4, %arg5] : memref<5x8xf32>
      }
    }
    affine.for %arg4 = 0 to 5 {
      affine.for %arg5 = 0 to 8 {
        affine.for %arg6 = 0 to 12 {
          %0 = affine.load %arg0[%arg4, %arg5, %arg6] : memref<5x8x12xf32>
          %1 = affine.load %alloc[%arg4, %arg5] : memref<5x8xf32>
          %2 = arith.maximumf %1, %0 : f32
          affine.store %2, %alloc[%arg4, %arg5] : memref<5x8xf32>
        }
      }
    }
    affine.for %arg4 = 0 to 5 {
      affine.for %arg5 = 0 to 8 {
        affine.for %arg6 = 0 to 12 {
          %0 = affine.load %arg0[%arg4, %arg5, %arg6] : memref<5x8x12xf32>
          %1 = affine.load %alloc[%arg4, %arg5] : memref<5x8xf32>
          %2 = arith.subf %0, %1 : f32
          affine.store %2, %alloc_3[%arg4, %arg5, %arg6] : memref<5x8x12xf32>
        }
      }
    }
    affine.for %arg4 = 0 to 5 {
      affine.for %arg5 = 0 to 8 {
        affine.for %arg6 = 0 to 12 {
          %0 = affine.load %alloc_3[%arg4, %arg5, %arg6] : memref<5x8x12xf32>
          %1 = arith.maximumf %0, %cst_0 : f32
          %2 = arith.minimumf %1, %cst_1 : f32
          affine.store %2, %arg2[%arg4, %arg5, %arg6] : memref<5x8x12xf32>
        }
      }
    }
    affine.for %arg4 = 0 to 5 {
      affine.for %arg5 = 0 to 8 {
        affine.for %arg6 = 0 to 8 {
          affine.store %cst_2, %alloc_4[%arg4, %arg5, %arg6] : memref<5x8x8xf32>
        }
      }
    }
    affine.for %arg4 = 0 to 5 {
      affine.for %arg5 = 0 to 8 {
        affine.for %arg6 = 0 to 8 {
          affine.for %arg7 = 0 to 12 {
            %0 = affine.load %arg2[%arg4, %arg5, %arg7] : memref<5x8x12xf32>
            %1 = affine.load %arg1[%arg7, %arg6] : memref<12x8xf32>
            %2 = arith.mulf %0, %1 : f32
            %3 = affine.load %alloc_4[%arg4, %arg5, %arg6] : memref<5x8x8xf32>
            %4 = arith.addf %3, %2 : f32
            affine.store %4, %alloc_4[%arg4, %arg5, %arg6] : memref<5x8x8xf32>
          }
        }
      }
    }
    affine.for %arg4 = 0 to 5 {
      affine.for %arg5 = 0 to 8 {
        %0 = affine.load %alloc[%arg4, %arg5] : memref<5x8xf32>
        %1 = arith.maximumf %0, %cst_0 : f32
        %2 = arith.minimumf %1, %cst_1 : f32
        affine.store %2, %alloc_5[%arg4, %arg5] : memref<5x8xf32>
      }
    }
    affine.for %arg4 = 0 to 5 {
      affine.store %cst, %alloc_6[%arg4] : memref<5xf32>
    }
    affine.for %arg4 = 0 to 5 {
      affine.for %arg5 = 0 to 8 {
        %0 = affine.load %alloc_5[%arg4, %arg5] : memref<5x8xf32>
        %1 = affine.load %alloc_6[%arg4] : memref<5xf32>
        %2 = arith.maximumf %1, %0 : f32
        affine.store %2, %alloc_6[%arg4] : memref<5xf32>
      }
    }
    affine.for %arg4 = 0 to 5 {
      affine.for %arg5 = 0 to 8 {
        %0 = affine.load %alloc_5[%arg4, %arg5] : memref<5x8xf32>
        %1 = affine.load %alloc_6[%arg4] : memref<5xf32>
        %2 = arith.subf %0, %1 : f32
        affine.store %2, %arg3[%arg4, %arg5] : memref<5x8xf32>
      }
    }
    return
  }
}
