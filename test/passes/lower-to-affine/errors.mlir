// RUN: polystage-opt %s --lower-to-affine --split-input-file --verify-diagnostics

// One refusal of each pass of the pipeline; all of them are in the passes' own errors.mlir.

// expected-error@+1 {{argument 0: tensor<?xf32> has a dynamic shape; export the model with fixed sizes}}
func.func @main(%x: tensor<?xf32>) -> tensor<?xf32> {
  return %x : tensor<?xf32>
}

// -----

// A private function is inlined, a public one is a second model.
func.func private @double(%x: tensor<4xf32>) -> tensor<4xf32> {
  %e = tensor.empty() : tensor<4xf32>
  %y = linalg.add ins(%x, %x : tensor<4xf32>, tensor<4xf32>) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = func.call @double(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
// expected-error@+1 {{a model is one function '@main', found '@main', '@other'}}
func.func @other(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}

// -----

// expected-error@+1 {{tensor<4xf64> holds f64, which no target computes with; convert the model and its inputs to f32}}
func.func @main(%x: tensor<4xf64>) -> tensor<4xf64> {
  return %x : tensor<4xf64>
}
