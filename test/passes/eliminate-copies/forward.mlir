// RUN: polystage-opt %s --eliminate-copies | FileCheck %s
// RUN: polystage-opt %s --eliminate-copies=strategy=off | FileCheck %s --check-prefix=OFF

// A consumer of a transposed copy reads what was copied; the certificate says so.
// CHECK:       polystage.certificates = [{array = "t0", domain = #{{.*}}, kind = "forward", map = #[[MAP:.*]], origin = "t0#0", source = "x"}]
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %[[X:[a-z0-9]+]]: memref<8x4xf32>
// CHECK-NOT:   memref.alloc
// CHECK:       affine.for %[[I:.*]] = 0 to 4
// CHECK:         affine.for %[[J:.*]] = 0 to 8
// CHECK:           %[[V:.*]] = affine.load %[[X]][%[[J]], %[[I]]]
// CHECK:           math.exp %[[V]]
// CHECK:       polystage.origin = "output0#0"
// CHECK-NOT:   affine.for
// OFF-NOT:     polystage.origin
// OFF:         memref.alloc
func.func @main(%x: memref<8x4xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<4x8xf32> {polystage.kind = "output", polystage.name = "output0"}) {
  %t = memref.alloc() {polystage.name = "t0"} : memref<4x8xf32>
  affine.for %i = 0 to 4 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %x[%j, %i] : memref<8x4xf32>
      affine.store %0, %t[%i, %j] : memref<4x8xf32>
    }
  }
  affine.for %i = 0 to 4 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %t[%i, %j] : memref<4x8xf32>
      %1 = math.exp %0 : f32
      affine.store %1, %y[%i, %j] : memref<4x8xf32>
    }
  }
  return
}
