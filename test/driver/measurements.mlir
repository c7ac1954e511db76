// RUN: polystage-opt %s %samples --count-loads --cse --mlir-timing -o %t 2>&1 | FileCheck %s --check-prefix=TIMING
// RUN: polystage-opt %s %samples --count-loads --mlir-pass-statistics -o %t 2>&1 | FileCheck %s --check-prefix=STATISTICS

// TIMING: ... Execution time report ...
// TIMING: ----Wall Time----  ----Name----
// TIMING: Parser
// TIMING-NEXT: count-loads{weight=1 attribute=loads skip=''}
// TIMING-NEXT: cse
// TIMING-NEXT: Output
// TIMING-NEXT: (100.0%) Total

// STATISTICS: ... Pass statistics report ...
// STATISTICS: count-loads
// STATISTICS-NEXT: (S) 1 loads - loads that were seen, in all functions
// STATISTICS-NEXT: (S) 2 functions - functions that were seen
func.func private @declared()
func.func @f(%a: memref<f32>) -> f32 {
  %x = affine.load %a[] : memref<f32>
  return %x : f32
}
