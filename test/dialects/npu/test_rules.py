"""Memories, element types, lanes and attributes of every instruction, on no machine in particular."""

import pytest
from one_instruction import problem, program

S, P, D = "8x4xf32@sbuf", "8x4xf32@psum", "8x4xf32"
I8, I32, I1, BF = "8x4xi8@sbuf", "8x4xi32@sbuf", "8x4xi1@sbuf", "8x4xbf16@sbuf"
PRODUCT = ["d1, d2", "d0, d1", "d0, d2"]
LANE, LANE_INT = "8x1xf32@sbuf", "8x1xi32@sbuf"
ID, PER_LANE = "d0, d1", "d0, 0"
BOX = [8, 4]
STEP = 'op0 = "add", reverse0 = false'

LEGAL = {
    "dma from DRAM": ("dma_start", [D, S], [ID, ID], BOX, ""),
    "dma from DRAM to PSUM": ("dma_start", [D, P], [ID, ID], BOX, ""),
    "dma that transposes": ("dma_start", ["4x8xf32", S], ["d1, d0", ID], BOX, ""),
    "dma that broadcasts": ("dma_start", ["4xf32", S], ["d1", ID], BOX, ""),
    "gather of rows": ("gather", ["100x4xf32", S, LANE_INT], ["e0, d1", ID, PER_LANE], BOX, ""),
    "gather by two indices": ("gather", ["9x9xf32", S, I32, I32], ["e0, e1", ID, ID, ID], BOX, ""),
    "scatter of rows": ("scatter", [S, "100x4xf32", LANE_INT], [ID, "e0, d1", PER_LANE], BOX, ""),
    "matmul": ("matmul", [P, "8x8xf32@sbuf", S], PRODUCT, [8, 8, 4], "accumulate = true"),
    "matmul of bf16": ("matmul", [P, BF, BF], PRODUCT, [8, 4, 4], "accumulate = false"),
    "transpose": ("transpose", ["4x8xf32@psum", S], ["d1, d0", ID], BOX, ""),
    "activation": ("activation", [S, P], [ID, ID], BOX, 'func = "exp", scale = 2.0 : f32, bias = 1.0 : f32'),
    "activation with bias": ("activation", [BF, P, LANE], [ID, ID, PER_LANE], BOX, 'func = "tanh"'),
    "test": ("activation", [I1, S], [ID, ID], BOX, 'func = "is_nan"'),
    "tensor_tensor": ("tensor_tensor", [S, P, BF], [ID, ID, ID], BOX, 'op = "add"'),
    "broadcast operand": ("tensor_tensor", [S, S, LANE], [ID, ID, PER_LANE], BOX, 'op = "add"'),
    "comparison": ("tensor_tensor", [I1, S, S], [ID, ID, ID], BOX, 'op = "is_ugt"'),
    "integer power": ("tensor_tensor", [S, S, I32], [ID, ID, ID], BOX, 'op = "power"'),
    "tensor_scalar": ("tensor_scalar", [S, S], [ID, ID], BOX, STEP + ", scalar0 = 1.0 : f32"),
    "scalar per lane": ("tensor_scalar", [S, S, LANE], [ID, ID, PER_LANE], BOX, STEP),
    "compare, then use": (
        "tensor_scalar", [I32, S], [ID, ID], BOX,
        'op0 = "is_gt", reverse0 = false, scalar0 = 0.0 : f32, op1 = "multiply", reverse1 = false, scalar1 = 3 : i32',
    ),
    "scalar_tensor_tensor": (
        "scalar_tensor_tensor", [S, S, LANE, S], [ID, ID, PER_LANE, ID], BOX, 'op0 = "multiply", op1 = "add"',
    ),
    "tensor_reduce": ("tensor_reduce", ["8xf32@sbuf", S], ["d0", ID], BOX, 'op = "max"'),
    "tensor_copy casts": ("tensor_copy", [I8, S], [ID, ID], BOX, ""),
    "select": ("select", [S, I1, S, P], [ID, ID, ID, ID], BOX, ""),
    "iota": ("iota", [S], [ID], BOX, "value = affine_map<(d0, d1) -> (d0 * 4 + d1 mod 2)>"),
    "memset of int": ("memset", [I8], [ID], BOX, "value = -1 : i32"),
    "one lane anywhere": ("memset", [S], ["5, d1"], [1, 4], "value = 0.0 : f32"),
}  # fmt: skip


@pytest.mark.parametrize("case", LEGAL)
def test_legal(case: str) -> None:
    assert problem(program(*LEGAL[case])) == ""


ILLEGAL = {
    "engine on DRAM": (
        ("memset", [D], [ID], BOX, "value = 0.0 : f32"),
        "dst: memref<8x4xf32> lies in DRAM, must be in #npu.sbuf or #npu.psum",
    ),
    "gather from SBUF": (
        ("gather", ["100x4xf32@sbuf", S, LANE_INT], ["e0, d1", ID, PER_LANE], BOX, ""),
        "src: memref<100x4xf32, #npu.sbuf> lies in #npu.sbuf, must be in DRAM",
    ),
    "matmul into SBUF": (
        ("matmul", [S, "8x8xf32@sbuf", S], PRODUCT, [8, 8, 4], "accumulate = true"),
        "dst: memref<8x4xf32, #npu.sbuf> lies in #npu.sbuf, must be in #npu.psum",
    ),
    "matmul from PSUM": (
        ("matmul", [P, "8x8xf32@sbuf", P], PRODUCT, [8, 8, 4], "accumulate = true"),
        "moving: memref<8x4xf32, #npu.psum> lies in #npu.psum, must be in #npu.sbuf",
    ),
    "matmul into bf16": (
        ("matmul", ["8x4xbf16@psum", "8x8xf32@sbuf", S], PRODUCT, [8, 8, 4], "accumulate = true"),
        "dst: accumulates in f32, memref<8x4xbf16, #npu.psum> does not hold it",
    ),
    "matmul without M": (
        ("matmul", [P, S, S], ["0, 0", "d0, 0", "d0, 0"], [8], "accumulate = true"),
        "sizes = [8]: a product has the box [K, M, N...]",
    ),
    "matmul flag": (
        ("matmul", [P, "8x8xf32@sbuf", S], PRODUCT, [8, 8, 4], "accumulate = 1 : i32"),
        "needs accumulate = true or false",
    ),
    "stationary uses N": (
        ("matmul", [P, "8x8xf32@sbuf", S], ["d1, d2", "d0, d2", "d0, d2"], [8, 8, 4], "accumulate = true"),
        "stationary: index 1 depends on d2, over which this operand is constant",
    ),
    "result on lane of K": (
        ("matmul", [P, "8x8xf32@sbuf", S], ["d0, d2", "d0, d1", "d0, d2"], [8, 8, 4], "accumulate = true"),
        "dst: index 0 is the lane and must be d1 plus an offset, it has 1 * d0",
    ),
    "transpose of three": (
        ("transpose", ["4x8xf32@psum", S], ["d1, d0", ID], [8, 4, 1], ""),
        "sizes = [8, 4, 1]: a transpose has the box [P, F]",
    ),
    "transpose that casts": (
        ("transpose", ["4x8xf32@psum", BF], ["d1, d0", ID], BOX, ""),
        "src holds bf16, dst f32; a transpose does not convert, tensor_copy does",
    ),
    "dma that casts": (
        ("dma_start", [D, BF], [ID, ID], BOX, ""),
        "src holds f32, dst bf16; a transfer does not convert, tensor_copy does",
    ),
    "dma writes twice": (
        ("dma_start", [D, S], [ID, "d0, 0"], BOX, ""),
        "dst: all 4 points of d1 write the same element; use d1 in its map",
    ),
    "float index": (
        ("gather", ["100x4xf32", S, LANE], ["e0, d1", ID, PER_LANE], BOX, ""),
        "index0: an index is i32, memref<8x1xf32, #npu.sbuf> holds f32",
    ),
    "lane stride": (
        ("tensor_copy", ["4x4xf32@sbuf", S], [ID, "2 * d0, d1"], [4, 4], ""),
        "src: index 0 is the lane and must be d0 plus an offset, it has 2 * d0",
    ),
    "lane in the free axis": (
        ("tensor_copy", [S, "8x16xf32@sbuf"], [ID, "d0, d0 + d1"], BOX, ""),
        "src: index 1 depends on the lane, d0; offsets are equal in all lanes",
    ),
    "free dimension on lanes": (
        ("tensor_copy", [S, "8x4xf32@sbuf"], [ID, "d1, 0"], BOX, ""),
        "src: index 0 is the lane and must be d0 plus an offset, it has 1 * d1",
    ),
    "lane broadcast": (
        ("tensor_copy", [S, S], [ID, "0, d1"], BOX, ""),
        "src: lane d0 has 8 points, but index 0 (the lane) does not follow it",
    ),
    "scalar along the free axis": (
        ("tensor_scalar", [S, S, S], [ID, ID, ID], BOX, STEP),
        "scalar0: index 1 depends on d1, over which this operand is constant",
    ),
    "result written twice": (
        ("tensor_copy", [S, S], [PER_LANE, ID], BOX, ""),
        "dst: all 4 points of d1 write the same element",
    ),
    "unknown function": (("activation", [S, S], [ID, ID], BOX, 'func = "softmax"'), "func = 'softmax' is no function"),
    "scale of the wrong type": (
        ("activation", [S, S], [ID, ID], BOX, 'func = "exp", scale = 2 : i32'),
        "scale = 2 : i32: on float data it is a number of type f32",
    ),
    "function of integers": (
        ("activation", [I32, I32], [ID, ID], BOX, 'func = "exp"'),
        "func = 'exp' is not defined on int data",
    ),
    "unary as binary": (
        ("tensor_tensor", [S, S, S], [ID, ID, ID], BOX, 'op = "exp"'),
        "op = 'exp' is no operation of two operands",
    ),
    "float and int": (
        ("tensor_tensor", [S, S, I32], [ID, ID, ID], BOX, 'op = "add"'),
        "a holds f32, b i32; convert one with tensor_copy first",
    ),
    "comparison into float": (
        ("tensor_tensor", [S, S, S], [ID, ID, ID], BOX, 'op = "is_gt"'),
        "dst holds f32, the result is int; convert it with tensor_copy",
    ),
    "bits of floats": (
        ("tensor_tensor", [S, S, S], [ID, ID, ID], BOX, 'op = "xor"'),
        "op = 'xor' is not defined on float data",
    ),
    "no scalar": (
        ("tensor_scalar", [S, S], [ID, ID], BOX, STEP),
        "op0 has no second operand; give scalar0 = a number, or a memref after src",
    ),
    "scalar too many": (
        ("tensor_scalar", [S, S, LANE], [ID, ID, PER_LANE], BOX, STEP + ", scalar0 = 1.0 : f32"),
        "1 scalar memrefs are not used",
    ),
    "scalar of the other kind": (
        ("tensor_scalar", [S, S, LANE_INT], [ID, ID, PER_LANE], BOX, STEP),
        "op0 works on float data, its scalar memref holds other data",
    ),
    "immediate of the other kind": (
        ("tensor_scalar", [S, S], [ID, ID], BOX, STEP + ", scalar0 = 1 : i32"),
        "scalar0 = 1 : i32: on float data it is a number of type f32",
    ),
    "no flag": (
        ("tensor_scalar", [S, S], [ID, ID], BOX, 'op0 = "add", scalar0 = 1.0 : f32'),
        "needs reverse0 = true or false",
    ),
    "second operand of the other kind": (
        ("scalar_tensor_tensor", [S, S, LANE, S], [ID, ID, PER_LANE, ID], BOX, 'op0 = "is_gt", op1 = "add"'),
        "op1 works on int data, b holds f32; convert it first",
    ),
    "reduction by subtraction": (
        ("tensor_reduce", ["8xf32@sbuf", S], ["d0", ID], BOX, 'op = "subtract"'),
        "op = 'subtract' does not reduce float data; reductions are add, and, max",
    ),
    "reduction of lanes": (
        ("tensor_reduce", ["1x4xf32@sbuf", S], ["0, d1", ID], BOX, 'op = "add"'),
        "dst: lane d0 has 8 points, but index 0 (the lane) does not follow it",
    ),
    "float predicate": (
        ("select", [S, S, S, S], [ID, ID, ID, ID], BOX, ""),
        "pred: a predicate is i1, memref<8x4xf32, #npu.sbuf> holds f32",
    ),
    "iota without a value": (
        ("iota", [S], [ID], BOX, "value = 1 : i32"),
        "needs value = an affine map with one result",
    ),
    "iota over another box": (
        ("iota", [S], [ID], BOX, "value = affine_map<(d0) -> (d0)>"),
        "value has 1 dimensions and 0 symbols, the box 2 and 0",
    ),
    "memset of the other kind": (
        ("memset", [I8], [ID], BOX, "value = 0.0 : f32"),
        "value = 0.000000e+00 : f32: on int data it is a number of type i32",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ILLEGAL)
def test_illegal(case: str) -> None:
    arguments, message = ILLEGAL[case]
    assert message in problem(program(*arguments))
