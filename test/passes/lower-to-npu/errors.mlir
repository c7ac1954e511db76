// RUN: polystage-opt --set-target=name=tiny --lower-to-npu --split-input-file --verify-diagnostics %s

func.func @main() {
  %x = memref.alloc() {polystage.name = "x"} : memref<8x8xf32, #npu.sbuf>
  // expected-error @below {{no instruction covers this nest: npu.nest is "transfer" or "compute", not "fly"}}
  affine.for %l = 0 to 8 {
    %0 = affine.load %x[%l, 0] : memref<8x8xf32, #npu.sbuf>
    affine.store %0, %x[%l, 1] : memref<8x8xf32, #npu.sbuf>
  } {npu.nest = "fly"}
  // expected-error @below {{nest has no npu.implementation; run map-banks and stage first}}
  affine.for %l = 0 to 8 {
    %0 = affine.load %x[%l, 0] : memref<8x8xf32, #npu.sbuf>
    affine.store %0, %x[%l, 1] : memref<8x8xf32, #npu.sbuf>
  } {npu.nest = "compute"}
  // expected-error @below {{npu.implementation = {kind = "elementwise", lane = 1 : i64} does not run this nest}}
  affine.for %l = 0 to 8 {
    %0 = affine.load %x[%l, 0] : memref<8x8xf32, #npu.sbuf>
    affine.store %0, %x[%l, 1] : memref<8x8xf32, #npu.sbuf>
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", lane = 1 : i64}}
  // expected-error @below {{npu.implementation = {kind = "reduce", lane = 0 : i64} does not run this nest}}
  affine.for %l = 0 to 8 {
    %0 = affine.load %x[%l, 0] : memref<8x8xf32, #npu.sbuf>
    affine.store %0, %x[%l, 1] : memref<8x8xf32, #npu.sbuf>
  } {npu.nest = "compute", npu.implementation = {kind = "reduce", lane = 0 : i64}}
  // expected-error @below {{npu.implementation = {kind = "contraction", lane = 0 : i64, stationary = 0 : i64} does not run this nest}}
  affine.for %l = 0 to 8 {
    %0 = affine.load %x[%l, 0] : memref<8x8xf32, #npu.sbuf>
    affine.store %0, %x[%l, 1] : memref<8x8xf32, #npu.sbuf>
  } {npu.nest = "compute", npu.implementation = {kind = "contraction", lane = 0 : i64}}
  // expected-error @below {{no instruction covers this nest: math.fma on f32 has no instruction}}
  affine.for %l = 0 to 8 {
    %0 = affine.load %x[%l, 0] : memref<8x8xf32, #npu.sbuf>
    %1 = math.fma %0, %0, %0 : f32
    affine.store %1, %x[%l, 1] : memref<8x8xf32, #npu.sbuf>
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  // expected-error @below {{no instruction covers this nest: a transfer is one affine load and its affine store}}
  affine.for %l = 0 to 8 {
    %0 = affine.load %x[%l, 0] : memref<8x8xf32, #npu.sbuf>
    %1 = math.exp %0 : f32
    affine.store %1, %x[%l, 1] : memref<8x8xf32, #npu.sbuf>
  } {npu.nest = "transfer"}
  // expected-error @below {{no instruction covers this nest: d0 mod 3}}
  affine.for %l = 0 to 8 {
    %0 = affine.load %x[%l, %l mod 3] : memref<8x8xf32, #npu.sbuf>
    affine.store %0, %x[%l, 1] : memref<8x8xf32, #npu.sbuf>
  } {npu.nest = "transfer"}
  return
}

// -----

func.func @main(%a: memref<8xf32> {polystage.name = "a", polystage.kind = "input"},
                %b: memref<8xf32> {polystage.name = "b", polystage.kind = "output"}) {
  affine.for %i = 0 to 8 {
    // expected-error @below {{'affine.load' is not part of an npu program; run lower-to-affine and stage first}}
    %0 = affine.load %a[%i] : memref<8xf32>
    // expected-error @below {{'affine.store' is not part of an npu program; run lower-to-affine and stage first}}
    affine.store %0, %b[%i] : memref<8xf32>
  }
  // expected-error @below {{'memref.copy' is not part of an npu program; run lower-to-affine and stage first}}
  memref.copy %a, %b : memref<8xf32> to memref<8xf32>
  return
}

// -----

// expected-error @unknown {{argument 0 of the function has no polystage.name; run name-arrays first}}
func.func @main(%a: memref<8xf32>) {
  return
}

// -----

func.func @main() {
  %zero = arith.constant 0.0 : f32
  %x = memref.alloc() {polystage.name = "x"} : memref<8xf32, #npu.sbuf>
  %y = memref.alloc() {polystage.name = "y"} : memref<8xf32, affine_map<(d0) -> (-8, d0)>, #npu.sbuf>
  // expected-error @below {{no instruction covers this nest: a nest is replicated if and only if what it stores is}}
  affine.for %t = 0 to 8 {
    affine.store %zero, %x[%t] : memref<8xf32, #npu.sbuf>
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", replicated}}
  // expected-error @below {{no instruction covers this nest: a nest is replicated if and only if what it stores is}}
  affine.for %t = 0 to 8 {
    affine.store %zero, %y[%t] : memref<8xf32, affine_map<(d0) -> (-8, d0)>, #npu.sbuf>
  } {npu.nest = "compute", npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  // expected-error @below {{npu.implementation may be replicated, without a value, where kind is elementwise or reduce}}
  affine.for %t = 0 to 8 {
    affine.store %zero, %y[%t] : memref<8xf32, affine_map<(d0) -> (-8, d0)>, #npu.sbuf>
  } {npu.nest = "compute", npu.implementation = {kind = "fold", replicated}}
  return
}
