from math import inf

from torch_mlir import ir

from polystage.analysis.costs import broadcast_ns, copy_ns, exchange_ns, transpose_ns
from polystage.machine import load

TINY = load("tiny")


def test_moves_on_chip_take_the_cycles_of_their_instructions() -> None:
    with ir.Context():
        f32 = ir.F32Type.get()
        # two instructions of 8 fixed cycles
        assert copy_ns(600, TINY) == 600 + 2 * 8
        # 8 columns and 8 cycles for the stationary block each; two banks of 16 f32 are copied
        assert transpose_ns(8, 4, f32, TINY) == 4 * (8 + 8) + 4 * 8 + 2 * 8
        # two products of 16 columns; the one is written, two banks are copied
        assert broadcast_ns(32, f32, TINY) == 32 + 2 * 8 + 32 + 3 * 8


def test_exchanged_lanes_are_cut_into_blocks_of_the_matrix_engine() -> None:
    with ir.Context():
        f32 = ir.F32Type.get()
        assert exchange_ns(20, 9, 3, f32, TINY) == transpose_ns(8, 3 * 3 * 2, f32, TINY)


def test_what_the_matrix_engine_does_not_take_is_not_moved_by_it() -> None:
    with ir.Context():
        i8, i32 = (ir.IntegerType.get_signless(width) for width in (8, 32))
        assert exchange_ns(8, 8, 1, i32, TINY) == inf
        assert broadcast_ns(8, i32, TINY) == inf
        # taken, but products are made in fp32
        assert broadcast_ns(8, i8, TINY) == inf
