// RUN: polystage-opt %s --narrow-types --split-input-file --verify-diagnostics

// expected-error@+1 {{tensor<4xf64> holds f64, which no target computes with; convert the model and its inputs to f32}}
func.func @main(%x: tensor<4xf64>) -> tensor<4xf64> {
  return %x : tensor<4xf64>
}

// -----

func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{tensor<2xf64> holds f64}}
  %e = tensor.empty() : tensor<2xf64>
  return %x : tensor<4xf32>
}

// -----

func.func @main(%x: tensor<i64>) -> tensor<i64> {
  // expected-error@+1 {{the integer 4,294,967,296 does not fit in i32, the widest integer of the targets}}
  %big = arith.constant 4294967296 : i64
  %a = tensor.extract %x[] : tensor<i64>
  %b = arith.addi %a, %big : i64
  %y = tensor.from_elements %b : tensor<i64>
  return %y : tensor<i64>
}

// -----

func.func @main() -> tensor<2xi64> {
  // expected-error@+1 {{the integer 9,223,372,036,854,775,807 does not fit in i32}}
  %table = arith.constant dense<[1, 9223372036854775807]> : tensor<2xi64>
  return %table : tensor<2xi64>
}
