"""Modelled time of small programs on ``tiny``, worked out by hand.

``tiny``: every engine at 1 GHz; vector and scalar 1 element per lane and cycle + 8; matrix max(N, 8) + 8; one DMA
engine of 1 GB/s with two queues, 100 ns fixed, full speed from 16 bytes per descriptor; semaphores cost 4 ns.
"""

import numpy as np
import pytest
from npu_programs import alloc, instruction, memref, run, transfer, wait

from polystage import machine
from polystage.interp.timing import Timeline, Times

BOX = (8, 4)
T, P, D = memref(BOX, "f32", "sbuf"), memref(BOX, "f32", "psum"), memref(BOX, "f32")
FIXED, DATA = 0.1, 128 / 1e3  # us: 128 bytes in 8 descriptors of 16 bytes
LOAD = FIXED + DATA
VECTOR_1, VECTOR_2 = 0.012, 0.016  # 4 elements per lane, one or two inputs
SEMAPHORE = 0.004
ARGUMENTS = [("x", "input", BOX, "f32"), ("out", "output", BOX, "f32")]
TWO = [alloc("a", BOX), alloc("b", BOX, address=16)]
WIDE = (8, 8)
W = memref(WIDE, "f32", "sbuf")
SECOND_HALF = "affine_map<(d0, d1) -> (d0, d1 + 4)>"
SAME = "affine_map<(d0, d1) -> (d0, d1)>"


def played(*lines: str, trace: bool = False) -> Timeline:
    clock = Timeline(machine.load("tiny"), trace)
    arrays = [np.ones(BOX, np.float32), np.zeros(BOX, np.float32)]
    run("\n".join(lines), ARGUMENTS, arrays, target="tiny", listeners=[clock])
    return clock


def timed(*lines: str) -> Times:
    return played(*lines).times()


def clear(target: str) -> str:
    return instruction("memset", [(target, T)], BOX, value="0.0 : f32")


def act(target: str, source: str) -> str:
    return instruction("activation", [(target, T), (source, T)], BOX, func='"relu"')


def start(token: str, target: str = "a") -> str:
    return transfer(("x", D), (target, T), BOX, token=token)


def test_a_chain_takes_the_sum_of_its_parts_and_a_semaphore_between_two() -> None:
    add = instruction("tensor_tensor", [("b", T), ("a", T), ("a", T)], BOX, op='"add"')
    times = timed(*TWO, start("t"), wait("t"), add, act("a", "b"), transfer(("a", T), ("out", D), BOX))
    assert times.modelled_us == pytest.approx(2 * LOAD + VECTOR_2 + VECTOR_1 + 3 * SEMAPHORE)
    assert times.busy_us == pytest.approx({"dma": 2 * DATA, "vector": VECTOR_2, "scalar": VECTOR_1})
    assert times.exposed_dma_us == pytest.approx(2 * LOAD)


def test_engines_work_side_by_side_on_different_data() -> None:
    lines = [*TWO, alloc("c", BOX, address=32), clear("a"), act("c", "a"), clear("b")]
    assert timed(*lines).modelled_us == pytest.approx(2 * VECTOR_1 + SEMAPHORE)


def test_vector_and_scalar_take_turns_in_psum() -> None:
    """Each clears its own bank: side by side in SBUF (above), one after the other in PSUM."""
    banks = [alloc("p", BOX, memory="psum"), alloc("q", BOX, memory="psum", address=64), alloc("a", BOX)]
    near = instruction("activation", [("p", P), ("a", T)], BOX, func='"relu"')
    apart = instruction("memset", [("q", P)], BOX, value="0.0 : f32")
    begun = timed(banks[2], clear("a"), *banks[:2], near).modelled_us
    assert timed(banks[2], clear("a"), *banks[:2], near, apart).modelled_us == pytest.approx(begun + VECTOR_1)


def test_an_engine_takes_one_instruction_at_a_time_and_needs_no_semaphore_for_itself() -> None:
    assert timed(*TWO, clear("a"), clear("b")).modelled_us == pytest.approx(2 * VECTOR_1)
    assert timed(*TWO, clear("a"), clear("a")).modelled_us == pytest.approx(2 * VECTOR_1)


def test_an_engine_goes_on_while_another_waits() -> None:
    """The scalar engine waits for the transfer; the vector engine does not wait for the scalar engine."""
    lines = [*TWO, alloc("c", BOX, address=32), start("t"), wait("t"), act("b", "a"), clear("c")]
    assert timed(*lines).modelled_us == pytest.approx(LOAD + SEMAPHORE + VECTOR_1)


def test_a_write_waits_for_readers() -> None:
    times = timed(*TWO, clear("a"), act("b", "a"), clear("a"))
    assert times.modelled_us == pytest.approx(3 * VECTOR_1 + 2 * SEMAPHORE)


def test_a_buffer_that_takes_over_addresses_waits_for_their_users() -> None:
    head = [*TWO, alloc("c", BOX, address=32), clear("a"), act("b", "a")]
    apart = alloc("d", BOX, address=48)
    assert timed(*head, apart, clear("d")).modelled_us == pytest.approx(2 * VECTOR_1 + SEMAPHORE)
    shared = timed(*head, apart.replace("48", "8"), clear("d"))
    assert shared.modelled_us == pytest.approx(3 * VECTOR_1 + 2 * SEMAPHORE)


def test_work_goes_on_between_start_and_wait_and_behind_a_wait_for_other_data() -> None:
    assert timed(*TWO, start("t"), clear("b"), wait("t")).modelled_us == pytest.approx(LOAD)
    assert timed(*TWO, start("t"), wait("t"), clear("b")).modelled_us == pytest.approx(LOAD)


def test_a_wait_holds_the_starts_behind_it() -> None:
    at_once = timed(*TWO, start("t"), start("u", "b"), wait("t"), wait("u"))
    assert at_once.modelled_us == pytest.approx(FIXED + 2 * DATA)
    held = timed(*TWO, start("t"), wait("t"), start("u", "b"), wait("u"))
    assert held.modelled_us == pytest.approx(2 * LOAD + SEMAPHORE)


def test_a_start_that_waits_for_an_engine_holds_the_starts_behind_it() -> None:
    store = transfer(("a", T), ("out", D), BOX, token="s")
    lines = [*TWO, clear("a"), store, start("t", "b"), wait("s"), wait("t")]
    assert timed(*lines).modelled_us == pytest.approx(VECTOR_1 + SEMAPHORE + FIXED + 2 * DATA)


def test_no_more_transfers_are_in_flight_than_there_are_queues() -> None:
    row = (1, 4)
    lines = [alloc(name, BOX, address=16 * place) for place, name in enumerate("abc")]
    lines += [transfer(("x", D), (name, T), row, token=f"t{name}") for name in "abc"]
    clock = played(*lines, *[wait(f"t{name}") for name in "abc"], trace=True)
    data = 16 / 1e3
    assert clock.events is not None
    assert [event.queue for event in clock.events] == [0, 1, 0]
    assert [event.begin for event in clock.events] == pytest.approx([0, 0, FIXED + data])
    assert clock.times().modelled_us == pytest.approx(2 * (FIXED + data))


def test_a_transfer_into_one_half_of_a_buffer_leaves_the_other_half_alone() -> None:
    """As in double buffering: copies of a tile are parts of one buffer."""
    head = [alloc("w", WIDE), alloc("b", BOX, address=32), instruction("memset", [("w", W)], BOX, value="0.0 : f32")]
    fill = transfer(("x", D), ("w", W), BOX, [SAME, SECOND_HALF], token="t")
    use = instruction("activation", [("b", T), ("w", W)], BOX, func='"relu"')
    assert timed(*head, fill, use, wait("t")).modelled_us == pytest.approx(LOAD)
    use = instruction("activation", [("b", T), ("w", W)], BOX, [SAME, SECOND_HALF], func='"relu"')
    assert timed(*head, fill, wait("t"), use).modelled_us == pytest.approx(LOAD + SEMAPHORE + VECTOR_1)


def test_rows_of_a_buffer_that_lie_apart_are_told_from_those_between() -> None:
    """Columns 0, 1 and 4, 5 are written while columns 2, 3 and 6, 7 arrive."""
    shape, box = (8, 2, 4), (8, 2, 2)
    tile, source = memref(shape, "f32", "sbuf"), "affine_map<(d0, d1, d2) -> (d0, d1 * 2 + d2)>"
    fill = transfer(("x", D), ("w", tile), box, [source, "affine_map<(d0, d1, d2) -> (d0, d1, d2 + 2)>"], token="t")
    reset = instruction("memset", [("w", tile)], box, value="0.0 : f32")
    slow = FIXED + DATA * 2  # 16 descriptors of 8 bytes
    assert timed(alloc("w", shape), fill, reset, wait("t")).modelled_us == pytest.approx(slow)


MATMUL = [
    "affine_map<(d0, d1, d2) -> (d1, d2)>",
    "affine_map<(d0, d1, d2) -> (d0, d1)>",
    "affine_map<(d0, d1, d2) -> (d0, d2)>",
]


def matmul(target: str) -> str:
    wide, p = memref((8, 12), "f32", "sbuf"), memref((4, 12), "f32", "psum")
    return instruction("matmul", [(target, p), ("a", T), ("w", wide)], (8, 4, 12), MATMUL, accumulate="false")


def test_a_diagonal_touches_the_same_bytes_of_a_lane_as_a_row() -> None:
    diagonal = transfer(("x", D), ("a", T), (4,), ["affine_map<(d0) -> (d0, 0)>", "affine_map<(d0) -> (d0, d0)>"])
    last = instruction("memset", [("a", T)], (8, 1), ["affine_map<(d0, d1) -> (d0, d1 + 3)>"], value="0.0 : f32")
    beside = instruction("memset", [("b", T)], (8, 1), value="0.0 : f32")
    slow, quick = FIXED + 4 * 16 / 1e3, 9 / 1e3  # 4 descriptors take as long as if each had 16 bytes
    assert timed(*TWO, diagonal, last).modelled_us == pytest.approx(slow + SEMAPHORE + quick)
    assert timed(*TWO, diagonal, beside).modelled_us == pytest.approx(slow)


FACTORS = [
    alloc("a", BOX),
    alloc("w", (8, 12), address=16),
    alloc("p", (4, 12), memory="psum"),
    alloc("q", (4, 12), memory="psum", address=64),
    clear("a"),
    instruction("memset", [("w", memref((8, 12), "f32", "sbuf"))], (8, 12), value="0.0 : f32"),
]
FACTORS_READY = 0.012 + 0.020 + SEMAPHORE


def test_the_stationary_operand_is_loaded_before_the_product_while_the_moving_one_is_made() -> None:
    times = timed(*FACTORS, matmul("p"))
    assert times.busy_us["tensor"] == pytest.approx(12 / 1e3)
    assert times.modelled_us == pytest.approx(FACTORS_READY + 12 / 1e3)
    assert times.lanes == pytest.approx({"tensor": 0.5, "vector": 1.0})


def test_the_stationary_operand_is_loaded_while_the_product_before_runs() -> None:
    assert timed(*FACTORS, matmul("p"), matmul("q")).modelled_us == pytest.approx(FACTORS_READY + 2 * 12 / 1e3)


def test_a_load_of_the_stationary_operand_that_nothing_hides_takes_time() -> None:
    p = memref((4, 8), "f32", "psum")
    flip = ["affine_map<(d0, d1) -> (d1, d0)>", SAME]
    lines = [alloc("a", BOX), alloc("p", (4, 8), memory="psum"), clear("a")]
    times = timed(*lines, instruction("transpose", [("p", p), ("a", T)], BOX, flip))
    assert times.busy_us["tensor"] == pytest.approx(8 / 1e3)
    assert times.modelled_us == pytest.approx(VECTOR_1 + SEMAPHORE + (8 + 8) / 1e3)


def test_transfers_slow_down_with_small_descriptors() -> None:
    flipped = memref((4, 8), "f32", "sbuf")
    turn = ["affine_map<(d0, d1) -> (d1, d0)>", SAME]
    move = transfer(("x", D), ("a", flipped), (4, 8), turn)
    times = timed(alloc("a", (4, 8)), move)
    assert times.modelled_us == pytest.approx(0.1 + 128 / (4 / 16) / 1e3)  # 32 descriptors of 4 bytes
    times = timed(alloc("a", BOX), transfer(("x", D), ("a", T), (8, 2), [SAME] * 2))
    assert times.modelled_us == pytest.approx(0.1 + 64 / (8 / 16) / 1e3)  # 8 descriptors of 8 bytes


def test_a_row_that_is_read_again_and_again_is_one_descriptor_each_time() -> None:
    first_row = ["affine_map<(d0, d1) -> (0, d1)>", SAME]
    times = timed(alloc("a", BOX), transfer(("x", D), ("a", T), BOX, first_row))
    assert times.modelled_us == pytest.approx(LOAD)


def test_lanes_in_use_are_weighted_by_time() -> None:
    few = instruction("memset", [("b", T)], (2, 4), value="0.0 : f32")
    assert timed(*TWO, clear("a"), few).lanes == pytest.approx({"vector": (1 + 2 / 8) / 2})


def test_events_are_kept_only_on_request() -> None:
    assert played(*TWO, clear("a")).events is None
    clock = played(*TWO, clear("a"), act("b", "a"), trace=True)
    assert clock.events is not None
    assert [event.site.op for event in clock.events] == ["memset", "activation"]
    assert clock.events[1].begin == pytest.approx(VECTOR_1 + SEMAPHORE)
