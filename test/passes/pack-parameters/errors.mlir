// RUN: polystage-opt --set-target=name=tiny --pack-parameters --verify-diagnostics --split-input-file %s

func.func @main(%w: memref<16x8xf32> {polystage.kind = "parameter", polystage.name = "w"},
                %y: memref<16x8xf32> {polystage.kind = "output", polystage.name = "y"}) {
  // expected-error@+1 {{nest has no npu.implementation; run map-banks first}}
  affine.for %i = 0 to 16 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %w[%i, %j] : memref<16x8xf32>
      affine.store %0, %y[%i, %j] : memref<16x8xf32>
    }
  }
  return
}

// -----

func.func @main(%w: memref<16x8xf32> {polystage.kind = "parameter", polystage.name = "w"},
                %y: memref<16x8xf32> {polystage.kind = "output", polystage.name = "y"}) {
  // expected-error@+1 {{nest cannot be read: (d1 + 1) mod 8; run lower-to-affine and refine-domains first}}
  affine.for %i = 0 to 16 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %w[%i, (%j + 1) mod 8] : memref<16x8xf32>
      affine.store %0, %y[%i, %j] : memref<16x8xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 1 : i64}}
  return
}

// -----

func.func @main(%w: memref<16x8xf32> {polystage.kind = "parameter", polystage.name = "w"},
                %y: memref<16x8xf32> {polystage.kind = "output", polystage.name = "y"}) {
  // expected-error@+1 {{no instruction covers this nest: math.fma on f32 has no instruction}}
  affine.for %i = 0 to 16 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %w[%i, %j] : memref<16x8xf32>
      %1 = math.fma %0, %0, %0 : f32
      affine.store %1, %y[%i, %j] : memref<16x8xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 1 : i64}}
  return
}

// -----

func.func @main(%w: memref<16x8xf32> {polystage.kind = "parameter", polystage.name = "w"},
                %y: memref<16x8xf32> {polystage.kind = "output", polystage.name = "y"}) {
  // expected-error@+1 {{npu.implementation = {kind = "elementwise", lane = 2 : i64} does not run this nest}}
  affine.for %i = 0 to 16 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %w[%i, %j] : memref<16x8xf32>
      affine.store %0, %y[%i, %j] : memref<16x8xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 2 : i64}}
  // expected-error@+1 {{npu.implementation = {kind = "reduce", lane = 0 : i64} does not run this nest}}
  affine.for %i = 0 to 16 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %w[%i, %j] : memref<16x8xf32>
      affine.store %0, %y[%i, %j] : memref<16x8xf32>
    }
  } {npu.implementation = {kind = "reduce", lane = 0 : i64}}
  return
}

// -----

// expected-error @unknown {{argument 0 of the function has no polystage.name; run name-arrays first}}
func.func @main(%w: memref<16x8xf32>) {
  return
}
