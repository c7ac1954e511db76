// A result that is filled with zeros before its one contraction is not filled; where one elementwise nest is all that
// reads it, it is not made either: the nest takes its elements from PSUM, where tiles lie in several banks in turn.
// RUN: polystage-opt --set-target=name=tiny --lower-to-npu --mlir-print-local-scope --split-input-file %s | FileCheck %s
// RUN: polystage-opt --set-target=name=tiny --lower-to-npu=strategy=sbuf --mlir-print-local-scope --split-input-file %s | FileCheck %s --check-prefix=COPIED

// CHECK-LABEL: func.func @main
// CHECK: %[[B:[a-z_0-9]+]] = memref.alloc() {polystage.name = "b"}
// CHECK-NOT: polystage.name = "t"
// CHECK: %[[Y:[a-z_0-9]+]] = memref.alloc() {polystage.name = "y"}
// CHECK-NOT: npu.memset
// CHECK: affine.for %[[N:.*]] = 0 to 2 {
// CHECK: "npu.matmul"(%[[P:[a-z_0-9]+]], {{.*}} {accumulate = false,
// CHECK: "npu.activation"(%[[Y]], %[[P]], %[[B]],
// CHECK-SAME: func = "exp"
// COPIED-LABEL: func.func @main
// COPIED: %[[T:[a-z_0-9]+]] = memref.alloc() {polystage.name = "t"}
// COPIED-NOT: npu.memset
// COPIED: "npu.activation"(%[[T]],
// COPIED: "npu.activation"(%{{[a-z_0-9]+}}, %[[T]],
func.func @main() {
  %x = memref.alloc() {polystage.name = "x"} : memref<8x3x20xf32, #npu.sbuf>
  %w = memref.alloc() {polystage.name = "w"} : memref<8x3x4xf32, #npu.sbuf>
  %b = memref.alloc() {polystage.name = "b"} : memref<4xf32, #npu.sbuf>
  %t = memref.alloc() {polystage.name = "t"} : memref<4x20xf32, #npu.sbuf>
  %y = memref.alloc() {polystage.name = "y"} : memref<4x20xf32, #npu.sbuf>
  %zero = arith.constant 0.0 : f32
  affine.for %m = 0 to 4 {
    affine.for %n = 0 to 20 {
      affine.store %zero, %t[%m, %n] : memref<4x20xf32, #npu.sbuf>
    }
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %m = 0 to 4 {
    affine.for %n = 0 to 20 {
      affine.for %s = 0 to 3 {
        affine.for %k = 0 to 8 {
          %0 = affine.load %x[%k, %s, %n] : memref<8x3x20xf32, #npu.sbuf>
          %1 = affine.load %w[%k, %s, %m] : memref<8x3x4xf32, #npu.sbuf>
          %2 = affine.load %t[%m, %n] : memref<4x20xf32, #npu.sbuf>
          %3 = arith.mulf %0, %1 : f32
          %4 = arith.addf %2, %3 : f32
          affine.store %4, %t[%m, %n] : memref<4x20xf32, #npu.sbuf>
        }
      }
    }
  } {npu.nest = "compute", npu.implementation = {kind = "contraction", lane = 3 : i64, rows = 0 : i64, stationary = 1 : i64}}
  affine.for %m = 0 to 4 {
    affine.for %n = 0 to 20 {
      %0 = affine.load %t[%m, %n] : memref<4x20xf32, #npu.sbuf>
      %1 = affine.load %b[%m] : memref<4xf32, #npu.sbuf>
      %2 = arith.addf %0, %1 : f32
      %3 = math.exp %2 : f32
      affine.store %3, %y[%m, %n] : memref<4x20xf32, #npu.sbuf>
    }
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  return
}

// -----

// What the contraction reads is overwritten before the epilogue: it stays where it is, its result is copied.
// CHECK-LABEL: func.func @main
// CHECK: %[[T:[a-z_0-9]+]] = memref.alloc() {polystage.name = "t"}
// CHECK: "npu.matmul"
// CHECK: "npu.activation"(%[[T]],
// CHECK: "npu.memset"
// CHECK: "npu.activation"(%{{[a-z_0-9]+}}, %[[T]],
// COPIED: func.func @main
func.func @main() {
  %x = memref.alloc() {polystage.name = "x"} : memref<8x3x20xf32, #npu.sbuf>
  %w = memref.alloc() {polystage.name = "w"} : memref<8x3x4xf32, #npu.sbuf>
  %b = memref.alloc() {polystage.name = "b"} : memref<4xf32, #npu.sbuf>
  %t = memref.alloc() {polystage.name = "t"} : memref<4x20xf32, #npu.sbuf>
  %y = memref.alloc() {polystage.name = "y"} : memref<4x20xf32, #npu.sbuf>
  %zero = arith.constant 0.0 : f32
  affine.for %m = 0 to 4 {
    affine.for %n = 0 to 20 {
      affine.store %zero, %t[%m, %n] : memref<4x20xf32, #npu.sbuf>
    }
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %m = 0 to 4 {
    affine.for %n = 0 to 20 {
      affine.for %s = 0 to 3 {
        affine.for %k = 0 to 8 {
          %0 = affine.load %x[%k, %s, %n] : memref<8x3x20xf32, #npu.sbuf>
          %1 = affine.load %w[%k, %s, %m] : memref<8x3x4xf32, #npu.sbuf>
          %2 = affine.load %t[%m, %n] : memref<4x20xf32, #npu.sbuf>
          %3 = arith.mulf %0, %1 : f32
          %4 = arith.addf %2, %3 : f32
          affine.store %4, %t[%m, %n] : memref<4x20xf32, #npu.sbuf>
        }
      }
    }
  } {npu.nest = "compute", npu.implementation = {kind = "contraction", lane = 3 : i64, rows = 0 : i64, stationary = 1 : i64}}
  affine.for %k = 0 to 8 {
    affine.for %n = 0 to 20 {
      affine.store %zero, %x[%k, 0, %n] : memref<8x3x20xf32, #npu.sbuf>
    }
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %m = 0 to 4 {
    affine.for %n = 0 to 20 {
      %0 = affine.load %t[%m, %n] : memref<4x20xf32, #npu.sbuf>
      %1 = affine.load %b[%m] : memref<4xf32, #npu.sbuf>
      %2 = arith.addf %0, %1 : f32
      %3 = math.exp %2 : f32
      affine.store %3, %y[%m, %n] : memref<4x20xf32, #npu.sbuf>
    }
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  return
}

// -----

// Two nests read the result.
// CHECK-LABEL: func.func @main
// CHECK: %[[T:[a-z_0-9]+]] = memref.alloc() {polystage.name = "t"}
// CHECK: "npu.activation"(%[[T]],
// CHECK-COUNT-2: "npu.activation"(%{{[a-z_0-9]+}}, %[[T]],
// COPIED: func.func @main
func.func @main() {
  %x = memref.alloc() {polystage.name = "x"} : memref<8x3x20xf32, #npu.sbuf>
  %w = memref.alloc() {polystage.name = "w"} : memref<8x3x4xf32, #npu.sbuf>
  %b = memref.alloc() {polystage.name = "b"} : memref<4xf32, #npu.sbuf>
  %t = memref.alloc() {polystage.name = "t"} : memref<4x20xf32, #npu.sbuf>
  %y = memref.alloc() {polystage.name = "y"} : memref<4x20xf32, #npu.sbuf>
  %zero = arith.constant 0.0 : f32
  affine.for %m = 0 to 4 {
    affine.for %n = 0 to 20 {
      affine.store %zero, %t[%m, %n] : memref<4x20xf32, #npu.sbuf>
    }
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %m = 0 to 4 {
    affine.for %n = 0 to 20 {
      affine.for %s = 0 to 3 {
        affine.for %k = 0 to 8 {
          %0 = affine.load %x[%k, %s, %n] : memref<8x3x20xf32, #npu.sbuf>
          %1 = affine.load %w[%k, %s, %m] : memref<8x3x4xf32, #npu.sbuf>
          %2 = affine.load %t[%m, %n] : memref<4x20xf32, #npu.sbuf>
          %3 = arith.mulf %0, %1 : f32
          %4 = arith.addf %2, %3 : f32
          affine.store %4, %t[%m, %n] : memref<4x20xf32, #npu.sbuf>
        }
      }
    }
  } {npu.nest = "compute", npu.implementation = {kind = "contraction", lane = 3 : i64, rows = 0 : i64, stationary = 1 : i64}}
  affine.for %m = 0 to 4 {
    affine.for %n = 0 to 20 {
      %0 = affine.load %t[%m, %n] : memref<4x20xf32, #npu.sbuf>
      %1 = affine.load %b[%m] : memref<4xf32, #npu.sbuf>
      %2 = arith.addf %0, %1 : f32
      %3 = math.exp %2 : f32
      affine.store %3, %y[%m, %n] : memref<4x20xf32, #npu.sbuf>
    }
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %m = 0 to 4 {
    affine.for %n = 0 to 20 {
      %0 = affine.load %t[%m, %n] : memref<4x20xf32, #npu.sbuf>
      %1 = affine.load %b[%m] : memref<4xf32, #npu.sbuf>
      %2 = arith.addf %0, %1 : f32
      %3 = math.exp %2 : f32
      affine.store %3, %y[%m, %n] : memref<4x20xf32, #npu.sbuf>
    }
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  return
}

// -----

// The sum over 12 lanes takes two products that no loop joins: each is added to what is there.
// CHECK-LABEL: func.func @main
// CHECK: %[[T:[a-z_0-9]+]] = memref.alloc() {polystage.name = "t"}
// CHECK: "npu.memset"(%[[T]])
// CHECK-COUNT-2: "npu.tensor_tensor"(%[[T]], %[[T]],
// COPIED: func.func @main
func.func @main() {
  %x = memref.alloc() {polystage.name = "x"} : memref<12x4xf32, affine_map<(d0, d1) -> (d0 mod 8, d0 floordiv 8, d1)>, #npu.sbuf>
  %w = memref.alloc() {polystage.name = "w"} : memref<12x4xf32, affine_map<(d0, d1) -> (d0 mod 8, d0 floordiv 8, d1)>, #npu.sbuf>
  %t = memref.alloc() {polystage.name = "t"} : memref<4x4xf32, #npu.sbuf>
  %zero = arith.constant 0.0 : f32
  affine.for %m = 0 to 4 {
    affine.for %n = 0 to 4 {
      affine.store %zero, %t[%m, %n] : memref<4x4xf32, #npu.sbuf>
    }
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %m = 0 to 4 {
    affine.for %n = 0 to 4 {
      affine.for %k = 0 to 12 {
        %0 = affine.load %x[%k, %n] : memref<12x4xf32, affine_map<(d0, d1) -> (d0 mod 8, d0 floordiv 8, d1)>, #npu.sbuf>
        %1 = affine.load %w[%k, %m] : memref<12x4xf32, affine_map<(d0, d1) -> (d0 mod 8, d0 floordiv 8, d1)>, #npu.sbuf>
        %2 = affine.load %t[%m, %n] : memref<4x4xf32, #npu.sbuf>
        %3 = arith.mulf %0, %1 : f32
        %4 = arith.addf %2, %3 : f32
        affine.store %4, %t[%m, %n] : memref<4x4xf32, #npu.sbuf>
      }
    }
  } {npu.nest = "compute", npu.implementation = {kind = "contraction", lane = 2 : i64, rows = 0 : i64, stationary = 1 : i64}}
  return
}

// -----

// Heads on different lanes: a product and an epilogue for each, which starts at its own lanes, and no loop around.
// CHECK-LABEL: func.func @main
// CHECK-NOT: polystage.name = "t"
// CHECK: %[[Y:[a-z_0-9]+]] = memref.alloc() {polystage.name = "y"}
// CHECK-NOT: affine.for
// CHECK: "npu.matmul"(%[[P:[a-z_0-9]+]],
// CHECK-SAME: (d0, d1, d2) -> (d0, d2)>
// CHECK: "npu.activation"(%[[Y]], %[[P]])
// CHECK-SAME: func = "exp", maps = [affine_map<(d0, d1) -> (d0, 0, d1)>, affine_map<(d0, d1) -> (d0, d1)>]
// CHECK: "npu.matmul"(%[[Q:[a-z_0-9]+]],
// CHECK-SAME: (d0, d1, d2) -> (d0 + 4, d2)>
// CHECK: "npu.activation"(%[[Y]], %[[Q]])
// CHECK-SAME: func = "exp", maps = [affine_map<(d0, d1) -> (d0, 1, d1)>, affine_map<(d0, d1) -> (d0, d1)>]
// COPIED: func.func @main
// COPIED: %[[T:[a-z_0-9]+]] = memref.alloc() {polystage.name = "t"}
// COPIED-NOT: npu.memset
// COPIED: "npu.activation"(%[[T]],
// COPIED: "npu.activation"(%[[T]],
func.func @main() {
  %q = memref.alloc() {polystage.name = "q"} : memref<8x6xf32, #npu.sbuf>
  %k = memref.alloc() {polystage.name = "k"} : memref<8x5xf32, #npu.sbuf>
  %t = memref.alloc() {polystage.name = "t"} : memref<6x2x5xf32, #npu.sbuf>
  %y = memref.alloc() {polystage.name = "y"} : memref<6x2x5xf32, #npu.sbuf>
  %zero = arith.constant 0.0 : f32
  affine.for %m = 0 to 6 {
    affine.for %h = 0 to 2 {
      affine.for %n = 0 to 5 {
        affine.store %zero, %t[%m, %h, %n] : memref<6x2x5xf32, #npu.sbuf>
      }
    }
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  affine.for %m = 0 to 6 {
    affine.for %h = 0 to 2 {
      affine.for %n = 0 to 5 {
        affine.for %d = 0 to 4 {
          %0 = affine.load %q[%h * 4 + %d, %m] : memref<8x6xf32, #npu.sbuf>
          %1 = affine.load %k[%h * 4 + %d, %n] : memref<8x5xf32, #npu.sbuf>
          %2 = affine.load %t[%m, %h, %n] : memref<6x2x5xf32, #npu.sbuf>
          %3 = arith.mulf %0, %1 : f32
          %4 = arith.addf %2, %3 : f32
          affine.store %4, %t[%m, %h, %n] : memref<6x2x5xf32, #npu.sbuf>
        }
      }
    }
  } {npu.nest = "compute", npu.implementation = {kind = "contraction", lane = 3 : i64, rows = 0 : i64, stationary = 0 : i64}}
  affine.for %m = 0 to 6 {
    affine.for %h = 0 to 2 {
      affine.for %n = 0 to 5 {
        %0 = affine.load %t[%m, %h, %n] : memref<6x2x5xf32, #npu.sbuf>
        %1 = math.exp %0 : f32
        affine.store %1, %y[%m, %h, %n] : memref<6x2x5xf32, #npu.sbuf>
      }
    }
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  return
}
