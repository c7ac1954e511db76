// RUN: polystage-opt --set-target=name=tiny --allocate --split-input-file --verify-diagnostics %s

func.func @main() {
  %a = memref.alloc() {polystage.name = "small"} : memref<8x4xf32, #npu.sbuf>
  // expected-error @below {{buffers in sbuf of tiny need 2,064 bytes per lane at once, it has 2,048; the largest live there is 'large' with 2,048}}
  %b = memref.alloc() {polystage.name = "large"} : memref<8x512xf32, #npu.sbuf>
  "npu.memset"(%a) {value = 1.0 : f32, sizes = array<i64: 8, 4>, maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (memref<8x4xf32, #npu.sbuf>) -> ()
  "npu.memset"(%b) {value = 1.0 : f32, sizes = array<i64: 8, 4>, maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (memref<8x512xf32, #npu.sbuf>) -> ()
  return
}

// -----

func.func @main() {
  // expected-error @below {{buffers in psum of tiny need 144 bytes per lane at once, it has 128}}
  %a = memref.alloc() {polystage.name = "a"} : memref<8x4xf32, #npu.psum>
  %b = memref.alloc() {polystage.name = "b"} : memref<8x4xf32, #npu.psum>
  %c = memref.alloc() {polystage.name = "c"} : memref<8x4xf32, #npu.psum>
  "npu.memset"(%a) {value = 1.0 : f32, sizes = array<i64: 8, 4>, maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (memref<8x4xf32, #npu.psum>) -> ()
  "npu.memset"(%b) {value = 1.0 : f32, sizes = array<i64: 8, 4>, maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (memref<8x4xf32, #npu.psum>) -> ()
  "npu.memset"(%c) {value = 1.0 : f32, sizes = array<i64: 8, 4>, maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (memref<8x4xf32, #npu.psum>) -> ()
  "npu.memset"(%a) {value = 1.0 : f32, sizes = array<i64: 8, 4>, maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (memref<8x4xf32, #npu.psum>) -> ()
  return
}

// -----

func.func @main() {
  // expected-error @below {{memref<8xf32, 3> cannot be placed: memory space 3 : i64 is none of DRAM (default), #npu.sbuf, #npu.psum}}
  %a = memref.alloc() : memref<8xf32, 3>
  // expected-error @below {{memref<8xf64, #npu.sbuf> cannot be stored: element type f64 is none of}}
  %b = memref.alloc() : memref<8xf64, #npu.sbuf>
  // expected-error @below {{memref<f32, #npu.sbuf> needs its first dimension to be lanes, of which tiny has 8 in sbuf}}
  %c = memref.alloc() : memref<f32, #npu.sbuf>
  // expected-error @below {{memref<9x4xf32, #npu.psum> needs its first dimension to be lanes, of which tiny has 8 in psum}}
  %d = memref.alloc() : memref<9x4xf32, #npu.psum>
  %n = arith.constant 3 : index
  // expected-error @below {{memref<?xf32> has a dynamic shape}}
  %e = memref.alloc(%n) : memref<?xf32>
  return
}
