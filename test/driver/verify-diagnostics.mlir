// Diagnostics of the parser, of Python passes and of C++ passes are compared with comments alike.
// RUN: polystage-opt %s %samples --split-input-file --verify-diagnostics --count-loads --refuse-division

// expected-remark@+1 {{1 loads}}
func.func @remark(%a: memref<f32>) -> f32 {
  %x = affine.load %a[] : memref<f32>
  return %x : f32
}

// -----

// expected-remark-re@below {{{{[0-9]}} loads}}
func.func @error(%a: f32, %b: f32) -> f32 {
  // expected-note@+1 {{the dividend}}
  %x = arith.addf %a, %b : f32
  %y = arith.divf %x, %b : f32
  // expected-error@above {{there is no divider}}
  // expected-note@unknown {{multiply}}
  return %y : f32
}

// -----

func.func @malformed() -> f32 {
  return %missing : f32 // expected-error {{use of undeclared SSA value name}}
}

// -----

func.func @invalid(%a: f32) {
  // expected-error@+1 {{op has 1 operands, but enclosing function (@invalid) returns 0}}
  return %a : f32
}
