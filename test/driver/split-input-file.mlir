// Each part is a module of its own; lines keep their numbers in the file.
// RUN: polystage-opt %s --split-input-file --canonicalize | FileCheck %s
// RUN: not polystage-opt %s --canonicalize 2>&1 | FileCheck %s --check-prefix=WHOLE

// CHECK: module {
// CHECK: func.func private @same()
func.func private @same()

// -----

// CHECK: // -----
// CHECK: module {
// CHECK: func.func private @same()
// WHOLE: split-input-file.mlir:{{[0-9]+}}:1: error: redefinition of symbol named 'same'
func.func private @same()
