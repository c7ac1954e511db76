// RUN: polystage-opt %s --split-results --split-input-file | FileCheck %s

// The position of a maximum: the maximum first, then the least position where it stands.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: tensor<4x6xf32>
// CHECK: %[[MAX:.*]] = linalg.generic
// CHECK-SAME: ins(%[[X]] : tensor<4x6xf32>) outs(%{{.*}} : tensor<4xf32>)
// CHECK: arith.maximumf
// CHECK: %[[NONE:.*]] = arith.constant 6 : i32
// CHECK: %[[START:.*]] = linalg.fill ins(%[[NONE]] : i32)
// CHECK: %[[ARG:.*]] = linalg.generic
// CHECK-SAME: ins(%[[X]], %[[MAX]] : tensor<4x6xf32>, tensor<4xf32>) outs(%[[START]] : tensor<4xi32>)
// CHECK: ^bb0(%[[IN:.*]]: f32, %[[M:.*]]: f32, %[[K:.*]]: i32):
// CHECK-DAG: %[[HERE:.*]] = arith.cmpf ueq, %[[IN]], %[[M]] : f32
// CHECK-DAG: %[[INDEX:.*]] = linalg.index 1 : index
// CHECK-DAG: %[[I:.*]] = arith.index_cast %[[INDEX]] : index to i32
// CHECK: %[[CANDIDATE:.*]] = arith.select %[[HERE]], %[[I]], %[[NONE]] : i32
// CHECK: %[[LEAST:.*]] = arith.minsi %[[K]], %[[CANDIDATE]] : i32
// CHECK: linalg.yield %[[LEAST]] : i32
// CHECK: return %[[MAX]], %[[ARG]]
#in = affine_map<(d0, d1) -> (d0, d1)>
#out = affine_map<(d0, d1) -> (d0)>
func.func @main(%x: tensor<4x6xf32>) -> (tensor<4xf32>, tensor<4xi32>) {
  %zero = arith.constant 0 : i32
  %inf = arith.constant 0xFF800000 : f32
  %e0 = tensor.empty() : tensor<4xf32>
  %f0 = linalg.fill ins(%inf : f32) outs(%e0 : tensor<4xf32>) -> tensor<4xf32>
  %e1 = tensor.empty() : tensor<4xi32>
  %f1 = linalg.fill ins(%zero : i32) outs(%e1 : tensor<4xi32>) -> tensor<4xi32>
  %y:2 = linalg.generic {indexing_maps = [#in, #out, #out], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<4x6xf32>) outs(%f0, %f1 : tensor<4xf32>, tensor<4xi32>) {
  ^bb0(%in: f32, %m: f32, %k: i32):
    %index = linalg.index 1 : index
    %i = arith.index_cast %index : index to i32
    %larger = arith.maximumf %in, %m : f32
    %is = arith.cmpf ogt, %in, %m : f32
    %next = arith.select %is, %i, %k : i32
    linalg.yield %larger, %next : f32, i32
  } -> (tensor<4xf32>, tensor<4xi32>)
  return %y#0, %y#1 : tensor<4xf32>, tensor<4xi32>
}

// -----

// A comparison that lets equal elements win keeps the last position; an unused maximum is still computed.
// CHECK-LABEL: func.func @main
// CHECK: arith.minsi %{{.*}}, %{{.*}} : i32
// CHECK: arith.constant -1 : i32
// CHECK: arith.cmpi eq
// CHECK: arith.maxsi
#in = affine_map<(d0) -> (d0)>
#out = affine_map<(d0) -> ()>
func.func @main(%x: tensor<6xi32>) -> tensor<i32> {
  %zero = arith.constant 0 : i32
  %most = arith.constant 2147483647 : i32
  %e0 = tensor.empty() : tensor<i32>
  %f0 = linalg.fill ins(%most : i32) outs(%e0 : tensor<i32>) -> tensor<i32>
  %e1 = tensor.empty() : tensor<i32>
  %f1 = linalg.fill ins(%zero : i32) outs(%e1 : tensor<i32>) -> tensor<i32>
  %y:2 = linalg.generic {indexing_maps = [#in, #out, #out], iterator_types = ["reduction"]}
      ins(%x : tensor<6xi32>) outs(%f0, %f1 : tensor<i32>, tensor<i32>) {
  ^bb0(%in: i32, %m: i32, %k: i32):
    %index = linalg.index 0 : index
    %i = arith.index_cast %index : index to i32
    %smaller = arith.minsi %in, %m : i32
    %is = arith.cmpi sle, %in, %m : i32
    %next = arith.select %is, %i, %k : i32
    linalg.yield %smaller, %next : i32, i32
  } -> (tensor<i32>, tensor<i32>)
  return %y#1 : tensor<i32>
}

// -----

// Results that nobody reads go; independent ones part.
// CHECK-LABEL: func.func @main
// CHECK-COUNT-1: linalg.generic
// CHECK: math.exp
// CHECK-NOT: math.log
// CHECK: return
#id = affine_map<(d0) -> (d0)>
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %e0 = tensor.empty() : tensor<4xf32>
  %e1 = tensor.empty() : tensor<4xf32>
  %y:2 = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]}
      ins(%x : tensor<4xf32>) outs(%e0, %e1 : tensor<4xf32>, tensor<4xf32>) {
  ^bb0(%in: f32, %a: f32, %b: f32):
    %0 = math.exp %in : f32
    %1 = math.log %in : f32
    linalg.yield %0, %1 : f32, f32
  } -> (tensor<4xf32>, tensor<4xf32>)
  return %y#0 : tensor<4xf32>
}
