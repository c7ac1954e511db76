// RUN: polystage-opt %s --unshare-buffers --split-input-file | FileCheck %s

// One fill for two products becomes two.
// CHECK-LABEL: func.func @main
// CHECK: %[[FILL0:.*]] = linalg.fill
// CHECK: %[[FILL1:.*]] = linalg.fill
// CHECK: linalg.matmul {{.*}} outs(%[[FILL1]] : tensor<4x4xf32>)
// CHECK: linalg.matmul {{.*}} outs(%[[FILL0]] : tensor<4x4xf32>)
func.func @main(%x: tensor<4x4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4x4xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<4x4xf32>) -> tensor<4x4xf32>
  %a = linalg.matmul ins(%x, %x : tensor<4x4xf32>, tensor<4x4xf32>) outs(%f : tensor<4x4xf32>) -> tensor<4x4xf32>
  %b = linalg.matmul ins(%a, %x : tensor<4x4xf32>, tensor<4x4xf32>) outs(%f : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %a, %b : tensor<4x4xf32>, tensor<4x4xf32>
}

// -----

// A destination that is not read is replaced, and its fill disappears.
// CHECK-LABEL: func.func @main
// CHECK-NOT: linalg.fill
// CHECK: %[[EMPTY:.*]] = tensor.empty() : tensor<4xf32>
// CHECK: linalg.generic {{.*}} outs(%[[EMPTY]] : tensor<4xf32>)
#id = affine_map<(d0) -> (d0)>
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  %y = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
      ins(%x : tensor<4xf32>) outs(%f : tensor<4xf32>) {
  ^bb0(%in: f32, %out: f32):
    %0 = math.exp %in : f32
    linalg.yield %0 : f32
  } -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// Arguments are never overwritten; a slice goes into a copy of a computed value, and into a fill itself.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: tensor<4xf32> {bufferization.writable = false}, %[[S:.*]]: tensor<2xf32> {bufferization.writable = false})
// CHECK: %[[COPY:.*]] = linalg.generic {{.*}} ins(%[[X]] : tensor<4xf32>)
// CHECK: %[[FIRST:.*]] = tensor.insert_slice %[[S]] into %[[COPY]][1]
// CHECK: %[[FILL:.*]] = linalg.fill
// CHECK: %[[SECOND:.*]] = tensor.insert_slice %[[S]] into %[[FILL]][0]
// CHECK: return %[[FIRST]], %[[SECOND]]
func.func @main(%x: tensor<4xf32>, %s: tensor<2xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %zero = arith.constant 0.0 : f32
  %a = tensor.insert_slice %s into %x[1] [2] [1] : tensor<2xf32> into tensor<4xf32>
  %e = tensor.empty() : tensor<4xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  %b = tensor.insert_slice %s into %f[0] [2] [1] : tensor<2xf32> into tensor<4xf32>
  return %a, %b : tensor<4xf32>, tensor<4xf32>
}

// -----

// A result that is an argument, and one that is there twice, are copied.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: tensor<4xf32>
// CHECK: %[[Y:.*]] = linalg.exp
// CHECK: %[[ARGUMENT:.*]] = linalg.generic {{.*}} ins(%[[X]] : tensor<4xf32>)
// CHECK: %[[TWICE:.*]] = linalg.generic {{.*}} ins(%[[Y]] : tensor<4xf32>)
// CHECK: return %[[Y]], %[[ARGUMENT]], %[[TWICE]]
func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %e = tensor.empty() : tensor<4xf32>
  %y = linalg.exp ins(%x : tensor<4xf32>) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  return %y, %x, %y : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}
