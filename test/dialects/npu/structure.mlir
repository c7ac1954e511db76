// RUN: polystage-opt --split-input-file --verify-diagnostics %s

// Operands, box and maps.

func.func @no_sizes(%a: memref<8x4xf32, #npu.sbuf>) {
  // expected-error @below {{'npu.memset' op needs its iteration box as sizes = array<i64: ...>}}
  "npu.memset"(%a) {value = 0.0 : f32, maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (memref<8x4xf32, #npu.sbuf>) -> ()
  return
}

// -----

func.func @sizes_of_i32(%a: memref<8x4xf32, #npu.sbuf>) {
  // expected-error @below {{needs its iteration box as sizes = array<i64: ...>}}
  "npu.memset"(%a) {value = 0.0 : f32, sizes = array<i32: 8, 4>, maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (memref<8x4xf32, #npu.sbuf>) -> ()
  return
}

// -----

func.func @empty_box(%a: memref<8x4xf32, #npu.sbuf>) {
  // expected-error @below {{sizes = [8, 0]: a box has at least one dimension, and each has at least one point}}
  "npu.memset"(%a) {value = 0.0 : f32, sizes = array<i64: 8, 0>, maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (memref<8x4xf32, #npu.sbuf>) -> ()
  return
}

// -----

func.func @too_few_memrefs(%a: memref<8x4xf32, #npu.sbuf>) {
  // expected-error @below {{takes the memrefs dst, a, b first, got 2}}
  "npu.tensor_tensor"(%a, %a) {op = "add", sizes = array<i64: 8, 4>, maps = []} : (memref<8x4xf32, #npu.sbuf>, memref<8x4xf32, #npu.sbuf>) -> ()
  return
}

// -----

func.func @too_many_memrefs(%a: memref<8x4xf32, #npu.sbuf>) {
  // expected-error @below {{takes the memrefs dst, src and up to 2 of bias and scale first, got 5}}
  "npu.activation"(%a, %a, %a, %a, %a) {func = "exp", operandSegmentSizes = array<i32: 1, 1, 1, 1, 1>, sizes = array<i64: 8, 4>, maps = []} : (memref<8x4xf32, #npu.sbuf>, memref<8x4xf32, #npu.sbuf>, memref<8x4xf32, #npu.sbuf>, memref<8x4xf32, #npu.sbuf>, memref<8x4xf32, #npu.sbuf>) -> ()
  return
}

// -----

func.func @operand_that_is_no_index(%a: memref<8x4xf32, #npu.sbuf>, %i: i32) {
  // expected-error @below {{operand 1 is i32; after the memrefs come index values}}
  "npu.memset"(%a, %i) {value = 0.0 : f32, sizes = array<i64: 8, 4>, maps = []} : (memref<8x4xf32, #npu.sbuf>, i32) -> ()
  return
}

// -----

func.func @map_missing(%a: memref<8x4xf32, #npu.sbuf>) {
  // expected-error @below {{needs one affine map per memref operand (dst, src) in maps, got 1}}
  "npu.tensor_copy"(%a, %a) {sizes = array<i64: 8, 4>, maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (memref<8x4xf32, #npu.sbuf>, memref<8x4xf32, #npu.sbuf>) -> ()
  return
}

// -----

func.func @no_maps(%a: memref<8x4xf32, #npu.sbuf>) {
  // expected-error @below {{needs one affine map per memref operand (dst) in maps, got 0}}
  "npu.memset"(%a) {value = 0.0 : f32, sizes = array<i64: 8, 4>} : (memref<8x4xf32, #npu.sbuf>) -> ()
  return
}

// -----

func.func @map_dimensions(%a: memref<8x4xf32, #npu.sbuf>) {
  // expected-error @below {{dst: its map has 3 dimensions, the box has 2}}
  "npu.memset"(%a) {value = 0.0 : f32, sizes = array<i64: 8, 4>, maps = [affine_map<(d0, d1, d2) -> (d0, d1)>]} : (memref<8x4xf32, #npu.sbuf>) -> ()
  return
}

// -----

func.func @map_symbols(%a: memref<8x4xf32, #npu.sbuf>, %i: index) {
  // expected-error @below {{dst: its map has 0 symbols, the instruction has 1 index operands}}
  "npu.memset"(%a, %i) {value = 0.0 : f32, sizes = array<i64: 8, 4>, maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (memref<8x4xf32, #npu.sbuf>, index) -> ()
  return
}

// -----

func.func @map_results(%a: memref<8x4xf32, #npu.sbuf>) {
  // expected-error @below {{dst: its map has 1 results, memref<8x4xf32, #npu.sbuf> has rank 2}}
  "npu.memset"(%a) {value = 0.0 : f32, sizes = array<i64: 8, 4>, maps = [affine_map<(d0, d1) -> (d0)>]} : (memref<8x4xf32, #npu.sbuf>) -> ()
  return
}

// -----

func.func @map_with_mod(%a: memref<8x4xf32, #npu.sbuf>) {
  // expected-error @below {{dst: (d0, d1) -> (d0, d1 mod 4) is not linear; split the box where mod and floordiv break it}}
  "npu.memset"(%a) {value = 0.0 : f32, sizes = array<i64: 8, 8>, maps = [affine_map<(d0, d1) -> (d0, d1 mod 4)>]} : (memref<8x4xf32, #npu.sbuf>) -> ()
  return
}

// -----

func.func @layout(%a: memref<8x4xf32, strided<[8, 1]>, #npu.sbuf>) {
  // expected-error @below {{instructions take physical memrefs, run normalize-memrefs first}}
  "npu.memset"(%a) {value = 0.0 : f32, sizes = array<i64: 8, 4>, maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (memref<8x4xf32, strided<[8, 1]>, #npu.sbuf>) -> ()
  return
}

// -----

func.func @dynamic(%a: memref<8x?xf32, #npu.sbuf>) {
  // expected-error @below {{dst: memref<8x?xf32, #npu.sbuf> has a dynamic shape}}
  "npu.memset"(%a) {value = 0.0 : f32, sizes = array<i64: 8, 4>, maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (memref<8x?xf32, #npu.sbuf>) -> ()
  return
}

// -----

func.func @other_space(%a: memref<8x4xf32, 1>) {
  // expected-error @below {{memory space 1 : i64 is none of DRAM (default), #npu.sbuf, #npu.psum}}
  "npu.memset"(%a) {value = 0.0 : f32, sizes = array<i64: 8, 4>, maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (memref<8x4xf32, 1>) -> ()
  return
}

// -----

func.func @element_type(%a: memref<8x4xf64, #npu.sbuf>) {
  // expected-error @below {{element type f64 is none of i1, i8, f16, bf16, i32, f32}}
  "npu.memset"(%a) {value = 0.0 : f32, sizes = array<i64: 8, 4>, maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (memref<8x4xf64, #npu.sbuf>) -> ()
  return
}

// -----

func.func @no_lane(%a: memref<f32, #npu.sbuf>) {
  // expected-error @below {{dst: memref<f32, #npu.sbuf> has no lane dimension}}
  "npu.memset"(%a) {value = 0.0 : f32, sizes = array<i64: 1>, maps = [affine_map<(d0) -> ()>]} : (memref<f32, #npu.sbuf>) -> ()
  return
}

// -----

// What IRDL checks: declared attributes, and the kinds of operands of an op with optional memrefs.

func.func @no_function(%a: memref<8x4xf32, #npu.sbuf>) {
  // expected-error @below {{needs func = "..."}}
  "npu.activation"(%a, %a) {operandSegmentSizes = array<i32: 1, 1, 0, 0, 0>, sizes = array<i64: 8, 4>, maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>]} : (memref<8x4xf32, #npu.sbuf>, memref<8x4xf32, #npu.sbuf>) -> ()
  return
}

// -----

func.func @wait_for_a_memref(%a: memref<8x4xf32>) {
  // expected-error @below {{expected base type 'npu.token' but got 'builtin.memref'}}
  "npu.dma_wait"(%a) : (memref<8x4xf32>) -> ()
  return
}
