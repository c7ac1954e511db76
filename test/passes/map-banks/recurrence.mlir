// The second nest finds what its first iteration stored, in every iteration but that: no relayout before it may stand in
// for what it loads, whatever the lanes are.
// RUN: polystage-opt --set-target=name=tiny --map-banks --mlir-print-local-scope %s | FileCheck %s
// RUN: polystage-opt --set-target=name=tiny --map-banks=strategy=local --mlir-print-local-scope %s | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK: %[[T:.*]] = memref.alloc() {polystage.name = "t"}
// CHECK: affine.load %[[T]][%[[ZERO:.*]], %[[ZERO]]]
// CHECK-NEXT: arith.addi
// CHECK-NEXT: affine.store %{{.*}}, %[[T]]
func.func @main(%y: memref<17xi32> {polystage.name = "y", polystage.kind = "output"}) {
  %one = arith.constant 1 : i32
  %t = memref.alloc() {polystage.name = "t"} : memref<1x17xi32>
  affine.for %i = 0 to 17 {
    affine.store %one, %t[0, %i] : memref<1x17xi32>
  }
  affine.for %i = 0 to 17 {
    affine.for %j = 0 to 1 {
      %0 = affine.load %t[%j, %j] : memref<1x17xi32>
      %1 = arith.addi %0, %0 : i32
      affine.store %1, %t[%j, %i] : memref<1x17xi32>
    }
  }
  affine.for %i = 0 to 17 {
    %0 = affine.load %t[0, %i] : memref<1x17xi32>
    affine.store %0, %y[%i] : memref<17xi32>
  }
  return
}
