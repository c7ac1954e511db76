// RUN: polystage-opt --verify-eliminations=before=%S/inputs/copied.mlir --mlir-pass-statistics %s 2>&1 | FileCheck %s

// A copy that is gone, a padding that lives in its target, and their certificates.

// CHECK-DAG: 2 certificates
// CHECK-DAG: 2 nests

module attributes {polystage.certificates = [
  {kind = "forward", array = "t0", source = "x", map = affine_map<(d0, d1) -> (d1, d0)>,
   domain = affine_set<(d0, d1) : (d0 >= 0, -d0 + 5 >= 0, d1 >= 0, -d1 + 3 >= 0)>},
  {kind = "coalesce", array = "t1", source = "t2", map = affine_map<(d0, d1) -> (d0, d1 + 1)>,
   domain = affine_set<(d0, d1) : (d0 >= 0, -d0 + 5 >= 0, d1 >= 0, -d1 + 3 >= 0)>}]} {
  func.func @main(%x: memref<4x6xf32> {polystage.kind = "input", polystage.name = "x"},
                  %y: memref<6x5xf32> {polystage.kind = "output", polystage.name = "output0"}) {
    %zero = arith.constant 0.0 : f32
    %t2 = memref.alloc() {polystage.name = "t2"} : memref<6x5xf32>
    affine.for %i = 0 to 6 {
      affine.store %zero, %t2[%i, 0] : memref<6x5xf32>
    }
    affine.for %i = 0 to 6 {
      affine.for %j = 0 to 4 {
        %0 = affine.load %x[%j, %i] : memref<4x6xf32>
        %1 = math.exp %0 : f32
        affine.store %1, %t2[%i, %j + 1] : memref<6x5xf32>
      }
    } {polystage.origin = "t1#0"}
    affine.for %i = 0 to 6 {
      affine.for %j = 0 to 5 {
        %0 = affine.load %t2[%i, %j] : memref<6x5xf32>
        %1 = math.exp %0 : f32
        affine.store %1, %y[%i, %j] : memref<6x5xf32>
      }
    } {polystage.origin = "output0#0"}
    return
  }
}
