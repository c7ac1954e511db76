// RUN: polystage-opt %s --insert-slices --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: tensor<2x3xf32>)
// CHECK: %[[FILL:.*]] = linalg.fill ins(%{{.*}} : f32)
// CHECK: %[[PAD:.*]] = tensor.insert_slice %[[X]] into %[[FILL]][0, 1] [2, 3] [1, 1] : tensor<2x3xf32> into tensor<3x6xf32>
// CHECK: return %[[PAD]]
func.func @main(%x: tensor<2x3xf32>) -> tensor<3x6xf32> {
  %p = tensor.pad %x low[0, 1] high[1, 2] {
  ^bb0(%i: index, %j: index):
    %zero = arith.constant 0.0 : f32
    tensor.yield %zero : f32
  } : tensor<2x3xf32> to tensor<3x6xf32>
  return %p : tensor<3x6xf32>
}

// -----

// Negative padding crops.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: tensor<8xf32>)
// CHECK: %[[CROP:.*]] = tensor.extract_slice %[[X]][2] [5] [1] : tensor<8xf32> to tensor<5xf32>
// CHECK: tensor.insert_slice %[[CROP]] into %{{.*}}[0] [5] [1] : tensor<5xf32> into tensor<5xf32>
func.func @main(%x: tensor<8xf32>) -> tensor<5xf32> {
  %zero = arith.constant 0.0 : f32
  %p = tensor.pad %x low[-2] high[-1] {
  ^bb0(%i: index):
    tensor.yield %zero : f32
  } : tensor<8xf32> to tensor<5xf32>
  return %p : tensor<5xf32>
}

// -----

// Pieces lie one behind the other; shapes forgotten by a cast are found again.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: tensor<2x3xf32>, %[[Y:.*]]: tensor<2x4xf32>)
// CHECK: %[[EMPTY:.*]] = tensor.empty() : tensor<2x7xf32>
// CHECK: %[[FIRST:.*]] = tensor.insert_slice %[[X]] into %[[EMPTY]][0, 0] [2, 3] [1, 1]
// CHECK: tensor.insert_slice %[[Y]] into %[[FIRST]][0, 3] [2, 4] [1, 1]
func.func @main(%x: tensor<2x3xf32>, %y: tensor<2x4xf32>) -> tensor<2x7xf32> {
  %cast = tensor.cast %y : tensor<2x4xf32> to tensor<2x?xf32>
  %c = tensor.concat dim(1) %x, %cast : (tensor<2x3xf32>, tensor<2x?xf32>) -> tensor<2x7xf32>
  return %c : tensor<2x7xf32>
}
