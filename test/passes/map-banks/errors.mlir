// RUN: polystage-opt --set-target=name=tiny --map-banks --split-input-file --verify-diagnostics %s

func.func @main(%a: memref<8xf32> {polystage.name = "a", polystage.kind = "input"},
                %b: memref<8xf32> {polystage.name = "b", polystage.kind = "output"}) {
  // expected-error @below {{no instruction covers this nest: math.fma on f32 has no instruction}}
  affine.for %i = 0 to 8 {
    %0 = affine.load %a[%i] : memref<8xf32>
    %1 = math.fma %0, %0, %0 : f32
    affine.store %1, %b[%i] : memref<8xf32>
  }
  return
}

// -----

func.func @main(%a: memref<8xf32> {polystage.name = "a", polystage.kind = "input"},
                %b: memref<8xf32> {polystage.name = "b", polystage.kind = "output"}) {
  // expected-error @below {{nest cannot be mapped to lanes: d0 mod 3; run lower-to-affine and refine-domains first}}
  affine.for %i = 0 to 8 {
    %0 = affine.load %a[%i mod 3] : memref<8xf32>
    affine.store %0, %b[%i] : memref<8xf32>
  }
  return
}

// -----

func.func @main(%a: memref<8xf32> {polystage.name = "a", polystage.kind = "input"},
                %b: memref<8xf32> {polystage.name = "b", polystage.kind = "output"}) {
  // expected-error @below {{nest cannot be mapped to lanes: body has 2 stores, a nest has one}}
  affine.for %i = 0 to 8 {
    %0 = affine.load %a[%i] : memref<8xf32>
    affine.store %0, %b[%i] : memref<8xf32>
    affine.store %0, %b[%i] : memref<8xf32>
  }
  return
}

// -----

func.func @main(%a: memref<8x8xf32> {polystage.name = "a", polystage.kind = "input"},
                %b: memref<8x8xf32> {polystage.name = "b", polystage.kind = "output"}) {
  %c0 = arith.constant 0.0 : f32
  // expected-error @below {{nest cannot be mapped to lanes: body contains affine.for}}
  affine.for %i = 0 to 8 {
    %0 = affine.load %a[%i, 0] : memref<8x8xf32>
    affine.for %j = 0 to 8 {
      affine.store %0, %b[%i, %j] : memref<8x8xf32>
    }
  }
  // expected-error @below {{nest cannot be mapped to lanes: loop bounds are not constant}}
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to affine_map<(d0) -> (d0)>(%i) {
      affine.store %c0, %b[%i, %j] : memref<8x8xf32>
    }
  }
  // expected-error @below {{nest cannot be mapped to lanes: loop runs zero times}}
  affine.for %i = 0 to 0 {
    affine.store %c0, %b[%i, 0] : memref<8x8xf32>
  }
  // expected-error @below {{nest cannot be mapped to lanes: loop carries values}}
  %s = affine.for %i = 0 to 8 iter_args(%acc = %c0) -> f32 {
    %0 = affine.load %a[%i, 0] : memref<8x8xf32>
    affine.yield %0 : f32
  }
  return
}

// -----

func.func @main(%a: memref<8xf32> {polystage.name = "a", polystage.kind = "input"},
                %b: memref<8xf32> {polystage.name = "b", polystage.kind = "output"}) {
  // expected-error @below {{nest cannot be mapped to lanes: index 0 of 'b' runs over [3, 10], it has [0, 7]}}
  affine.for %i = 0 to 8 {
    %0 = affine.load %a[%i] : memref<8xf32>
    affine.store %0, %b[%i + 3] : memref<8xf32>
  }
  return
}

// -----

func.func @main(%a: memref<8xf64> {polystage.name = "a", polystage.kind = "input"},
                %b: memref<?xf32> {polystage.name = "b", polystage.kind = "output"},
                %c: memref<8xf32, strided<[2]>> {polystage.name = "c", polystage.kind = "output"}) {
  // expected-error @below {{nest cannot be mapped to lanes: memref<8xf64> cannot be stored: element type f64 is none of}}
  affine.for %i = 0 to 8 {
    %0 = affine.load %a[%i] : memref<8xf64>
    %1 = arith.truncf %0 : f64 to f32
    affine.store %1, %b[%i] : memref<?xf32>
  }
  %c0 = arith.constant 0.0 : f32
  // expected-error @below {{nest cannot be mapped to lanes: memref<?xf32> has a dynamic shape}}
  affine.for %i = 0 to 8 {
    affine.store %c0, %b[%i] : memref<?xf32>
  }
  // expected-error @below {{nest cannot be mapped to lanes: memref<8xf32, strided<[2]>> has a layout}}
  affine.for %i = 0 to 8 {
    affine.store %c0, %c[%i] : memref<8xf32, strided<[2]>>
  }
  return
}

// -----

func.func @main(%a: memref<8x8xf32> {polystage.name = "a", polystage.kind = "input"},
                %b: memref<8x8xf32> {polystage.name = "b", polystage.kind = "output"}) {
  // expected-error @below {{nest cannot be mapped to lanes: arith.addi computes with index values; affine.apply or i32 arithmetic does}}
  affine.for %i = 0 to 8 {
    affine.for %j = 0 to 8 {
      %0 = arith.addi %i, %j : index
      %1 = memref.load %a[%0, %j] : memref<8x8xf32>
      affine.store %1, %b[%i, %j] : memref<8x8xf32>
    }
  }
  return
}

// -----

func.func private @f(f32) -> f32
func.func @main(%a: memref<8xf32> {polystage.name = "a", polystage.kind = "input"}, %s: f32 {polystage.name = "s", polystage.kind = "input"},
                %b: memref<8xf32> {polystage.name = "b", polystage.kind = "output"}) {
  // expected-error @below {{no instruction covers this nest: func.call on f32 has no instruction}}
  affine.for %i = 0 to 8 {
    %0 = affine.load %a[%i] : memref<8xf32>
    %1 = func.call @f(%0) : (f32) -> f32
    affine.store %1, %b[%i] : memref<8xf32>
  }
  // expected-error @below {{nest cannot be mapped to lanes: body uses a value computed outside of the nest}}
  affine.for %i = 0 to 8 {
    affine.store %s, %b[%i] : memref<8xf32>
  }
  return
}

// -----

// expected-error @unknown {{argument 1 of the function has no polystage.kind; run name-arrays first}}
func.func @main(%a: memref<8xf32> {polystage.name = "a", polystage.kind = "input"},
                %b: memref<8xf32> {polystage.name = "b"}) {
  return
}

// -----

// expected-error @unknown {{argument 0 of the function has no polystage.name; run name-arrays first}}
func.func @main(%a: memref<8xf32>) {
  return
}

// -----

// expected-error @unknown {{@main has 0 blocks, it must have one}}
func.func private @main(memref<8xf32>)
