// RUN: polystage-opt --verify-dma --split-input-file --verify-diagnostics %s

#id = affine_map<(d0, d1) -> (d0, d1)>
func.func @main(%x: memref<8x4xf32>) {
  %a = memref.alloc() {npu.address = 0 : i64} : memref<8x4xf32, #npu.sbuf>
  // expected-note @below {{the transfer starts here}}
  %0 = "npu.dma_start"(%x, %a) {cause = "input", sizes = array<i64: 8, 4>, maps = [#id, #id]} : (memref<8x4xf32>, memref<8x4xf32, #npu.sbuf>) -> !npu.token
  // expected-error @below {{'npu.memset' writes bytes 0 to 15 of each lane of sbuf (dst) while 'npu.dma_start' in flight writes bytes 0 to 15 of each lane of sbuf (dst); wait for the transfer first}}
  "npu.memset"(%a) {value = 1.0 : f32, sizes = array<i64: 8, 4>, maps = [#id]} : (memref<8x4xf32, #npu.sbuf>) -> ()
  "npu.dma_wait"(%0) : (!npu.token) -> ()
  return
}

// -----

// The buffers share bytes.
#id = affine_map<(d0, d1) -> (d0, d1)>
func.func @main(%y: memref<8x4xf32>) {
  %a = memref.alloc() {npu.address = 0 : i64} : memref<8x4xf32, #npu.sbuf>
  %b = memref.alloc() {npu.address = 8 : i64} : memref<8x4xf32, #npu.sbuf>
  // expected-note @below {{the transfer starts here}}
  %0 = "npu.dma_start"(%a, %y) {cause = "output", sizes = array<i64: 8, 4>, maps = [#id, #id]} : (memref<8x4xf32, #npu.sbuf>, memref<8x4xf32>) -> !npu.token
  // expected-error @below {{'npu.memset' writes bytes 8 to 23 of each lane of sbuf (dst) while 'npu.dma_start' in flight reads bytes 0 to 15 of each lane of sbuf (src)}}
  "npu.memset"(%b) {value = 1.0 : f32, sizes = array<i64: 8, 4>, maps = [#id]} : (memref<8x4xf32, #npu.sbuf>) -> ()
  "npu.dma_wait"(%0) : (!npu.token) -> ()
  return
}

// -----

#id = affine_map<(d0, d1) -> (d0, d1)>
func.func @main(%x: memref<8x4xf32>) {
  %a = memref.alloc() {npu.address = 0 : i64} : memref<8x4xf32, #npu.sbuf>
  // expected-error @below {{the transfer is never waited for}}
  %0 = "npu.dma_start"(%x, %a) {cause = "input", sizes = array<i64: 8, 4>, maps = [#id, #id]} : (memref<8x4xf32>, memref<8x4xf32, #npu.sbuf>) -> !npu.token
  // expected-note @below {{the transfer starts here}}
  %1 = "npu.dma_start"(%x, %a) {cause = "input", sizes = array<i64: 8, 4>, maps = [#id, #id]} : (memref<8x4xf32>, memref<8x4xf32, #npu.sbuf>) -> !npu.token
  affine.for %i = 0 to 2 {
    // expected-error @below {{the transfer is waited for in a loop that it does not start in, once per iteration}}
    "npu.dma_wait"(%1) : (!npu.token) -> ()
  }
  // expected-note @below {{the transfer starts here}}
  %2 = "npu.dma_start"(%x, %a) {cause = "input", sizes = array<i64: 8, 4>, maps = [#id, #id]} : (memref<8x4xf32>, memref<8x4xf32, #npu.sbuf>) -> !npu.token
  // expected-error @below {{the token of the transfer is used 2 times; it can be waited for once}}
  "npu.dma_wait"(%2) : (!npu.token) -> ()
  "npu.dma_wait"(%2) : (!npu.token) -> ()
  return
}

// -----

// A loop writes part of it, in its third iteration.
func.func @main(%x: memref<8x4xf32>) {
  %a = memref.alloc() {npu.address = 0 : i64} : memref<8x9xf32, #npu.sbuf>
  // expected-note @below {{the transfer starts here}}
  %0 = "npu.dma_start"(%x, %a) {cause = "input", sizes = array<i64: 8, 4>, maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1 + 5)>]} : (memref<8x4xf32>, memref<8x9xf32, #npu.sbuf>) -> !npu.token
  affine.for %i = 0 to 3 {
    // expected-error @below {{'npu.memset' writes bytes 0 to 23 of each lane of sbuf (dst) while 'npu.dma_start' in flight writes bytes 20 to 35 of each lane of sbuf (dst), for example at iv0 = 2}}
    "npu.memset"(%a, %i) {value = 1.0 : f32, sizes = array<i64: 8, 2>, maps = [affine_map<(d0, d1)[s0] -> (d0, s0 * 2 + d1)>]} : (memref<8x9xf32, #npu.sbuf>, index) -> ()
  }
  "npu.dma_wait"(%0) : (!npu.token) -> ()
  return
}

// -----

// expected-error @unknown {{'memref.alloc' has no npu.address; run allocate first}}
func.func @main() {
  %a = memref.alloc() : memref<8x4xf32, #npu.sbuf>
  "npu.memset"(%a) {value = 1.0 : f32, sizes = array<i64: 8, 4>, maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (memref<8x4xf32, #npu.sbuf>) -> ()
  return
}
