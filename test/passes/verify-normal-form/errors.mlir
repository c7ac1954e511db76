// RUN: polystage-opt %s --verify-normal-form --split-input-file --verify-diagnostics

// expected-error@+1 {{'@main' and at most '@load' beside it, this one has}}
module {
func.func private @other()
func.func @main(%x: memref<8xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<8xf32> {polystage.kind = "output", polystage.name = "output0"}) {
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[%i] : memref<8xf32>
    affine.store %0, %y[%i] : memref<8xf32>
  }
  return
}
}

// -----

// expected-error@+1 {{results must be arguments of kind 'output'}}
func.func @main(%x: memref<8xf32> {polystage.kind = "input", polystage.name = "x"}) -> memref<8xf32> {
  return %x : memref<8xf32>
}

// -----

// Arguments: kind, order, name, type.
func.func @main(
    // expected-error@+1 {{argument 0 must have polystage.kind, one of buffer, constant, input, output, parameter}}
    %a: memref<8xf32> {polystage.name = "a"},
    // expected-error@+1 {{argument 1 must have polystage.name}}
    %b: memref<8xf32> {polystage.kind = "input"},
    // expected-error@+1 {{the array is never written}}
    %c: memref<8xf32> {polystage.kind = "output", polystage.name = "c"},
    // expected-error@+1 {{argument 3 of kind 'input' comes after an output}}
    %d: memref<8xf32> {polystage.kind = "input", polystage.name = "d"},
    // expected-error@+1 {{the name 'd' is used twice}}
    %e: memref<8xf32> {polystage.kind = "input", polystage.name = "d"},
    // expected-error@+1 {{argument 5 has element type i64, must be one of i1, i8, i32, f16, bf16, f32}}
    %f: memref<8xi64> {polystage.kind = "input", polystage.name = "f"},
    // expected-error@+1 {{argument 6 has type memref<?xf32>, must have a static shape}}
    %g: memref<?xf32> {polystage.kind = "input", polystage.name = "g"},
    // expected-error@+1 {{argument 7 has type tensor<8xf32>, must be a memref}}
    %h: tensor<8xf32> {polystage.kind = "input", polystage.name = "h"},
    // expected-error@+1 {{must be in the default memory space with the identity layout}}
    %k: memref<8xf32, strided<[2]>> {polystage.kind = "input", polystage.name = "k"},
    // expected-error@+1 {{must be in the default memory space with the identity layout}}
    %l: memref<8xf32, 1> {polystage.kind = "input", polystage.name = "l"}) {
  return
}

// -----

// Globals.
// expected-error@+1 {{a global that repeats one number must be a scalar constant}}
memref.global "private" constant @splat : memref<8xf32> = dense<1.0>
// expected-error@+1 {{a global must have dense contents}}
memref.global "private" @nothing : memref<8xf32> = uninitialized
func.func @main(%x: memref<8xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<8xf32> {polystage.kind = "output", polystage.name = "output0"}) {
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[%i] : memref<8xf32>
    affine.store %0, %y[%i] : memref<8xf32>
  }
  return
}

// -----

// Allocations.
func.func @main(%x: memref<8xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<8xf32> {polystage.kind = "output", polystage.name = "output0"}) {
  // expected-error@+1 {{an allocated array is named t<number>, not 'temporary'}}
  %a = memref.alloc() {polystage.name = "temporary"} : memref<8xf32>
  // expected-error@+1 {{the allocated array must have polystage.name}}
  %b = memref.alloc() : memref<8xf32>
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[%i] : memref<8xf32>
    affine.store %0, %a[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[%i] : memref<8xf32>
    affine.store %0, %b[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %a[%i] : memref<8xf32>
    %1 = affine.load %b[%i] : memref<8xf32>
    %2 = arith.addf %0, %1 : f32
    affine.store %2, %y[%i] : memref<8xf32>
  }
  return
}

// -----

// Operations between nests.
func.func @main(%x: memref<8xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<8xf32> {polystage.kind = "output", polystage.name = "output0"}) {
  // expected-error@+1 {{'memref.copy' does not belong between nests}}
  memref.copy %x, %y : memref<8xf32> to memref<8xf32>
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[%i] : memref<8xf32>
    affine.store %0, %y[%i] : memref<8xf32>
  }
  // expected-error@+1 {{scalar constants belong at the top of the function}}
  %late = arith.constant 1.0 : f32
  return
}

// -----

func.func @main(%x: memref<8xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<8xf32> {polystage.kind = "output", polystage.name = "output0"}) {
  // expected-error@+1 {{constants of type f64 do not occur in the normal form}}
  %wide = arith.constant 1.0 : f64
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[%i] : memref<8xf32>
    affine.store %0, %y[%i] : memref<8xf32>
  }
  return
}

// -----

// Loops.
func.func @main(%x: memref<8xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<8xf32> {polystage.kind = "output", polystage.name = "output0"}) {
  // expected-error@+1 {{a loop must run from 0 with step 1}}
  affine.for %i = 2 to 8 step 2 {
    %0 = affine.load %x[%i] : memref<8xf32>
    affine.store %0, %y[%i] : memref<8xf32>
  }
  // expected-error@+1 {{a loop of one trip must be promoted}}
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 1 {
      %0 = affine.load %x[%i] : memref<8xf32>
      affine.store %0, %y[%i] : memref<8xf32>
    }
  }
  affine.for %i = 0 to 8 {
    // expected-error@+1 {{loop bounds must be constants}}
    affine.for %j = 0 to affine_map<(d0) -> (d0)>(%i) {
      %0 = affine.load %x[%i] : memref<8xf32>
      affine.store %0, %y[%i] : memref<8xf32>
    }
  }
  // expected-error@+1 {{a loop must have at least one trip}}
  affine.for %i = 0 to 0 {
    %0 = affine.load %x[%i] : memref<8xf32>
    affine.store %0, %y[%i] : memref<8xf32>
  }
  return
}

// -----

// Bodies.
func.func @main(%x: memref<8xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<8xf32> {polystage.kind = "output", polystage.name = "output0"}) {
  // expected-error@+1 {{the nest is not perfect}}
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[%i] : memref<8xf32>
    affine.for %j = 0 to 8 {
      affine.store %0, %y[%i] : memref<8xf32>
    }
  }
  // expected-error@+1 {{the body of a nest has one store, at its end; this one has 2 stores}}
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[%i] : memref<8xf32>
    affine.store %0, %y[%i] : memref<8xf32>
    affine.store %0, %y[%i] : memref<8xf32>
  }
  // expected-error@+1 {{the body of a nest has one store, at its end; this one has 0 stores}}
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 8 {
    // expected-error@+1 {{the result is never used}}
    %0 = affine.load %x[0] : memref<8xf32>
    %1 = affine.load %x[%i] : memref<8xf32>
    affine.store %1, %y[%i] : memref<8xf32>
  }
  return
}

// -----

// Scalars.
func.func @main(%x: memref<8xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<8xf32> {polystage.kind = "output", polystage.name = "output0"}) {
  affine.for %i = 0 to 8 {
    // expected-error@+1 {{scalar constants belong at the top of the function}}
    %one = arith.constant 1.0 : f32
    %0 = affine.load %x[%i] : memref<8xf32>
    // expected-error@+1 {{scalars of type f64 do not occur in the normal form}}
    %1 = arith.extf %0 : f32 to f64
    // expected-error@+1 {{scalars of type f64 do not occur in the normal form}}
    %2 = arith.truncf %1 : f64 to f32
    %3 = arith.cmpf ogt, %2, %one : f32
    // expected-error@+1 {{i1 is unsigned; use arith.extui or arith.uitofp}}
    %4 = arith.sitofp %3 : i1 to f32
    // expected-error@+1 {{'vector.broadcast' does not belong in the body of a nest}}
    %5 = vector.broadcast %4 : f32 to vector<1xf32>
    // expected-error@+1 {{'vector.extract' does not belong in the body of a nest}}
    %6 = vector.extract %5[0] : f32 from vector<1xf32>
    affine.store %6, %y[%i] : memref<8xf32>
  }
  return
}

// -----

// Accesses.
func.func @main(%x: memref<8xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<8xf32> {polystage.kind = "output", polystage.name = "output0"}) {
  affine.for %i = 0 to 8 {
    // expected-error@+1 {{index 0 takes values from 1 to 8, outside of the 8 elements of the array}}
    %0 = affine.load %x[%i + 1] : memref<8xf32>
    // expected-error@+1 {{index 0 takes values from -4 to 3, outside of the 8 elements of the array}}
    affine.store %0, %y[%i - 4] : memref<8xf32>
  }
  // expected-error@+1 {{a nest carries polystage.indirect exactly if it has a memref.load or memref.store}}
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[%i] : memref<8xf32>
    affine.store %0, %y[%i] : memref<8xf32>
  } {polystage.indirect}
  // expected-error@+1 {{a nest carries polystage.indirect exactly if it has a memref.load or memref.store}}
  affine.for %i = 0 to 8 {
    %0 = affine.apply affine_map<(d0) -> (d0)>(%i)
    // expected-error@+1 {{all indices are affine; the access must be an affine one}}
    %1 = memref.load %x[%0] : memref<8xf32>
    affine.store %1, %y[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 8 {
    // expected-error@+1 {{an index must come from arith.index_cast, affine.apply or a constant}}
    %0 = memref.load %x[%i] : memref<8xf32>
    // expected-error@+1 {{an induction variable becomes a number through affine.apply and arith.index_cast}}
    %1 = arith.index_cast %i : index to i32
    %2 = arith.sitofp %1 : i32 to f32
    %3 = arith.addf %0, %2 : f32
    affine.store %3, %y[%i] : memref<8xf32>
  } {polystage.indirect}
  return
}

// -----

// Who writes what, and when.
func.func @main(%x: memref<8xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<8xf32> {polystage.kind = "output", polystage.name = "output0"}) {
  %t = memref.alloc() {polystage.name = "t0"} : memref<8xf32>
  // expected-error@+1 {{a nest stores to an output or an allocated array}}
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[%i] : memref<8xf32>
    affine.store %0, %x[%i] : memref<8xf32>
  }
  // expected-error@+1 {{the nest reads an array that no nest has written before}}
  affine.for %i = 0 to 8 {
    %0 = affine.load %t[%i] : memref<8xf32>
    affine.store %0, %y[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[%i] : memref<8xf32>
    affine.store %0, %t[%i] : memref<8xf32>
  }
  return
}

// -----

func.func @main(%x: memref<8xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<8xf32> {polystage.kind = "output", polystage.name = "output0"}) {
  // expected-error@+1 {{the array is never read}}
  %t = memref.alloc() {polystage.name = "t0"} : memref<8xf32>
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[%i] : memref<8xf32>
    affine.store %0, %y[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[%i] : memref<8xf32>
    affine.store %0, %t[%i] : memref<8xf32>
  }
  return
}
