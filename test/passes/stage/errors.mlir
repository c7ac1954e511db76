// RUN: polystage-opt --set-target="name=tiny sbuf=128" --stage --split-input-file --verify-diagnostics %s

func.func @main(%a: memref<8x8xf32> {polystage.name = "a", polystage.kind = "input"},
                %b: memref<8x8xf32> {polystage.name = "b", polystage.kind = "output"}) {
  // expected-error @below {{nest that stores 'b' needs 24 bytes of SBUF per lane with its smallest tile, tiny has 16; choose --sbuf 192 or more}}
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %a[%i, %j] : memref<8x8xf32>
      %1 = affine.load %a[%j, %i] : memref<8x8xf32>
      %2 = affine.load %a[7, %i] : memref<8x8xf32>
      %3 = affine.load %a[%i, 7] : memref<8x8xf32>
      %4 = arith.addf %0, %1 : f32
      %5 = arith.addf %4, %2 : f32
      %6 = arith.addf %5, %3 : f32
      affine.store %6, %b[%i, %j] : memref<8x8xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  return
}

// -----

func.func @main(%a: memref<8x8xf32> {polystage.name = "a", polystage.kind = "input"},
                %b: memref<8x8xf32> {polystage.name = "b", polystage.kind = "output"}) {
  // expected-error @below {{nest has no npu.implementation; run map-banks first}}
  affine.for %i = 0 to 8 {
    %0 = affine.load %a[%i, 0] : memref<8x8xf32>
    affine.store %0, %b[%i, 0] : memref<8x8xf32>
  }
  // expected-error @below {{npu.implementation is a dictionary, not 3 : i64}}
  affine.for %i = 0 to 8 {
    %0 = affine.load %a[%i, 0] : memref<8x8xf32>
    affine.store %0, %b[%i, 1] : memref<8x8xf32>
  } {npu.implementation = 3 : i64}
  // expected-error @below {{npu.implementation needs kind = one of elementwise, fold, reduce, contraction}}
  affine.for %i = 0 to 8 {
    %0 = affine.load %a[%i, 0] : memref<8x8xf32>
    affine.store %0, %b[%i, 2] : memref<8x8xf32>
  } {npu.implementation = {kind = "systolic"}}
  // expected-error @below {{npu.implementation has kind, and as numbers lane, rows, stationary; not lane = "x"}}
  affine.for %i = 0 to 8 {
    %0 = affine.load %a[%i, 0] : memref<8x8xf32>
    affine.store %0, %b[%i, 3] : memref<8x8xf32>
  } {npu.implementation = {kind = "elementwise", lane = "x"}}
  // expected-error @below {{npu.implementation has kind, and as numbers lane, rows, stationary; not lane = -1}}
  affine.for %i = 0 to 8 {
    %0 = affine.load %a[%i, 0] : memref<8x8xf32>
    affine.store %0, %b[%i, 4] : memref<8x8xf32>
  } {npu.implementation = {kind = "elementwise", lane = -1 : i64}}
  // expected-error @below {{npu.implementation = {kind = "reduce", lane = 0 : i64} does not run this nest; legal is {kind = "elementwise", lane = 0 : i64}}}
  affine.for %i = 0 to 8 {
    %0 = affine.load %a[%i, 0] : memref<8x8xf32>
    affine.store %0, %b[%i, 5] : memref<8x8xf32>
  } {npu.implementation = {kind = "reduce", lane = 0 : i64}}
  // expected-error @below {{npu.implementation = {kind = "elementwise", lane = 7 : i64} does not run this nest}}
  affine.for %i = 0 to 8 {
    %0 = affine.load %a[%i, 0] : memref<8x8xf32>
    affine.store %0, %b[%i, 6] : memref<8x8xf32>
  } {npu.implementation = {kind = "elementwise", lane = 7 : i64}}
  return
}

// -----

func.func @main(%a: memref<8x8xf32> {polystage.name = "a", polystage.kind = "input"},
                %b: memref<8x8xf32> {polystage.name = "b", polystage.kind = "output"}) {
  // expected-error @below {{no instruction covers this nest: math.fma on f32 has no instruction}}
  affine.for %i = 0 to 8 {
    %0 = affine.load %a[%i, 0] : memref<8x8xf32>
    %1 = math.fma %0, %0, %0 : f32
    affine.store %1, %b[%i, 0] : memref<8x8xf32>
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  // expected-error @below {{no instruction covers this nest: d0 mod 3}}
  affine.for %i = 0 to 8 {
    %0 = affine.load %a[%i mod 3, 0] : memref<8x8xf32>
    affine.store %0, %b[%i, 1] : memref<8x8xf32>
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  // A scan cannot have its loop across the lanes.
  // expected-error @below {{npu.implementation = {kind = "elementwise", lane = 0 : i64} does not run this nest; legal is {kind = "elementwise"}}}
  affine.for %i = 0 to 7 {
    %0 = affine.load %b[%i, 0] : memref<8x8xf32>
    affine.store %0, %b[%i + 1, 0] : memref<8x8xf32>
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  return
}
