// A product whose result is normalised along its rows, then multiplied again. Local leaves every array as the nest that
// computes it likes, each reader has its own relayout; greedy and propagate share; global proves that nothing is cheaper.
// RUN: polystage-opt --set-target=name=tiny --map-banks=strategy=local --mlir-print-local-scope %s | FileCheck %s --check-prefix=LOCAL
// RUN: polystage-opt --set-target=name=tiny --map-banks=strategy=greedy --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s --check-prefix=GREEDY
// RUN: polystage-opt --set-target=name=tiny --map-banks=strategy=propagate --mlir-pass-statistics %s 2>&1 >%t | FileCheck %s --check-prefix=PROPAGATE
// RUN: polystage-opt --set-target=name=tiny --map-banks=strategy=global --mlir-print-local-scope %s | FileCheck %s --check-prefix=GLOBAL

func.func @main(%x: memref<16x16xf32> {polystage.name = "x", polystage.kind = "input"},
                %w: memref<16x16xf32> {polystage.name = "w", polystage.kind = "parameter"},
                %y: memref<16x16xf32> {polystage.name = "y", polystage.kind = "output"}) {
  %a = memref.alloc() {polystage.name = "a"} : memref<16x16xf32>
  %b = memref.alloc() {polystage.name = "b"} : memref<16x16xf32>
  %c0 = arith.constant 0.0 : f32
  affine.for %i = 0 to 16 {
    affine.for %j = 0 to 16 {
      %0 = affine.load %x[%i, %j] : memref<16x16xf32>
      %1 = math.exp %0 : f32
      affine.store %1, %a[%i, %j] : memref<16x16xf32>
    }
  }
  affine.for %i = 0 to 16 {
    affine.for %j = 0 to 16 {
      affine.store %c0, %b[%i, %j] : memref<16x16xf32>
    }
  }
  affine.for %i = 0 to 16 {
    affine.for %j = 0 to 16 {
      affine.for %k = 0 to 16 {
        %0 = affine.load %a[%i, %k] : memref<16x16xf32>
        %1 = affine.load %w[%k, %j] : memref<16x16xf32>
        %2 = affine.load %b[%i, %j] : memref<16x16xf32>
        %3 = arith.mulf %0, %1 : f32
        %4 = arith.addf %2, %3 : f32
        affine.store %4, %b[%i, %j] : memref<16x16xf32>
      }
    }
  }
  affine.for %i = 0 to 16 {
    affine.for %j = 0 to 16 {
      %0 = affine.load %b[%i, %j] : memref<16x16xf32>
      %1 = affine.load %a[%i, %j] : memref<16x16xf32>
      %2 = arith.addf %0, %1 : f32
      affine.store %2, %y[%i, %j] : memref<16x16xf32>
    }
  }
  return
}

// LOCAL-LABEL: func.func @main
// LOCAL: %[[A:.*]] = memref.alloc() {polystage.name = "a"} : memref<16x16xf32, affine_map<(d0, d1) -> (d0 mod 8, d0 floordiv 8, d1)>>
// LOCAL: %[[R:.*]] = memref.alloc() {polystage.name = "a.relayout0"} : memref<16x16xf32, affine_map<(d0, d1) -> (d1 mod 8, d1 floordiv 8, d0)>>
// LOCAL: %[[V:.*]] = affine.load %[[A]][%[[I:.*]], %[[J:.*]]]
// LOCAL-NEXT: affine.store %[[V]], %[[R]][%[[I]], %[[J]]]
// LOCAL: npu.implementation = {kind = "relayout"}
// LOCAL: affine.load %[[R]]
// LOCAL: kind = "contraction"
// LOCAL-NOT: relayout1

// The operand lies with %i across the lanes, the product needs %k there.
// GREEDY: 1 relayouts
// GREEDY: 1024 relayout-bytes
// The product is first asked, and of its equal implementations the first one leaves %b with %i across the lanes.
// PROPAGATE: 1 relayouts

// GLOBAL: gap = 0.0
// GLOBAL-SAME: strategy = "global"
