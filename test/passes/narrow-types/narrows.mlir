// RUN: polystage-opt %s --narrow-types --split-input-file | FileCheck %s

// Arguments remember what they were; constants and casts follow.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: tensor<4xf32>, %[[I:.*]]: tensor<4xi32> {polystage.dtype = "i64", polystage.name = "i"}) -> tensor<4xi32>
// CHECK-DAG: %[[HALF:.*]] = arith.constant 5.000000e-01 : f32
// CHECK-DAG: %[[TABLE:.*]] = arith.constant dense<[3, -1, 4, 1]> : tensor<4xi32>
// CHECK: ^bb0(%[[A:.*]]: f32, %[[B:.*]]: i32, %[[C:.*]]: i32, %{{.*}}: i32):
// CHECK-NOT: arith.extf
// CHECK: %[[LARGE:.*]] = arith.cmpf ogt, %[[A]], %[[HALF]] : f32
// CHECK: %[[NUMBER:.*]] = arith.extui %[[LARGE]] : i1 to i32
// CHECK: %[[SUM:.*]] = arith.addi %[[NUMBER]], %[[B]] : i32
// CHECK: arith.addi %[[SUM]], %[[C]] : i32
#id = affine_map<(d0) -> (d0)>
func.func @main(%x: tensor<4xf32>, %i: tensor<4xi64> {polystage.name = "i"}) -> tensor<4xi64> {
  %half = arith.constant 5.0e-01 : f64
  %table = arith.constant dense<[3, -1, 4, 1]> : tensor<4xi64>
  %e = tensor.empty() : tensor<4xi64>
  %y = linalg.generic {indexing_maps = [#id, #id, #id, #id], iterator_types = ["parallel"]}
      ins(%x, %i, %table : tensor<4xf32>, tensor<4xi64>, tensor<4xi64>) outs(%e : tensor<4xi64>) {
  ^bb0(%a: f32, %b: i64, %c: i64, %out: i64):
    %wide = arith.extf %a : f32 to f64
    %large = arith.cmpf ogt, %wide, %half : f64
    %number = arith.extui %large : i1 to i64
    %sum = arith.addi %number, %b : i64
    %all = arith.addi %sum, %c : i64
    linalg.yield %all : i64
  } -> tensor<4xi64>
  return %y : tensor<4xi64>
}

// -----

// True is 1, never -1: signed conversions of i1 are negations of unsigned ones.
// CHECK-LABEL: func.func @main
// CHECK: ^bb0(%[[BIT:.*]]: i1, %{{.*}}: i32, %{{.*}}: f32):
// CHECK-DAG: %[[ONE:.*]] = arith.extui %[[BIT]] : i1 to i32
// CHECK-DAG: %[[MINUS:.*]] = arith.subi %{{.*}}, %[[ONE]] : i32
// CHECK-DAG: %[[FLOAT:.*]] = arith.uitofp %[[BIT]] : i1 to f32
// CHECK-DAG: %[[NEGATIVE:.*]] = arith.negf %[[FLOAT]] : f32
// CHECK: linalg.yield %[[MINUS]], %[[NEGATIVE]] : i32, f32
#id = affine_map<(d0) -> (d0)>
func.func @main(%x: tensor<4xi1>) -> (tensor<4xi64>, tensor<4xf32>) {
  %e = tensor.empty() : tensor<4xi64>
  %f = tensor.empty() : tensor<4xf32>
  %y:2 = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]}
      ins(%x : tensor<4xi1>) outs(%e, %f : tensor<4xi64>, tensor<4xf32>) {
  ^bb0(%bit: i1, %o0: i64, %o1: f32):
    %s = arith.extsi %bit : i1 to i64
    %t = arith.sitofp %bit : i1 to f32
    linalg.yield %s, %t : i64, f32
  } -> (tensor<4xi64>, tensor<4xf32>)
  return %y#0, %y#1 : tensor<4xi64>, tensor<4xf32>
}

// -----

// The identity of a maximum over i64 becomes the one over i32.
// CHECK-LABEL: func.func @main
// CHECK: %[[LEAST:.*]] = arith.constant -2147483648 : i32
// CHECK: linalg.fill ins(%[[LEAST]] : i32)
#in = affine_map<(d0) -> (d0)>
#out = affine_map<(d0) -> ()>
func.func @main(%x: tensor<4xi64>) -> tensor<i64> {
  %least = arith.constant -9223372036854775808 : i64
  %e = tensor.empty() : tensor<i64>
  %f = linalg.fill ins(%least : i64) outs(%e : tensor<i64>) -> tensor<i64>
  %y = linalg.generic {indexing_maps = [#in, #out], iterator_types = ["reduction"]}
      ins(%x : tensor<4xi64>) outs(%f : tensor<i64>) {
  ^bb0(%a: i64, %acc: i64):
    %m = arith.maxsi %a, %acc : i64
    linalg.yield %m : i64
  } -> tensor<i64>
  return %y : tensor<i64>
}
