// A bug leaves its traceback and a file whose first line is the command that shows it again.
// RUN: not polystage-opt %s %samples --cse --divide-by-zero 2>&1 | FileCheck %s
// CHECK: Traceback
// CHECK: ZeroDivisionError
// CHECK-NEXT: while running 'divide-by-zero', pass 2 of 2, on 'builtin.module'
// CHECK-NEXT: reproducer: {{.*}}.mlir

// Invalid IR left by a Python pass is a bug of the pass as well.
// RUN: not polystage-opt %s %samples --break-ir --mlir-pass-pipeline-crash-reproducer=%t.mlir 2>&1 | FileCheck %s --check-prefix=INVALID
// RUN: FileCheck %s --check-prefix=FILE < %t.mlir
// INVALID: .mlir:{{[0-9]+}}:1: error: 'func.func' op entry block must have 0 arguments to match function signature
// INVALID: note: while running 'break-ir', pass 1 of 1, on 'func.func' @f
// INVALID-NEXT: reproducer: {{.*}}.mlir
// INVALID-NOT: Traceback
// FILE: // polystage-opt '--pass-pipeline=builtin.module(func.func(break-ir))' --load-pass-package={{.*}}.mlir
// FILE-NEXT: // A bug leaves its traceback

// The file shows the same failure. After a success it is gone.
// RUN: not polystage-opt %t.mlir %samples --break-ir 2>&1 | FileCheck %s --check-prefix=INVALID
// RUN: polystage-opt %s --cse --mlir-pass-pipeline-crash-reproducer=%t.mlir -o %t.out
// RUN: not cat %t.mlir
func.func @f(%a: f32) -> f32 {
  return %a : f32
}
