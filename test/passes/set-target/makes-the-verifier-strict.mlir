// RUN: polystage-opt --set-target=name=tiny --verify-diagnostics %s

// Without a target only the structure of an instruction is checked.

func.func @main(%a: memref<8x600xf32, #npu.sbuf>) {
  // expected-error @below {{dst: 600 elements in each lane, the vector engine of tiny takes 512 in SBUF; cut the box}}
  "npu.memset"(%a) {value = 0.0 : f32, sizes = array<i64: 8, 600>, maps = [affine_map<(d0, d1) -> (d0, d1)>]}
    : (memref<8x600xf32, #npu.sbuf>) -> ()
  return
}
