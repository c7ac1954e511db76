"""Counting of a program counted by hand, and against the static prediction."""

import numpy as np
from npu_programs import Array, alloc, instruction, memref, parse, transfer

from polystage.analysis.traffic import predict
from polystage.interp import npu
from polystage.interp.counts import ByteCounts, Counter, Counts, Row

W, X, Y = (8, 4), (8, 24), (4, 24)
ARGUMENTS = [("w", "parameter", W, "bf16"), ("x", "input", X, "bf16"), ("y", "output", Y, "f32")]
TILE = (8, 8)


def program() -> str:
    """``y = relu(w^T x)`` in three tiles of eight columns, each product in two steps of K."""
    w, x = memref(W, "bf16", "sbuf"), memref(TILE, "bf16", "sbuf")
    p, y = memref((4, 8), "f32", "psum"), memref((4, 8), "f32", "sbuf")
    tile = "affine_map<(d0, d1)[s0] -> (d0, d1 + 8 * s0)>"
    here = "affine_map<(d0, d1)[s0] -> (d0, d1)>"
    dst = "affine_map<(d0, d1, d2) -> (d1, d2)>"
    first = [dst, "affine_map<(d0, d1, d2) -> (d0, d1)>", "affine_map<(d0, d1, d2) -> (d0, d2)>"]
    last = [dst, "affine_map<(d0, d1, d2) -> (d0 + 4, d1)>", "affine_map<(d0, d1, d2) -> (d0 + 4, d2)>"]
    product = [("p", p), ("ws", w), ("xs", x)]
    lines = [
        alloc("ws", W, "bf16"),
        alloc("xs", TILE, "bf16", address=16),
        alloc("ys", (4, 8), address=32),
        alloc("p", (4, 8), memory="psum"),
        transfer(("w", memref(W, "bf16")), ("ws", w), W, cause="weights"),
        "affine.for %i = 0 to 3 {",
        transfer(("x", memref(X, "bf16")), ("xs", x), TILE, [tile, here], ["i"], cause="load"),
        instruction("matmul", product, (4, 4, 8), first, accumulate="false"),
        instruction("matmul", product, (4, 4, 8), last, accumulate="true"),
        instruction("activation", [("ys", y), ("p", p)], (4, 8), func='"relu"'),
        transfer(("ys", y), ("y", memref(Y, "f32")), (4, 8), [here, tile], ["i"], cause="store"),
        "}",
    ]
    return "\n".join(lines)


def counted() -> Counts:
    counter = Counter()
    npu.execute(parse(program(), ARGUMENTS), arrays(), listeners=[counter])
    return counter.counts()


def arrays() -> list[Array]:
    from polystage.interp.memory import DTYPES

    rng = np.random.default_rng(1)
    return [rng.standard_normal(shape).astype(DTYPES[element]) for _, _, shape, element in ARGUMENTS]


def test_the_program_is_right() -> None:
    w, x, y = arrays()
    npu.execute(parse(program(), ARGUMENTS), [w, x, y])
    want = np.maximum(w.astype(np.float32).T @ x.astype(np.float32), 0)
    np.testing.assert_allclose(y, want, rtol=1e-5, atol=1e-5)


def test_rows_counted_by_hand() -> None:
    w, x, y = 8 * 4 * 2, 8 * 24 * 2, 4 * 24 * 4
    product = 3 * 4 * 8 * 4  # bytes of one step of K, in all tiles
    assert counted().bytes == ByteCounts(
        (
            Row("dram", "w", "dma", "weights", "read", w),
            Row("dram", "x", "dma", "load", "read", x),
            Row("dram", "y", "dma", "store", "write", y),
            Row("psum", "", "scalar", "", "read", y),
            Row("psum", "", "tensor", "", "read", product),
            Row("psum", "", "tensor", "", "write", 2 * product),
            Row("sbuf", "", "dma", "", "read", y),
            Row("sbuf", "", "dma", "", "write", w + x),
            Row("sbuf", "", "scalar", "", "write", y),
            Row("sbuf", "", "tensor", "", "read", 3 * 2 * (4 * 4 + 4 * 8) * 2),
        )
    )


def test_totals() -> None:
    counts = counted()
    assert counts.macs == 3 * 2 * 4 * 4 * 8
    expected = {"activation": 3, "dma_start": 7, "dma_wait": 7, "matmul": 6}
    assert counts.instructions == expected
    assert counts.bytes.dram() == (64 + 384, 384)
    assert counts.bytes.by_cause() == {"load": 384, "store": 384, "weights": 64}
    assert counts.bytes.by_tensor() == {"w": 64, "x": 384, "y": 384}
    assert counts.bytes.onchip_by_engine() == {"dma": 384 + 448, "scalar": 768, "tensor": 384 + 768 + 576}


def test_prediction_equals_execution() -> None:
    assert predict(parse(program(), ARGUMENTS).operation) == counted()


def test_narrow_operands_count_once_per_lane_and_indices_whole() -> None:
    t, c, g = memref((8, 6), "f32", "sbuf"), memref((8, 1), "f32", "sbuf"), memref((8, 6), "f32", "sbuf")
    k = memref((8, 1), "i32", "sbuf")
    per_lane = "affine_map<(d0, d1) -> (d0, 0)>"
    plain = "affine_map<(d0, d1) -> (d0, d1)>"
    lines = [
        alloc("t", (8, 6)),
        alloc("c", (8, 1), address=24),
        alloc("k", (8, 1), "i32", address=28),
        alloc("g", (8, 6), address=32),
        instruction("memset", [("t", t)], (8, 6), value="1.0 : f32"),
        instruction("iota", [("k", k)], (8, 1), value="affine_map<(d0, d1) -> (7 - d0)>"),
        instruction("tensor_reduce", [("c", c), ("t", t)], (8, 6), [per_lane, plain], op='"add"'),
        instruction("activation", [("t", t), ("t", t), ("c", c)], (8, 6), [plain, plain, per_lane], func='"copy"'),
        transfer(
            *(("x", memref((8, 6), "f32")), ("g", g), (8, 6)),
            ["affine_map<(d0, d1, d2) -> (d2, d1)>", plain, per_lane],
            op="gather",
            extra=[("k", k)],
        ),
    ]
    counter = Counter()
    module = parse("\n".join(lines), [("x", "input", (8, 6), "f32")])
    npu.execute(module, [np.zeros((8, 6), np.float32)], listeners=[counter])
    box, lanes = 8 * 6 * 4, 8 * 4
    counts = counter.counts()
    assert counts.bytes.onchip_by_engine() == {
        "dma": box + box,  # destination, and one index for each element
        "gpsimd": lanes,
        "scalar": 2 * box + lanes,
        "vector": box + box + lanes,
    }
    assert counts.bytes.dram() == (box, 0)
    assert predict(module.operation) == counts
