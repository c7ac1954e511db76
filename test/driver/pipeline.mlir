// Python and C++ passes, flat, nested and as aliases, in one pipeline.
// RUN: polystage-opt %s %samples --pass-pipeline='builtin.module(canonicalize,func.func(cse,count-loads{weight=3}))' 2>&1 | FileCheck %s --check-prefixes=CHECK,NESTED
// RUN: polystage-opt %s %samples --canonicalize --count-loads='weight=3 attribute=count' 2>&1 | FileCheck %s --check-prefixes=CHECK,FLAGS
// RUN: polystage-opt %s %samples --tidy-and-count 2>&1 | FileCheck %s --check-prefixes=CHECK,ALIAS
// RUN: polystage-opt %s -affine-loop-unroll=unroll-factor=4 | FileCheck %s --check-prefix=UNROLLED

// NESTED: pipeline.mlir:{{[0-9]+}}:{{[0-9]+}}: remark: 3 loads
// FLAGS: remark: 6 loads
// ALIAS: remark: 2 loads

// CHECK: module {
// CHECK-NEXT: func.func @double
// NESTED-SAME: attributes {loads = 3 : i64}
// FLAGS-SAME: attributes {count = 6 : i64}
// ALIAS-SAME: attributes {loads = 2 : i64}
// UNROLLED: func.func @double
// UNROLLED-NOT: affine.for
// UNROLLED-COUNT-4: affine.store
func.func @double(%a: memref<4xf32>) {
  affine.for %i = 0 to 4 {
    %x = affine.load %a[%i] : memref<4xf32>
    %y = affine.load %a[%i] : memref<4xf32>
    %z = arith.addf %x, %y : f32
    affine.store %z, %a[%i] : memref<4xf32>
  }
  return
}
