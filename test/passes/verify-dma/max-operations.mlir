// A question that takes too long is refused.
// RUN: polystage-opt --verify-dma=max-operations=1 --verify-diagnostics %s

func.func @main(%x: memref<8x4xf32>) {
  %a = memref.alloc() {npu.address = 0 : i64} : memref<8x9xf32, #npu.sbuf>
  // expected-note @below {{the transfer starts here}}
  %0 = "npu.dma_start"(%x, %a) {cause = "input", sizes = array<i64: 8, 4>, maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1 * 2)>]} : (memref<8x4xf32>, memref<8x9xf32, #npu.sbuf>) -> !npu.token
  // expected-error @below {{'npu.memset' against 'npu.dma_start' in flight: a polyhedral question needs more than 1 isl operations}}
  "npu.memset"(%a) {value = 1.0 : f32, sizes = array<i64: 8, 4>, maps = [affine_map<(d0, d1) -> (d0, d1 * 2 + 1)>]} : (memref<8x9xf32, #npu.sbuf>) -> ()
  "npu.dma_wait"(%0) : (!npu.token) -> ()
  return
}
