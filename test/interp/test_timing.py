"""Modelled time of small programs on ``tiny``, worked out by hand.

``tiny``: every engine at 1 GHz; vector and scalar 1 element per lane and cycle + 8; matrix max(N, 8) + 8; one DMA
engine of 1 GB/s, 100 ns fixed, full speed from 16 bytes per descriptor.
"""

import numpy as np
import pytest
from npu_programs import alloc, instruction, memref, run, transfer, wait

from polystage import machine
from polystage.interp.timing import Timeline, Times

BOX = (8, 4)
T, P, D = memref(BOX, "f32", "sbuf"), memref(BOX, "f32", "psum"), memref(BOX, "f32")
LOAD = 0.1 + 128 / 1e3  # us: 128 bytes in 8 descriptors of 16 bytes
VECTOR_1, VECTOR_2 = 0.012, 0.016  # 4 elements per lane, one or two inputs
ARGUMENTS = [("x", "input", BOX, "f32"), ("out", "output", BOX, "f32")]
TWO = [alloc("a", BOX), alloc("b", BOX, address=16)]


def timed(*lines: str) -> Times:
    clock = Timeline(machine.load("tiny"))
    arrays = [np.ones(BOX, np.float32), np.zeros(BOX, np.float32)]
    run("\n".join(lines), ARGUMENTS, arrays, target="tiny", listeners=[clock])
    return clock.times(compulsory_bytes=256)


def clear(target: str) -> str:
    return instruction("memset", [(target, T)], BOX, value="0.0 : f32")


def act(target: str, source: str) -> str:
    return instruction("activation", [(target, T), (source, T)], BOX, func='"relu"')


def start(token: str, target: str = "a") -> str:
    return transfer(("x", D), (target, T), BOX, token=token)


def test_a_chain_takes_the_sum_of_its_parts() -> None:
    add = instruction("tensor_tensor", [("b", T), ("a", T), ("a", T)], BOX, op='"add"')
    times = timed(*TWO, start("t"), wait("t"), add, act("a", "b"), transfer(("a", T), ("out", D), BOX))
    assert times.modelled_us == pytest.approx(LOAD + VECTOR_2 + VECTOR_1 + LOAD)
    assert times.busy_us == pytest.approx({"dma": 2 * LOAD, "vector": VECTOR_2, "scalar": VECTOR_1})
    assert times.dram_bound_us == pytest.approx(0.256)


def test_engines_work_side_by_side_on_different_data() -> None:
    lines = [*TWO, alloc("c", BOX, address=32), clear("a"), act("c", "a"), clear("b")]
    assert timed(*lines).modelled_us == pytest.approx(2 * VECTOR_1)


def test_an_engine_takes_one_instruction_at_a_time() -> None:
    assert timed(*TWO, clear("a"), clear("b")).modelled_us == pytest.approx(2 * VECTOR_1)


def test_a_write_waits_for_readers() -> None:
    assert timed(*TWO, clear("a"), act("b", "a"), clear("a")).modelled_us == pytest.approx(3 * VECTOR_1)


def test_a_buffer_that_takes_over_addresses_waits_for_their_users() -> None:
    head = [*TWO, alloc("c", BOX, address=32), clear("a"), act("b", "a")]
    apart = alloc("d", BOX, address=48)
    assert timed(*head, apart, clear("d")).modelled_us == pytest.approx(2 * VECTOR_1)
    assert timed(*head, apart.replace("48", "8"), clear("d")).modelled_us == pytest.approx(3 * VECTOR_1)


def test_work_goes_on_between_start_and_wait() -> None:
    hidden = timed(*TWO, start("t"), clear("b"), wait("t"))
    assert hidden.modelled_us == pytest.approx(LOAD)
    assert timed(*TWO, start("t"), wait("t"), clear("b")).modelled_us == pytest.approx(LOAD + VECTOR_1)


def test_matrix_engine_and_its_bound() -> None:
    maps = ["affine_map<(d0, d1, d2) -> (d1, d2)>", "affine_map<(d0, d1, d2) -> (d0, d1)>"]
    maps.append("affine_map<(d0, d1, d2) -> (d0, d2)>")
    wide, p = memref((8, 12), "f32", "sbuf"), memref((4, 12), "f32", "psum")
    lines = [alloc("a", BOX), alloc("w", (8, 12), address=16), alloc("p", (4, 12), memory="psum")]
    lines += [clear("a"), instruction("memset", [("w", wide)], (8, 12), value="0.0 : f32")]
    lines += [instruction("matmul", [("p", p), ("a", T), ("w", wide)], (8, 4, 12), maps, accumulate="false")]
    times = timed(*lines)
    assert times.busy_us["tensor"] == pytest.approx((12 + 8) / 1e3)
    assert times.modelled_us == pytest.approx(0.012 + 0.020 + 0.020)
    assert times.compute_bound_us == pytest.approx(8 * 4 * 12 / 64 / 1e3)


def test_transpose_is_a_product_with_the_identity() -> None:
    p = memref((4, 8), "f32", "psum")
    flip = ["affine_map<(d0, d1) -> (d1, d0)>", "affine_map<(d0, d1) -> (d0, d1)>"]
    lines = [alloc("a", BOX), alloc("p", (4, 8), memory="psum"), clear("a")]
    times = timed(*lines, instruction("transpose", [("p", p), ("a", T)], BOX, flip))
    assert times.busy_us["tensor"] == pytest.approx((8 + 8) / 1e3)


def test_transfers_slow_down_with_small_descriptors() -> None:
    flipped = memref((4, 8), "f32", "sbuf")
    turn = ["affine_map<(d0, d1) -> (d1, d0)>", "affine_map<(d0, d1) -> (d0, d1)>"]
    move = transfer(("x", D), ("a", flipped), (4, 8), turn)
    times = timed(alloc("a", (4, 8)), move)
    assert times.modelled_us == pytest.approx(0.1 + 128 / (4 / 16) / 1e3)  # 32 descriptors of 4 bytes
    half = ["affine_map<(d0, d1) -> (d0, d1)>"] * 2
    times = timed(alloc("a", BOX), transfer(("x", D), ("a", T), (8, 2), half))
    assert times.modelled_us == pytest.approx(0.1 + 64 / (8 / 16) / 1e3)  # 8 descriptors of 8 bytes
