// RUN: polystage-opt %s --set-target="name=tiny sbuf=288" --fuse-nests 2>&1 | FileCheck %s
// RUN: polystage-opt %s --fuse-nests | FileCheck %s --check-prefix=FREE

// Nine buffers and a temporary of four bytes do not fit into a lane of this target, eight and a temporary do.
// CHECK:       remark: not merged into the nest that reads it: its smallest tile would need {{[0-9,]+}} bytes per lane, tiny has {{[0-9,]+}}
// CHECK-COUNT-2: affine.store
// CHECK-NOT:   affine.store
// FREE:        affine.store
// FREE-NOT:    affine.store
func.func @main(%x0: memref<8xf32> {polystage.kind = "input", polystage.name = "x0"},
                %x1: memref<8xf32> {polystage.kind = "input", polystage.name = "x1"},
                %x2: memref<8xf32> {polystage.kind = "input", polystage.name = "x2"},
                %x3: memref<8xf32> {polystage.kind = "input", polystage.name = "x3"},
                %x4: memref<8xf32> {polystage.kind = "input", polystage.name = "x4"},
                %x5: memref<8xf32> {polystage.kind = "input", polystage.name = "x5"},
                %x6: memref<8xf32> {polystage.kind = "input", polystage.name = "x6"},
                %x7: memref<8xf32> {polystage.kind = "input", polystage.name = "x7"},
                %y: memref<8xf32> {polystage.kind = "output", polystage.name = "y"}) {
  %t0 = memref.alloc() {polystage.name = "t0"} : memref<8xf32>
  affine.for %i = 0 to 8 {
    %0 = affine.load %x0[%i] : memref<8xf32>
    %1 = affine.load %x1[%i] : memref<8xf32>
    %2 = affine.load %x2[%i] : memref<8xf32>
    %3 = affine.load %x3[%i] : memref<8xf32>
    %4 = affine.load %x4[%i] : memref<8xf32>
    %5 = affine.load %x5[%i] : memref<8xf32>
    %6 = affine.load %x6[%i] : memref<8xf32>
    %a0 = arith.addf %0, %1 : f32
    %a1 = arith.addf %a0, %2 : f32
    %a2 = arith.addf %a1, %3 : f32
    %a3 = arith.addf %a2, %4 : f32
    %a4 = arith.addf %a3, %5 : f32
    %a5 = arith.addf %a4, %6 : f32
    affine.store %a5, %t0[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %t0[%i] : memref<8xf32>
    %1 = affine.load %x7[%i] : memref<8xf32>
    %2 = arith.addf %0, %1 : f32
    affine.store %2, %y[%i] : memref<8xf32>
  }
  return
}
