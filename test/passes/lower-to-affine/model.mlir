// RUN: polystage-opt %s --lower-to-affine --mlir-print-debuginfo | FileCheck %s
// RUN: polystage-opt %s --lower-to-affine | polystage-opt --verify-normal-form --normalize-nests --remove-dead-nests --name-arrays --verify-normal-form | FileCheck %s --check-prefix=AGAIN

// A padded convolution, its maximum over channels, and the argument given back.

// CHECK: #[[CONVLOC:.*]] = loc("model.py":7:3)
// CHECK: func.func @main(
// CHECK-SAME: %[[W:[a-z0-9]*]]: memref<4x2x3x3xf32> {polystage.kind = "parameter", polystage.name = "conv.weight"}
// CHECK-SAME: %[[X:[a-z0-9]*]]: memref<1x2x6x6xf32> {polystage.kind = "input", polystage.name = "x"}
// CHECK-SAME: %[[MAX:[a-z0-9]*]]: memref<1x6x6xf32> {polystage.kind = "output", polystage.name = "output0"}
// CHECK-SAME: %[[COPY:[a-z0-9]*]]: memref<1x2x6x6xf32> {polystage.kind = "output", polystage.name = "output1"}

// CHECK: %[[PADDED:.*]] = memref.alloc() {polystage.name = "t0"} : memref<1x2x8x8xf32>
// CHECK: affine.store %{{.*}}, %[[PADDED]]
// CHECK: affine.load %[[X]][0, %[[C:.*]], %[[H:.*]], %[[V:.*]]]
// CHECK-NEXT: affine.store %{{.*}}, %[[PADDED]][0, %[[C]], %[[H]] + 1, %[[V]] + 1]

// CHECK: %[[CONV:.*]] = memref.alloc() {polystage.name = "t1"} : memref<1x4x6x6xf32>
// CHECK: affine.store %{{.*}}, %[[CONV]]
// CHECK-COUNT-6: affine.for
// CHECK: affine.load %[[CONV]][0, %[[F:.*]], %[[I:.*]], %[[J:.*]]]
// CHECK: affine.load %[[PADDED]][0, %[[K:.*]], %[[I]] + %[[P:.*]], %[[J]] + %[[Q:.*]]]
// CHECK: affine.load %[[W]][%[[F]], %[[K]], %[[P]], %[[Q]]]
// CHECK: affine.store %{{.*}}, %[[CONV]][0, %[[F]], %[[I]], %[[J]]] : memref<1x4x6x6xf32> loc(#[[CONVLOC]])

// CHECK: affine.store %{{.*}}, %[[MAX]]
// CHECK: arith.maximumf
// CHECK: affine.store %{{.*}}, %[[MAX]]
// CHECK: affine.load %[[X]]
// CHECK-NEXT: affine.store %{{.*}}, %[[COPY]]
// CHECK: return

// AGAIN: func.func @main(
// AGAIN-COUNT-7: affine.store
// AGAIN-NOT: affine.store
#in = affine_map<(n, c, h, w) -> (n, c, h, w)>
#out = affine_map<(n, c, h, w) -> (n, h, w)>
func.func @main(%w: tensor<4x2x3x3xf32> {polystage.kind = "parameter", polystage.name = "conv.weight"},
                %x: tensor<1x2x6x6xf32> {polystage.kind = "input", polystage.name = "x"})
    -> (tensor<1x6x6xf32>, tensor<1x2x6x6xf32>) {
  %zero = arith.constant 0.0 : f32
  %least = arith.constant 0xFF800000 : f32
  %padded = tensor.pad %x low[0, 0, 1, 1] high[0, 0, 1, 1] {
  ^bb0(%a: index, %b: index, %c: index, %d: index):
    tensor.yield %zero : f32
  } : tensor<1x2x6x6xf32> to tensor<1x2x8x8xf32>
  %e0 = tensor.empty() : tensor<1x4x6x6xf32>
  %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<1x4x6x6xf32>) -> tensor<1x4x6x6xf32>
  %conv = linalg.conv_2d_nchw_fchw {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
      ins(%padded, %w : tensor<1x2x8x8xf32>, tensor<4x2x3x3xf32>) outs(%f0 : tensor<1x4x6x6xf32>)
      -> tensor<1x4x6x6xf32> loc("model.py":7:3)
  %e1 = tensor.empty() : tensor<1x6x6xf32>
  %f1 = linalg.fill ins(%least : f32) outs(%e1 : tensor<1x6x6xf32>) -> tensor<1x6x6xf32>
  %max = linalg.generic {indexing_maps = [#in, #out], iterator_types = ["parallel", "reduction", "parallel", "parallel"]}
      ins(%conv : tensor<1x4x6x6xf32>) outs(%f1 : tensor<1x6x6xf32>) {
  ^bb0(%a: f32, %acc: f32):
    %m = arith.maximumf %a, %acc : f32
    linalg.yield %m : f32
  } -> tensor<1x6x6xf32>
  return %max, %x : tensor<1x6x6xf32>, tensor<1x2x6x6xf32>
}
