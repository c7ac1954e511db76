// RUN: polystage-opt %s %samples --count-loads --cse --mlir-print-ir-before=cse --mlir-print-ir-after=count-loads,cse -o %t 2>&1 | FileCheck %s
// RUN: polystage-opt %s %samples --tidy --mlir-print-ir-after-all --mlir-print-ir-before-all -o %t 2>&1 | FileCheck %s --check-prefix=ALL
// RUN: polystage-opt %s %samples --count-loads --mlir-print-ir-after --mlir-print-ir-module-scope -o %t 2>&1 | FileCheck %s --check-prefix=SCOPE
// RUN: not polystage-opt %s --cse --mlir-print-ir-after=canonicalise 2>&1 | FileCheck %s --check-prefix=ABSENT

// CHECK: // -----// IR Dump After count-loads{weight=1 attribute=loads skip=''} ('func.func' operation: @f) //----- //
// CHECK-NEXT: func.func private @f() attributes {loads = 0 : i64}
// CHECK: // -----// IR Dump Before cse ('builtin.module' operation) //----- //
// CHECK-NEXT: module {
// CHECK: // -----// IR Dump After cse ('builtin.module' operation) //----- //

// ALL: IR Dump Before canonicalize
// ALL: IR Dump After canonicalize
// ALL: IR Dump Before cse
// ALL: IR Dump After cse

// SCOPE: IR Dump After count-loads{{.*}} ('func.func' operation: @f)
// SCOPE-NEXT: module {

// ABSENT: error: cannot print the IR around 'canonicalise': it is not in the pipeline
func.func private @f()
