"""What a machine does not have: `tiny` has 8 lanes, even start lanes, an 8 x 8 array and PSUM banks of 64 bytes."""

from itertools import product
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_instruction import problem, program

ZERO = "value = 0.0 : f32"
ID = "d0, d1"
PRODUCT = ("d1, d2", "d0, d1", "d0, d2")


def product_of(k: int, m: int, n: int, *, psum: str = "8x16xf32@psum", element: str = "f32") -> str:
    memrefs = [psum, f"8x64x{element}@sbuf", f"8x64x{element}@sbuf"]
    return program("matmul", memrefs, PRODUCT, [k, m, n], "accumulate = false")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            program("memset", ["16x4xf32@sbuf"], [ID], [8, 4], ZERO),
            "dst: memref<16x4xf32, #npu.sbuf> spans 16 lanes, tiny has 8",
        ),
        (
            program("memset", ["8x4xf32@sbuf"], ["d0 + 1, d1"], [4, 4], ZERO),
            "dst: an access to 4 lanes starts at lane 1, on tiny it must start at a multiple of 2; move the tensor",
        ),
        (
            program("memset", ["8x4xf32@sbuf"], ["d0 + 3 * s0, d1"], [2, 4], ZERO, loops=[(0, 3, 1)]),
            "dst: an access to 2 lanes starts at lane 3",
        ),
        (
            program("memset", ["1x600xf32@sbuf"], [ID], [1, 600], ZERO),
            "dst: 600 elements in each lane, the vector engine of tiny takes 512 in SBUF; cut the box",
        ),
        (
            program("memset", ["8x40xf32@psum"], [ID], [8, 40], ZERO),
            "dst: 40 elements in each lane, the vector engine of tiny takes 32 in PSUM; cut the box",
        ),
        (product_of(8, 8, 17, psum="8x32xf32@psum"), "N is 17, the matrix engine of tiny takes up to 16; cut the box"),
        (
            program("transpose", ["16x8xf32@psum", "8x16xf32@sbuf"], ["d1, d0", ID], [8, 16]),
            "dst: memref<16x8xf32, #npu.psum> spans 16 lanes, tiny has 8",
        ),
        (
            program("matmul", ["8x8x8xf32@psum", *["8x64xf32@sbuf"] * 2], ["d1, d2, 0", "d0, d1", "d0, d2"], [8, 8, 8],
                    "accumulate = false"),
            "dst: spans 228 bytes in each lane, one PSUM bank of tiny has 64; cut the box",
        ),
    ],
)  # fmt: skip
def test_illegal_on_tiny(text: str, message: str) -> None:
    assert problem(text) == ""
    assert message in problem(text, "tiny")


def test_legal_on_tiny() -> None:
    assert problem(product_of(8, 8, 16), "tiny") == ""
    assert (
        problem(program("memset", ["8x4xf32@sbuf"], ["d0 + 2 * s0, d1"], [2, 4], ZERO, loops=[(0, 4, 1)]), "tiny") == ""
    )


def test_matrix_engine_is_smaller_than_sbuf() -> None:
    text = program("transpose", ["128x64xf32@psum", "64x128xf32@sbuf"], ["d1, d0", ID], [64, 128])
    assert problem(text, "trainium1") == ""
    assert "F is 128, the matrix engine of inferentia1 takes up to 64; cut the box" in problem(text, "inferentia1")


def test_element_type_of_the_matrix_engine() -> None:
    assert problem(product_of(8, 8, 16, element="i8"), "tiny") == ""
    found = problem(product_of(8, 8, 16, element="i8"), "trainium1")
    assert found.endswith("stationary: the matrix engine of trainium1 takes bf16, f16, f32, not i8")


def test_bank_of_an_allocated_result() -> None:
    def text(address: int, offset: str, trips: int) -> str:
        return program(
            "matmul", ["8x32xf32@psum", "8x64xf32@sbuf", "8x64xf32@sbuf"],
            [f"d1, d2 + {offset}", "d0, d1", "d0, d2"], [8, 8, 8],
            "accumulate = false", loops=[(0, trips, 1)], addresses=[address, 0, 256],
        )  # fmt: skip

    assert problem(text(0, "8 * s0", 4), "tiny") == ""
    assert "cross its end, a PSUM bank of tiny has 64 bytes; move the buffer from 16" in problem(
        text(16, "8 * s0", 3), "tiny"
    )
    assert "cross its end" in problem(text(0, "4 * s0", 4), "tiny")
    assert problem(text(0, "4 * s0", 3), "tiny") == ""


@pytest.mark.parametrize(
    ("shape", "sizes", "access", "strides"),
    [
        ((2, 2, 2, 2, 2), (2, 2, 2, 2, 2), "d1, d2, d3, d4, d5", 1),
        ((3, 3, 3, 3, 3), (2, 2, 2, 2, 2), "d1, d2, d3, d4, d5", 5),
        ((3, 3, 3, 3, 3), (2, 2, 2, 2, 3), "d1, d2, d3, d4, d5", 4),
        ((3, 3, 3, 3, 3), (2, 2, 2, 1, 2), "d1, d2, d3, d4, d5", 4),
        ((3, 3, 3, 3, 3), (2, 2, 2, 2, 2), "0, 0, d1, d2, d3", 4),
        ((3, 3, 3, 3, 3), (2, 2, 2, 2, 2), "d1, d3, d2, d5, d4", 5),
    ],
)
def test_strides(shape: tuple[int, ...], sizes: tuple[int, ...], access: str, strides: int) -> None:
    source = "8x" + "x".join(map(str, shape)) + "xf32@sbuf"
    target = "8x" + "x".join(map(str, sizes)) + "xf32@sbuf"
    text = program("tensor_copy", [target, source], ["d0, d1, d2, d3, d4, d5", f"d0, {access}"], [8, *sizes])
    found = problem(text, "tiny")
    assert problem(text) == ""
    assert (f"src: an access with {strides} strides" in found) == (strides > 4), found


@pytest.mark.parametrize(
    ("loop", "legal"), [((0, 4, 2), True), ((0, 4, 1), False), ((1, 5, 2), False), ((2, 3, 1), True)]
)
def test_start_lanes_of_loops_with_steps(loop: tuple[int, int, int], legal: bool) -> None:
    text = program("memset", ["128x1xf32@sbuf"], ["d0 + 16 * s0, 0"], [32], ZERO, loops=[loop])
    assert (problem(text, "trainium1") == "") == legal


@settings(max_examples=60, deadline=None)
@given(
    lanes=st.integers(1, 128),
    const=st.integers(0, 4).map(lambda k: 16 * k),
    factors=st.tuples(st.sampled_from([0, 16, 32, 64]), st.sampled_from([0, 16, 32, 64])),
    loops=st.tuples(st.tuples(st.integers(0, 1), st.integers(2, 4), st.integers(1, 2)), st.just((0, 2, 1))),
)
def test_start_lanes_against_every_iteration(
    lanes: int, const: int, factors: tuple[int, int], loops: tuple[tuple[int, int, int], tuple[int, int, int]]
) -> None:
    starts = {const + factors[0] * i + factors[1] * j for i, j in product(range(*loops[0]), range(*loops[1]))}
    multiple = 32 if lanes <= 32 else 64 if lanes <= 64 else 128
    text = program(
        "memset", ["128x1xf32@sbuf"], [f"d0 + {factors[0]} * s0 + {factors[1]} * s1 + {const}, 0"], [lanes], ZERO,
        loops=loops,
    )  # fmt: skip
    if max(starts) + lanes > 128:
        assert "dst: index 0 runs over" in problem(text)
        return
    legal = all(start % multiple == 0 for start in starts)
    found = problem(text, "trainium1")
    assert (found == "") == legal, found
    if not legal:
        assert f"starts at lane {next(s for s in starts if f'starts at lane {s},' in found)}" in found


def test_engine_limits_count_broadcast_elements() -> None:
    sizes = [8, 33, 16]
    assert prod(sizes[1:]) == 528
    text = program("tensor_tensor", ["8x33x16xf32@sbuf", "8x33x16xf32@sbuf", "8xf32@sbuf"],
                   ["d0, d1, d2", "d0, d1, d2", "d0"], sizes, 'op = "add"')  # fmt: skip
    assert "dst: 528 elements in each lane" in problem(text, "tiny")
