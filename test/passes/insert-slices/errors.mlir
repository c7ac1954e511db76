// RUN: polystage-opt %s --insert-slices --split-input-file --verify-diagnostics

func.func @main(%x: tensor<8xindex>) -> tensor<9xindex> {
  // expected-error@+1 {{padding with a value that depends on the position is not supported}}
  %p = tensor.pad %x low[1] high[0] {
  ^bb0(%i: index):
    tensor.yield %i : index
  } : tensor<8xindex> to tensor<9xindex>
  return %p : tensor<9xindex>
}

// -----

func.func @main(%x: tensor<8xi32>) -> tensor<9xi32> {
  // expected-error@+1 {{padding with a value that depends on the position is not supported}}
  %p = tensor.pad %x low[1] high[0] {
  ^bb0(%i: index):
    %n = arith.index_cast %i : index to i32
    tensor.yield %n : i32
  } : tensor<8xi32> to tensor<9xi32>
  return %p : tensor<9xi32>
}
