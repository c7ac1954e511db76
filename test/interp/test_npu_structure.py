"""Loops, index arithmetic, tokens, constants and aliasing in whole programs."""

import numpy as np
import pytest
from npu_programs import Array, alloc, identity, instruction, memref, run, transfer, wait

from polystage.interp.memory import DTYPES

T = memref((8, 16), "f32", "sbuf")
D = memref((8, 16), "f32")
BOX = (8, 16)
X = ("x", "input", BOX, "f32")
OUT = ("out", "output", BOX, "f32")


def data() -> Array:
    return np.random.default_rng(3).standard_normal(BOX).astype(np.float32)


def result(*lines: str, x: Array | None = None) -> Array:
    out = np.zeros(BOX, np.float32)
    run("\n".join(lines), [X, OUT], [data() if x is None else x, out])
    return out


def at(expr: str, symbols: str = "s0") -> str:
    return f"affine_map<(d0, d1)[{symbols}] -> (d0, d1 + {expr})>"


def test_loops_with_a_lower_bound_and_a_step() -> None:
    move = transfer(("x", D), ("out", D), (8, 1), [at("s0")] * 2, ["i"])
    out = result("affine.for %i = 1 to 12 step 3 {", move, "}")
    want = np.zeros(BOX, np.float32)
    want[:, 1:12:3] = data()[:, 1:12:3]
    np.testing.assert_array_equal(out, want)


def test_a_loop_without_trips_runs_nothing() -> None:
    move = transfer(("x", D), ("out", D), (8, 1), [at("s0")] * 2, ["i"])
    assert not result("affine.for %i = 5 to 5 {", move, "}").any()


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_addresses_that_depend_on_several_counters(depth: int) -> None:
    names = [f"i{level}" for level in range(depth)]
    opens = [f"affine.for %{name} = 0 to 2 {{" for name in names]
    symbols = ", ".join(f"s{level}" for level in range(depth))
    place = " + ".join(f"s{level} * {2**level}" for level in range(depth))
    mirror = f"affine_map<(d0, d1)[{symbols}] -> (d0, {2**depth - 1} - d1 - ({place}))>"
    straight = f"affine_map<(d0, d1)[{symbols}] -> (d0, d1 + {place})>"
    move = transfer(("x", D), ("out", D), (8, 1), [straight, mirror], names)
    out = result(*opens, move, "}" * depth)
    np.testing.assert_array_equal(out[:, : 2**depth], data()[:, : 2**depth][:, ::-1])


def test_linear_and_nonlinear_index_arithmetic() -> None:
    lines = [
        "affine.for %i = 0 to 16 {",
        "%k = affine.apply affine_map<(d0, d1) -> (d0 - d1 + 15)>(%i, %i)",
        "%m = affine.apply affine_map<(d0, d1) -> ((d0 floordiv 4) * 4 + (d1 + d0 * 3) mod 4 - d1 + 15)>(%i, %k)",
        transfer(("x", D), ("out", D), (8, 1), [at("s0", "s0, s1"), at("s1", "s0, s1")], ["i", "m"]),
        "}",
    ]
    order = [i // 4 * 4 + (15 + 3 * i) % 4 for i in range(16)]
    want = np.zeros(BOX, np.float32)
    want[:, order] = data()
    np.testing.assert_array_equal(result(*lines), want)


def test_constant_index() -> None:
    move = transfer(("x", D), ("out", D), (8, 4), [at("s0 * 3"), at("s0")], ["c"])
    np.testing.assert_array_equal(result("%c = arith.constant 2 : index", move)[:, 2:6], data()[:, 6:10])


def test_tokens_carried_through_a_loop() -> None:
    """The transfer of the next tile is started before the one of this tile is waited for."""
    tile = memref((8, 2, 4), "f32", "sbuf")
    half = "affine_map<(d0, d1)[s0, s1] -> (d0, s1, d1)>"
    maps, back = [at("s0 * 4 + 4", "s0, s1"), half], [half, at("s0 * 4", "s0, s1")]
    first, tail = (f"affine_map<(d0, d1) -> (d0, {half}, d1)>" for half in (0, 1))
    lines = [
        alloc("a", (8, 2, 4)),
        transfer(("x", D), ("a", tile), (8, 4), [identity(2), first], token="t"),
        "%last = affine.for %i = 0 to 3 iter_args(%now = %t) -> (!npu.token) {",
        "%here = affine.apply affine_map<(d0) -> (d0 mod 2)>(%i)",
        "%there = affine.apply affine_map<(d0) -> ((d0 + 1) mod 2)>(%i)",
        transfer(("x", D), ("a", tile), (8, 4), maps, ["i", "there"], token="next"),
        wait("now"),
        transfer(("a", tile), ("out", D), (8, 4), back, ["i", "here"]),
        "affine.yield %next : !npu.token",
        "}",
        wait("last"),
        transfer(("a", tile), ("out", D), (8, 4), [tail, at("12", "")]),
    ]
    np.testing.assert_array_equal(result(*lines), data())


def test_data_is_captured_when_a_transfer_starts_and_lands_when_it_is_waited_for() -> None:
    """Seen without shadow memory, which refuses such a program."""
    clear = instruction("memset", [("a", T)], BOX, value="9.0 : f32")
    lines = [
        alloc("a", BOX),
        transfer(("x", D), ("a", T), BOX),
        transfer(("a", T), ("out", D), BOX, token="t"),
        clear,
        wait("t"),
    ]
    out = np.zeros(BOX, np.float32)
    run("\n".join(lines), [X, OUT], [data(), out], shadow=False)
    np.testing.assert_array_equal(out, data())


@pytest.mark.parametrize("shift", [0, 1, 3])
def test_operands_that_overlap_are_read_before_anything_is_written(shift: int) -> None:
    wide, moved = (8, 16 - shift), at(str(shift), "")
    body = [
        instruction("tensor_tensor", [("a", T)] * 3, wide, [moved, identity(2), moved], op='"add"'),
        instruction("tensor_copy", [("a", T)] * 2, wide, [identity(2), moved]),
        instruction("scalar_tensor_tensor", [("a", T)] * 4, wide, [moved, identity(2), FIRST, moved], **ADD_TWICE),
    ]
    out = result(alloc("a", BOX), transfer(("x", D), ("a", T), BOX), *body, transfer(("a", T), ("out", D), BOX))
    a = data()
    a[:, shift:] = a[:, : 16 - shift] + a[:, shift:]
    a[:, : 16 - shift] = a[:, shift:].copy()
    a[:, shift:] = (a[:, : 16 - shift] + a[:, :1]) + a[:, shift:]
    np.testing.assert_array_equal(out, a)


FIRST = "affine_map<(d0, d1) -> (d0, 0)>"
ADD_TWICE = {"op0": '"add"', "op1": '"add"'}


def test_overlapping_windows_are_read_as_they_lie() -> None:
    """A convolution row: windows of 3 over 14 places, as the moving operand of a product with ones."""
    windows = "affine_map<(d0, d1, d2) -> (d0, d1 + d2)>"
    rows = memref((8, 14), "f32", "sbuf")
    lines = [
        alloc("a", BOX),
        alloc("r", (8, 14), address=64),
        transfer(("x", D), ("a", T), BOX),
        instruction(
            *("tensor_reduce", [("r", rows), ("a", T)], (8, 14, 3)),
            ["affine_map<(d0, d1, d2) -> (d0, d1)>", windows],
            op='"max"',
        ),
        transfer(("r", rows), ("out", D), (8, 14)),
    ]
    x = data()
    want = np.maximum(np.maximum(x[:, :14], x[:, 1:15]), x[:, 2:])
    np.testing.assert_array_equal(result(*lines)[:, :14], want)


@pytest.mark.parametrize(
    ("type_", "value", "want"),
    [
        ("4xf32", "dense<[1.0, 2.5, -0.0, 1.0e10]>", [1.0, 2.5, -0.0, 1e10]),
        ("4xf32", "dense<3.0>", [3.0] * 4),
        ("4xbf16", "dense<[1.0, 2.5, -3.0e-5, 0x7F80]>", [1.0, 2.5, -3.0040740966796875e-05, np.inf]),
        ("4xbf16", "dense<1.5>", [1.5] * 4),
        ("4xf16", "dense<[1.0, 2.5, 3.0, 4.0]>", [1.0, 2.5, 3.0, 4.0]),
        ("4xi32", "dense<[1, -2, 3, 2147483647]>", [1, -2, 3, 2147483647]),
        ("4xi8", "dense<[1, -2, 3, 127]>", [1, -2, 3, 127]),
        ("4xi1", "dense<[true, false, false, true]>", [True, False, False, True]),
    ],
)
def test_constants(type_: str, value: str, want: list[float]) -> None:
    element = type_.removeprefix("4x")
    out = np.zeros(4, DTYPES[element])
    move = transfer(("c", f"memref<{type_}>"), ("out", f"memref<{type_}>"), (4,))
    body = f"%c = memref.get_global @c : memref<{type_}>\n{move}"
    constant = f"memref.global constant @c : memref<{type_}> = {value}\n"
    run(body, [("out", "output", (4,), element)], [out], constants=constant)
    np.testing.assert_array_equal(out.astype(np.float64), np.array(want, np.float64))
