// RUN: polystage-opt %s --verify-linalg --split-input-file --verify-diagnostics

// expected-error@+1 {{a model is one function '@main', found '@helper', '@main'}}
func.func @helper(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}

// -----

// expected-error@+1 {{a model is one function '@main', found '@forward'}}
func.func @forward(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}

// -----

// expected-error@+1 {{argument 0: tensor<?x4xf32> has a dynamic shape; export the model with fixed sizes}}
func.func @main(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  return %x : tensor<?x4xf32>
}

// -----

// expected-error@+1 {{argument 1: tensor<*xf32> has no known rank; export the model with example inputs}}
func.func @main(%x: tensor<4xf32>, %y: tensor<*xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}

// -----

// expected-error@+1 {{argument 0: complex<f32>: complex numbers are not supported; split real and imaginary part}}
func.func @main(%x: tensor<4xcomplex<f32>>) -> tensor<4xcomplex<f32>> {
  return %x : tensor<4xcomplex<f32>>
}

// -----

func.func @main(%x: tensor<4xf32>, %n: tensor<i64>) -> tensor<4xf32> {
  %count = tensor.extract %n[] : tensor<i64>
  %size = arith.index_cast %count : i64 to index
  // expected-error@+1 {{tensor<?xf32> has a dynamic shape; export the model with fixed sizes}}
  %slice = tensor.extract_slice %x[0] [%size] [1] : tensor<4xf32> to tensor<?xf32>
  %whole = tensor.cast %slice : tensor<?xf32> to tensor<4xf32>
  return %whole : tensor<4xf32>
}

// -----

// expected-error@+1 {{unstructured control flow (3 blocks) is not supported; export the model for one path}}
func.func @main(%x: tensor<4xf32>, %c: i1) -> tensor<4xf32> {
  cf.cond_br %c, ^one, ^two
^one:
  return %x : tensor<4xf32>
^two:
  return %x : tensor<4xf32>
}

// -----

func.func @main(%x: tensor<4xf32>, %y: tensor<4xf32>, %c: i1) -> tensor<4xf32> {
  // expected-error@+1 {{control flow ('scf.if') that depends on data is not supported}}
  %z = scf.if %c -> tensor<4xf32> {
    scf.yield %x : tensor<4xf32>
  } else {
    scf.yield %y : tensor<4xf32>
  }
  return %z : tensor<4xf32>
}

// -----

func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{operation 'tosa.abs' is not supported}}
  %y = tosa.abs %x : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{floats of type f8E4M3FN are not supported; use f16, bf16 or f32}}
  %e = tensor.empty() : tensor<4xf8E4M3FN>
  // expected-error@+1 {{integers of type i16 are not supported; use i8 or i32}}
  %s = tensor.empty() : tensor<4xi16>
  return %x : tensor<4xf32>
}

// -----

// expected-error@+1 {{'memref.global' is not supported at module level}}
memref.global "private" @state : memref<4xf32>
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
