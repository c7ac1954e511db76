// RUN: polystage-opt --verify-eliminations=before=%S/inputs/copied.mlir --verify-diagnostics --split-input-file %s

module attributes {polystage.certificates = [
  {kind = "coalesce", array = "t1", source = "t2", map = affine_map<(d0, d1) -> (d0, d1 + 1)>,
   domain = affine_set<(d0, d1) : (d0 >= 0, -d0 + 5 >= 0, d1 >= 0, -d1 + 3 >= 0)>}]} {
  func.func @main(%x: memref<4x6xf32> {polystage.kind = "input", polystage.name = "x"},
                  %y: memref<6x5xf32> {polystage.kind = "output", polystage.name = "output0"}) {
    %zero = arith.constant 0.0 : f32
    %t2 = memref.alloc() {polystage.name = "t2"} : memref<6x5xf32>
    affine.for %i = 0 to 6 {
      affine.store %zero, %t2[%i, 0] : memref<6x5xf32>
    }
    // expected-error @below {{nest of t2: reads another value at iteration (0, 0): x[3, 0] instead of x[0, 0] (broken: every operand has the same ultimate source as in the original)}}
    affine.for %i = 0 to 6 {
      affine.for %j = 0 to 4 {
        %0 = affine.load %x[-%j + 3, %i] : memref<4x6xf32>
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

// -----

module {
  // expected-error @below {{output of output0: element [0, 0]: nothing written instead of iteration (0, 0) of output0#0 (broken: a nest whose result is used is there)}}
  func.func @main(%x: memref<4x6xf32> {polystage.kind = "input", polystage.name = "x"},
                  %y: memref<6x5xf32> {polystage.kind = "output", polystage.name = "output0"}) {
    return
  }
}

// -----

module {
  func.func @main(%x: memref<4x6xf32> {polystage.kind = "input", polystage.name = "x"},
                  %y: memref<6x5xf32> {polystage.kind = "output", polystage.name = "output0"}) {
    %t1 = memref.alloc() {polystage.name = "t1"} : memref<6x4xf32>
    affine.for %i = 0 to 6 {
      affine.for %j = 0 to 4 {
        %0 = affine.load %x[%j, %i] : memref<4x6xf32>
        %1 = math.exp %0 : f32
        affine.store %1, %t1[%i, %j] : memref<6x4xf32>
      }
    } {polystage.origin = "t1#0"}
    // expected-error @below {{nest of output0: iteration (0, 0) of output0#0 is not done (broken: the pieces of a nest make up its domain, each iteration once)}}
    // expected-error @below {{output of output0: element [0, 0]: nothing written instead of iteration (0, 0) of output0#0}}
    affine.for %i = 0 to 6 {
      affine.for %j = 0 to 4 {
        %0 = affine.load %t1[%i, %j] : memref<6x4xf32>
        %1 = math.exp %0 : f32
        affine.store %1, %y[%i, %j + 1] : memref<6x5xf32>
      }
    } {polystage.origin = "output0#0"}
    return
  }
}

// -----

// The program is right, the certificate is not.

module attributes {polystage.certificates = [
  {kind = "forward", array = "t0", source = "x", map = affine_map<(d0, d1) -> (d1, d0)>,
   domain = affine_set<(d0, d1) : (d0 >= 0, -d0 + 4 >= 0, d1 >= 0, -d1 + 3 >= 0)>}]} {
  // expected-error @below {{forward of t0, x: element [5, 0] of 't0' is needed and has no certificate (broken: the certificates of an array cover what is needed of it)}}
  func.func @main(%x: memref<4x6xf32> {polystage.kind = "input", polystage.name = "x"},
                  %y: memref<6x5xf32> {polystage.kind = "output", polystage.name = "output0"}) {
    %zero = arith.constant 0.0 : f32
    %t1 = memref.alloc() {polystage.name = "t1"} : memref<6x4xf32>
    affine.for %i = 0 to 6 {
      affine.for %j = 0 to 4 {
        %0 = affine.load %x[%j, %i] : memref<4x6xf32>
        %1 = math.exp %0 : f32
        affine.store %1, %t1[%i, %j] : memref<6x4xf32>
      }
    } {polystage.origin = "t1#0"}
    affine.for %i = 0 to 6 {
      affine.for %j = 0 to 4 {
        %0 = affine.load %t1[%i, %j] : memref<6x4xf32>
        %1 = math.exp %0 : f32
        affine.store %1, %y[%i, %j + 1] : memref<6x5xf32>
      }
    } {polystage.origin = "output0#0"}
    affine.for %i = 0 to 6 {
      %1 = math.exp %zero : f32
      affine.store %1, %y[%i, 0] : memref<6x5xf32>
    } {polystage.origin = "output0#0"}
    return
  }
}

// -----

// expected-error @below {{certificate without domain and map}}
module attributes {polystage.certificates = [{kind = "forward", array = "t0", source = "x"}]} {
  func.func @main() {
    return
  }
}
