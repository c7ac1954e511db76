// RUN: polystage-opt %s --lower-tm-tensor --split-input-file --verify-diagnostics

func.func @main(%x: tensor<6xf32>) -> tensor<6xf32> {
  // expected-error@+1 {{operation 'sort' is not supported}}
  %y = "tm_tensor.sort"(%x) ({
  ^bb0(%a: f32, %b: f32):
    %less = arith.cmpf ole, %a, %b : f32
    "tm_tensor.yield"(%less) : (i1) -> ()
  }) {dimension = 0 : i64, operandSegmentSizes = array<i32: 0, 1>} : (tensor<6xf32>) -> tensor<6xf32>
  return %y : tensor<6xf32>
}

// -----

func.func @main(%original: tensor<8xf32>, %updates: tensor<3xf32>, %i: tensor<3x1xi32>) -> tensor<8xf32> {
  // expected-error@+1 {{a scatter that combines several updates of one element is not supported}}
  %y = "tm_tensor.scatter"(%updates, %i, %original) ({
  ^bb0(%update: f32, %old: f32):
    %sum = arith.addf %update, %old : f32
    "tm_tensor.yield"(%sum) : (f32) -> ()
  }) {dimension_map = array<i64: 0>, unique_indices = false, operandSegmentSizes = array<i32: 2, 1>}
      : (tensor<3xf32>, tensor<3x1xi32>, tensor<8xf32>) -> tensor<8xf32>
  return %y : tensor<8xf32>
}
