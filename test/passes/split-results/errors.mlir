// RUN: polystage-opt %s --split-results --verify-diagnostics

// Running mean and variance: each step needs both accumulators.
#in = affine_map<(d0) -> (d0)>
#out = affine_map<(d0) -> ()>
func.func @main(%x: tensor<6xf32>, %a: tensor<f32>, %b: tensor<f32>) -> tensor<f32> {
  // expected-error@+1 {{results of this operation depend on each other in a way that cannot be split}}
  %y:2 = linalg.generic {indexing_maps = [#in, #out, #out], iterator_types = ["reduction"]}
      ins(%x : tensor<6xf32>) outs(%a, %b : tensor<f32>, tensor<f32>) {
  ^bb0(%in: f32, %mean: f32, %square: f32):
    %d = arith.subf %in, %mean : f32
    %m = arith.addf %mean, %d : f32
    %dd = arith.mulf %d, %d : f32
    %s = arith.addf %square, %dd : f32
    linalg.yield %m, %s : f32, f32
  } -> (tensor<f32>, tensor<f32>)
  return %y#1 : tensor<f32>
}
