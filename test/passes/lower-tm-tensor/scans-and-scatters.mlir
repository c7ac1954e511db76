// RUN: polystage-opt %s --lower-tm-tensor --split-input-file | FileCheck %s

// An inclusive scan: the first element is copied, every other one continues its predecessor.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:[a-z0-9]*]]: tensor<4x6xf32>
// CHECK: %[[B:.*]] = bufferization.to_buffer %[[X]] read_only
// CHECK: %[[R:.*]] = memref.alloc() {{.*}} : memref<4x6xf32>
// CHECK: affine.for %[[I:.*]] = 0 to 4
// CHECK: affine.for %[[J:.*]] = 0 to 1
// CHECK: %[[FIRST:.*]] = affine.load %[[B]][%[[I]], %[[J]]]
// CHECK: affine.store %[[FIRST]], %[[R]][%[[I]], %[[J]]]
// CHECK: affine.for %[[P:.*]] = 0 to 4
// CHECK: affine.for %[[Q:.*]] = 0 to 5
// CHECK-DAG: %[[BEFORE:.*]] = affine.load %[[R]][%[[P]], %[[Q]]]
// CHECK-DAG: %[[HERE:.*]] = affine.load %[[B]][%[[P]], %[[Q]] + 1]
// CHECK: %[[SUM:.*]] = arith.addf %[[BEFORE]], %[[HERE]]
// CHECK: affine.store %[[SUM]], %[[R]][%[[P]], %[[Q]] + 1]
// CHECK: %[[T:.*]] = bufferization.to_tensor %[[R]] restrict writable
// CHECK: return %[[T]]
func.func @main(%x: tensor<4x6xf32>, %a: tensor<4x6xf32>, %b: tensor<4xf32>) -> tensor<4x6xf32> {
  %y:2 = tm_tensor.scan dimension(1) inclusive(true)
      ins(%x : tensor<4x6xf32>) outs(%a, %b : tensor<4x6xf32>, tensor<4xf32>) {
  ^bb0(%p: f32, %q: f32):
    %s = arith.addf %p, %q : f32
    tm_tensor.yield %s : f32
  } -> tensor<4x6xf32>, tensor<4xf32>
  return %y#0 : tensor<4x6xf32>
}

// -----

// An exclusive scan starts with the initial value; its total takes the last element in.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:[a-z0-9]*]]: tensor<6xf32>, %{{[a-z0-9]*}}: tensor<6xf32>, %[[START:[a-z0-9]*]]: tensor<f32>
// CHECK-DAG: %[[B:.*]] = bufferization.to_buffer %[[X]] read_only
// CHECK-DAG: %[[S:.*]] = bufferization.to_buffer %[[START]] read_only
// CHECK: affine.load %[[S]][]
// CHECK: affine.store %{{.*}}, %[[R:.*]][%{{.*}}]
// CHECK: affine.for %[[I:.*]] = 0 to 5
// CHECK: affine.load %[[R]][%[[I]]]
// CHECK: affine.load %[[B]][%[[I]]]
// CHECK: affine.store %{{.*}}, %[[R]][%[[I]] + 1]
// CHECK: affine.for
// CHECK: affine.load %[[R]][%{{.*}} + 5]
// CHECK: affine.load %[[B]][%{{.*}} + 5]
// CHECK: arith.mulf
// CHECK: affine.store %{{.*}}, %{{.*}}[] : memref<f32>
func.func @main(%x: tensor<6xf32>, %a: tensor<6xf32>, %b: tensor<f32>) -> (tensor<6xf32>, tensor<f32>) {
  %y:2 = tm_tensor.scan dimension(0) inclusive(false)
      ins(%x : tensor<6xf32>) outs(%a, %b : tensor<6xf32>, tensor<f32>) {
  ^bb0(%p: f32, %q: f32):
    %s = arith.mulf %p, %q : f32
    tm_tensor.yield %s : f32
  } -> tensor<6xf32>, tensor<f32>
  return %y#0, %y#1 : tensor<6xf32>, tensor<f32>
}

// -----

// A scatter of rows: the loaded index moves the row, the buffer of the original is written.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[O:[a-z0-9]*]]: tensor<8x4xf32>
// CHECK: %[[TARGET:.*]] = bufferization.to_buffer %[[O]] : tensor<8x4xf32> to memref<8x4xf32>
// CHECK: affine.for %[[N:.*]] = 0 to 3
// CHECK: affine.for %[[J:.*]] = 0 to 1
// CHECK: affine.for %[[K:.*]] = 0 to 4
// CHECK: %[[LOADED:.*]] = affine.load %{{.*}}[%[[N]], 0] : memref<3x1xi32>
// CHECK: %[[INDEX:.*]] = arith.index_cast %[[LOADED]] : i32 to index
// CHECK: %[[ROW:.*]] = arith.addi %[[INDEX]], %[[J]] : index
// CHECK: memref.store %{{.*}}, %[[TARGET]][%[[ROW]], %[[K]]]
func.func @main(%original: tensor<8x4xf32>, %updates: tensor<3x1x4xf32>, %i: tensor<3x1xi32>) -> tensor<8x4xf32> {
  %y = tm_tensor.scatter {dimension_map = array<i64: 0>} unique_indices(false)
      ins(%updates, %i : tensor<3x1x4xf32>, tensor<3x1xi32>) outs(%original : tensor<8x4xf32>) {
  ^bb0(%update: f32, %old: f32):
    tm_tensor.yield %update : f32
  } -> tensor<8x4xf32>
  return %y : tensor<8x4xf32>
}
