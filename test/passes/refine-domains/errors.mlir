// RUN: polystage-opt --refine-domains --split-input-file --verify-diagnostics %s

func.func @main(%a: memref<8xf32> {polystage.name = "a"}) {
  // expected-error @below {{nest depends on the order of its iterations and accesses what it stores through mod or floordiv; use a loop for each digit}}
  affine.for %i = 0 to 7 {
    %0 = affine.load %a[%i floordiv 2] : memref<8xf32>
    affine.store %0, %a[%i + 1] : memref<8xf32>
  }
  return
}

// -----

func.func @main(%a: memref<1xf32>, %b: memref<101x101x101xf32>) {
  // expected-error @below {{nest falls into more than 4096 pieces with linear accesses; simplify its index arithmetic}}
  affine.for %i = 0 to 101 {
    affine.for %j = 0 to 101 {
      affine.for %k = 0 to 101 {
        %0 = affine.load %a[((%i * 7 + %j * 11 + %k * 13) mod 97) floordiv 97] : memref<1xf32>
        affine.store %0, %b[%i, %j, %k] : memref<101x101x101xf32>
      }
    }
  }
  return
}

// -----

func.func @main(%a: memref<8xf32>, %b: memref<8xf32>) {
  // expected-error @below {{domain cannot be split: a nest has one store; run lower-to-affine first}}
  affine.for %i = 0 to 8 {
    %0 = affine.load %a[%i] : memref<8xf32>
    affine.store %0, %b[%i] : memref<8xf32>
    affine.store %0, %b[%i] : memref<8xf32>
  }
  return
}

// -----

func.func @main(%a: memref<8xf32>, %b: memref<8xf32>) {
  %c = affine.apply affine_map<() -> (3)>()
  // expected-error @below {{domain cannot be split: an index is computed outside of the access maps}}
  affine.for %i = 0 to 8 {
    %0 = affine.load %a[(%i + %c) mod 8] : memref<8xf32>
    affine.store %0, %b[%i] : memref<8xf32>
  }
  return
}

// -----

func.func @main(%a: memref<8xf32>, %b: memref<8xf32>) {
  // expected-error @below {{domain cannot be split: d0 floordiv -2: the divisor is not positive}}
  affine.for %i = 0 to 8 {
    %0 = affine.load %a[%i floordiv -2 + 7] : memref<8xf32>
    affine.store %0, %b[%i] : memref<8xf32>
  }
  return
}

// -----

func.func @main(%a: memref<8xf32>, %b: memref<8xf32>) {
  // expected-error @below {{domain cannot be split: loop does not run from 0 with step 1}}
  affine.for %i = 1 to 8 {
    %0 = affine.load %a[%i mod 4] : memref<8xf32>
    affine.store %0, %b[%i] : memref<8xf32>
  }
  return
}

// -----

// expected-error @unknown {{module has no function @main}}
func.func @other() {
  return
}
