// Three taps of a stride of two: with all of them beside each other rows are read again, with two a tap of zeros is added.
// RUN: polystage-opt --set-target=name=tiny --pack-taps="dram=1 rows=read" --mlir-pass-statistics %s 2>%t | FileCheck %s
// RUN: FileCheck %s --check-prefix=STATS --input-file=%t
// RUN: polystage-opt --set-target=name=tiny --pack-taps="padding=1 rows=read" %s | FileCheck %s --check-prefix=PADDED
// RUN: polystage-opt --set-target=name=tiny --pack-taps=rows=read %s | FileCheck %s --check-prefix=STAYS
// RUN: polystage-opt --set-target=name=tiny --pack-taps="strategy=off dram=1" %s | FileCheck %s --check-prefix=STAYS
// RUN: polystage-opt --set-target=name=tiny --pack-taps %s | FileCheck %s --check-prefix=COPIED
// RUN: polystage-opt --set-target="name=tiny sbuf=8192" --pack-taps %s | FileCheck %s --check-prefix=COPIED
// RUN: polystage-opt --set-target="name=tiny sbuf=2048" --pack-taps %s | FileCheck %s --check-prefix=STAYS

// Without bytes read again: even and odd rows are read once, and the third tap takes those of the first one, the next
// rows, from its lanes. With little room it stays.
// COPIED:       %[[T:.*]] = memref.alloc() {polystage.name = "t.taps"} : memref<6x4x9xf32>
// COPIED:       %[[R:.*]] = memref.alloc() {polystage.name = "t.rows"} : memref<4x5x9xf32>
// COPIED:       affine.load %{{.*}}[%{{.*}}, (%[[I:.*]] + 1) * 2 - 1, %{{.*}}] : memref<2x8x8xf32>
// COPIED:       affine.load %{{.*}}[%{{.*}}, %[[I:.*]] * 2, %{{.*}}] : memref<2x8x8xf32>
// COPIED:       affine.load %[[R]][%[[C:.*]], %[[I:.*]], %[[J:.*]]]
// COPIED-NEXT:  affine.store %{{.*}}, %[[T]][%[[C]], %[[I]], %[[J]]]
// COPIED:       npu.implementation = {kind = "relayout"}
// COPIED:       affine.load %[[R]][%[[C:.*]] + 2, %[[I:.*]], %[[J:.*]]]
// COPIED-NEXT:  affine.store %{{.*}}, %[[T]][%[[C]] + 2, %[[I]], %[[J]]]
// COPIED:       affine.load %[[R]][%[[C:.*]], %[[I:.*]] + 1, %[[J:.*]]]
// COPIED-NEXT:  affine.store %{{.*}}, %[[T]][%[[C]] + 4, %[[I]], %[[J]]]
// COPIED:       affine.load %[[T]]

// STATS-DAG: 1 packed
// STATS-DAG: 256 bytes
// STATS-DAG: 0 products
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %[[W:[a-z0-9]+]]: memref<4x6x1x3xf32> {polystage.kind = "parameter", polystage.name = "w.taps"}
// CHECK-SAME:    %[[X:[a-z0-9]+]]: memref<2x8x8xf32>
// CHECK:       %[[T:.*]] = memref.alloc() {polystage.name = "t.taps"} : memref<6x4x9xf32>
// The left column of all lanes, the first row of the first two.
// CHECK:       affine.store %{{.*}}, %[[T]][%{{.*}}, %{{.*}}, 0]
// CHECK:       affine.store %{{.*}}, %[[T]][%{{.*}}, 0, %{{.*}} + 1]
// CHECK:       affine.for %[[C:.*]] = 0 to 2
// CHECK-NEXT:    affine.for %[[I:.*]] = 0 to 3
// CHECK:           affine.load %[[X]][%[[C]], (%[[I]] + 1) * 2 - 1, %[[J:.*]]]
// CHECK-NEXT:      affine.store %{{.*}}, %[[T]][%[[C]], %[[I]] + 1, %[[J]] + 1]
// CHECK:           affine.load %[[X]][%[[C:.*]], %[[I:.*]] * 2, %[[J:.*]]]
// CHECK-NEXT:      affine.store %{{.*}}, %[[T]][%[[C]] + 2, %[[I]], %[[J]] + 1]
// CHECK:           affine.load %[[X]][%[[C:.*]], %[[I:.*]] * 2 + 1, %[[J:.*]]]
// CHECK-NEXT:      affine.store %{{.*}}, %[[T]][%[[C]] + 4, %[[I]], %[[J]] + 1]
// CHECK:       affine.for %[[M:.*]] = 0 to 4
// CHECK-NEXT:    affine.for %[[I:.*]] = 0 to 4
// CHECK-NEXT:      affine.for %[[J:.*]] = 0 to 4
// CHECK-NEXT:        affine.for %[[K:.*]] = 0 to 6
// CHECK-NEXT:          affine.for %[[S:.*]] = 0 to 3
// CHECK:                 affine.load %[[W]][%[[M]], %[[K]], 0, %[[S]]]
// CHECK-NEXT:            affine.load %[[T]][%[[K]], %[[I]], %[[J]] * 2 + %[[S]]]
// CHECK-LABEL: func.func @load(
// CHECK-SAME:    %[[FROM:[a-z0-9]+]]: memref<4x2x3x3xf32>
// CHECK-SAME:    %[[TO:[a-z0-9]+]]: memref<4x6x1x3xf32> {polystage.kind = "output", polystage.name = "w.taps"}
// CHECK:       affine.load %[[FROM]][%[[M:.*]], %[[C:.*]], 2, %[[S:.*]]]
// CHECK-NEXT:  affine.store %{{.*}}, %[[TO]][%[[M]], %[[C]] + 4, 0, %[[S]]]

// PADDED-LABEL: func.func @main(
// PADDED-SAME:    memref<4x4x2x3xf32> {polystage.kind = "parameter", polystage.name = "w.taps"}
// PADDED:       memref.alloc() {polystage.name = "t.taps"} : memref<4x5x9xf32>
// PADDED:       affine.load %{{.*}}[%{{.*}}, %{{.*}} + %{{.*}}, %{{.*}} * 2 + %{{.*}}] : memref<4x5x9xf32>
// PADDED-LABEL: func.func @load(
// PADDED:       %[[ZERO:.*]] = arith.constant 0.0
// PADDED:       affine.store %[[ZERO]], %{{.*}} : memref<4x4x2x3xf32>
// PADDED:       affine.load %{{.*}}[%{{.*}}, %{{.*}}, %[[R:.*]] * 2, %{{.*}}] : memref<4x2x3x3xf32>

// STAYS:        polystage.name = "w"}
// STAYS-NOT:    taps
func.func @main(%w: memref<4x2x3x3xf32> {polystage.kind = "parameter", polystage.name = "w"},
                %x: memref<2x8x8xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<4x4x4xf32> {polystage.kind = "output", polystage.name = "y"}) {
  %zero = arith.constant 0.0 : f32
  %t = memref.alloc() {polystage.name = "t"} : memref<2x9x9xf32>
  affine.for %c = 0 to 2 {
    affine.for %j = 0 to 9 {
      affine.store %zero, %t[%c, 0, %j] : memref<2x9x9xf32>
    }
  }
  affine.for %c = 0 to 2 {
    affine.for %i = 0 to 8 {
      affine.store %zero, %t[%c, %i + 1, 0] : memref<2x9x9xf32>
    }
  }
  affine.for %c = 0 to 2 {
    affine.for %i = 0 to 8 {
      affine.for %j = 0 to 8 {
        %0 = affine.load %x[%c, %i, %j] : memref<2x8x8xf32>
        affine.store %0, %t[%c, %i + 1, %j + 1] : memref<2x9x9xf32>
      }
    }
  }
  affine.for %m = 0 to 4 {
    affine.for %i = 0 to 4 {
      affine.for %j = 0 to 4 {
        affine.store %zero, %y[%m, %i, %j] : memref<4x4x4xf32>
      }
    }
  }
  affine.for %m = 0 to 4 {
    affine.for %i = 0 to 4 {
      affine.for %j = 0 to 4 {
        affine.for %c = 0 to 2 {
          affine.for %r = 0 to 3 {
            affine.for %s = 0 to 3 {
              %0 = affine.load %y[%m, %i, %j] : memref<4x4x4xf32>
              %1 = affine.load %w[%m, %c, %r, %s] : memref<4x2x3x3xf32>
              %2 = affine.load %t[%c, %i * 2 + %r, %j * 2 + %s] : memref<2x9x9xf32>
              %3 = arith.mulf %1, %2 : f32
              %4 = arith.addf %0, %3 : f32
              affine.store %4, %y[%m, %i, %j] : memref<4x4x4xf32>
            }
          }
        }
      }
    }
  }
  return
}
