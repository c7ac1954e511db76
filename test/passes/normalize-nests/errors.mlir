// RUN: polystage-opt %s --normalize-nests --split-input-file --verify-diagnostics

func.func @main(%x: memref<8xf32>) {
  %zero = arith.constant 0.0 : f32
  affine.for %i = 0 to 8 {
    // expected-error@+1 {{loop bounds must be constants}}
    affine.for %j = 0 to affine_map<(d0) -> (d0)>(%i) {
      affine.store %zero, %x[%j] : memref<8xf32>
    }
  }
  return
}

// -----

func.func @main(%x: memref<8xf32>, %y: memref<f32>) {
  %zero = arith.constant 0.0 : f32
  // expected-error@+1 {{a loop that carries values is not supported}}
  %s = affine.for %i = 0 to 8 iter_args(%a = %zero) -> f32 {
    %v = affine.load %x[%i] : memref<8xf32>
    %b = arith.addf %a, %v : f32
    affine.yield %b : f32
  }
  affine.store %s, %y[] : memref<f32>
  return
}

// -----

func.func private @f()
func.func @main(%x: memref<8xf32>) {
  affine.for %i = 0 to 8 {
    // expected-error@+1 {{'func.call' is not supported in a nest}}
    func.call @f() : () -> ()
  }
  return
}

// -----

func.func @main(%x: memref<8xf32>, %y: memref<4xf32>, %n: index) {
  // expected-error@+1 {{a slice whose place depends on data is not supported}}
  %v = memref.subview %x[%n] [4] [1] : memref<8xf32> to memref<4xf32, strided<[1], offset: ?>>
  affine.for %i = 0 to 4 {
    %0 = affine.load %v[%i] : memref<4xf32, strided<[1], offset: ?>>
    affine.store %0, %y[%i] : memref<4xf32>
  }
  return
}

// -----

func.func @main(%x: memref<8xf32>, %y: memref<8xf32>) {
  // expected-error@+1 {{'memref.copy' between nests is not supported}}
  memref.copy %x, %y : memref<8xf32> to memref<8xf32>
  return
}

// -----

// The second store needs a running value of the first.
func.func @main(%x: memref<8xf32>, %s: memref<f32>, %y: memref<8xf32>) {
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[%i] : memref<8xf32>
    %1 = affine.load %s[] : memref<f32>
    %2 = arith.addf %0, %1 : f32
    affine.store %2, %s[] : memref<f32>
    %3 = affine.load %s[] : memref<f32>
    // expected-error@+1 {{stores of one nest depend on each other, so it cannot become one nest per store}}
    affine.store %3, %y[%i] : memref<8xf32>
  }
  return
}

// -----

// The second store uses the value from before the first.
func.func @main(%x: memref<8xf32>, %y: memref<8xf32>) {
  affine.for %i = 0 to 8 {
    %0 = affine.load %x[%i] : memref<8xf32>
    %1 = math.exp %0 : f32
    affine.store %1, %x[%i] : memref<8xf32>
    // expected-error@+1 {{stores of one nest depend on each other, so it cannot become one nest per store}}
    affine.store %0, %y[%i] : memref<8xf32>
  }
  return
}

// -----

func.func @main(%x: memref<f32>, %y: memref<f32>) {
  %one = arith.constant 1.0 : f32
  // expected-error@+1 {{a load between nests cannot move over a store to its array}}
  %0 = affine.load %x[] : memref<f32>
  affine.store %one, %x[] : memref<f32>
  affine.store %0, %y[] : memref<f32>
  return
}
