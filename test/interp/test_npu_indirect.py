"""Gather and scatter against numpy."""

import numpy as np
import pytest
from npu_programs import Array, alloc, instruction, memref, random_array, run, transfer, wait

from polystage.interp.memory import Fault

ROWS, COLUMNS, LANES = 20, 6, 8
RNG = np.random.default_rng(5)
INDEX = RNG.integers(0, ROWS, (LANES, 1)).astype(np.int32)
COLUMN = RNG.integers(0, COLUMNS, (LANES, 3)).astype(np.int32)

PLAIN = "affine_map<(d0, d1) -> (d0, d1)>"
PER_LANE = "affine_map<(d0, d1) -> (d0, 0)>"


def indirect(op: str, source: Array, target: Array, sizes: tuple[int, ...], maps: list[str], *indices: Array) -> Array:
    """Gather from the array ``source``, or scatter into a copy of ``target``; returns what becomes of ``target``."""
    element = {"float32": "f32", "bfloat16": "bf16", "int32": "i32", "bool": "i1"}[str(source.dtype)]
    out = target.copy()
    near = target.shape if op == "gather" else source.shape
    held = memref(near, element, "sbuf")
    in_type, out_type = memref(source.shape, element), memref(target.shape, element)
    lines = [alloc("h", near, element, address=1024)]
    arguments = [("src", "parameter", source.shape, element), ("dst", "output", target.shape, element)]
    extra: list[tuple[str, str]] = []
    for i, index in enumerate(indices):
        name, on_chip = f"k{i}", memref(index.shape, "i32", "sbuf")
        lines.append(alloc(name, index.shape, "i32", address=256 * i))
        lines.append(transfer((f"in{i}", memref(index.shape, "i32")), (name, on_chip), index.shape))
        arguments.append((f"in{i}", "input", index.shape, "i32"))
        extra.append((name, on_chip))
    if op == "gather":
        lines += [transfer(("src", in_type), ("h", held), sizes, maps, op=op, extra=extra)]
        lines += [transfer(("h", held), ("dst", out_type), near)]
    else:
        lines += [transfer(("src", in_type), ("h", held), near)]
        lines += [transfer(("h", held), ("dst", out_type), sizes, maps, op=op, extra=extra)]
    run("\n".join(lines), arguments, [source, out, *indices])
    return out


@pytest.mark.parametrize("element", ["f32", "bf16", "i32", "i1"])
def test_gather_of_rows(element: str) -> None:
    table = random_array(RNG, (ROWS, COLUMNS), element)
    maps = ["affine_map<(d0, d1, d2) -> (d2, d1)>", PLAIN, PER_LANE]
    got = indirect("gather", table, np.zeros((LANES, COLUMNS), table.dtype), (LANES, COLUMNS), maps, INDEX)
    np.testing.assert_array_equal(got, table[INDEX[:, 0]])


def test_gather_with_two_indices_and_an_offset() -> None:
    table = random_array(RNG, (ROWS, COLUMNS + 2), "f32")
    maps = ["affine_map<(d0, d1, d2, d3) -> (d2, d3 + 2)>", PLAIN, PER_LANE, PLAIN]
    got = indirect("gather", table, np.zeros((LANES, 3), np.float32), (LANES, 3), maps, INDEX, COLUMN)
    np.testing.assert_array_equal(got, table[INDEX, COLUMN + 2])


def test_gather_of_elements_beside_the_box() -> None:
    """Place and value in one index: row d0 + value."""
    table = random_array(RNG, (ROWS + LANES, COLUMNS), "f32")
    maps = ["affine_map<(d0, d1, d2) -> (d0 + d2, d1 * 2)>", PLAIN, PER_LANE]
    got = indirect("gather", table, np.zeros((LANES, 3), np.float32), (LANES, 3), maps, INDEX)
    np.testing.assert_array_equal(got, table[np.arange(LANES) + INDEX[:, 0], ::2])


@pytest.mark.parametrize("element", ["f32", "bf16"])
def test_scatter_of_rows(element: str) -> None:
    source = random_array(RNG, (LANES, COLUMNS), element)
    rows = RNG.permutation(ROWS)[:LANES].astype(np.int32).reshape(LANES, 1)
    maps = [PLAIN, "affine_map<(d0, d1, d2) -> (d2, d1)>", PER_LANE]
    before = np.zeros((ROWS, COLUMNS), source.dtype)
    want = before.copy()
    want[rows[:, 0]] = source
    np.testing.assert_array_equal(indirect("scatter", source, before, (LANES, COLUMNS), maps, rows), want)


def test_scatter_to_one_element_leaves_the_last_value() -> None:
    source = random_array(RNG, (LANES, 1), "f32")
    maps = [PLAIN, "affine_map<(d0, d1, d2) -> (d2, d1)>", PER_LANE]
    same = np.full((LANES, 1), 3, np.int32)
    got = indirect("scatter", source, np.zeros((ROWS, 1), np.float32), (LANES, 1), maps, same)
    assert got[3, 0] == source[-1, 0]


def test_gather_in_flight_locks_rows_and_index_values() -> None:
    """The table lies in the DRAM arena: rows that are not gathered may be written meanwhile."""
    table, inside = memref((ROWS, 1), "f32"), memref((1, 1), "f32", "sbuf")
    key = memref((1, 1), "i32", "sbuf")
    one = (1, 1)
    head = [
        alloc("table", (ROWS, 1), memory="dram"),
        *(
            alloc(name, one, element, address=at)
            for name, element, at in (("k", "i32", 0), ("v", "f32", 4), ("g", "f32", 8))
        ),
        instruction("memset", [("k", key)], one, value="3 : i32"),
        instruction("memset", [("v", inside)], one, value="7.0 : f32"),
        store_row(3, "before"),
        transfer(
            *(("table", table), ("g", inside), one, ["affine_map<(d0, d1, d2) -> (d2, d1)>", PLAIN, PER_LANE]),
            op="gather",
            extra=[("k", key)],
            token="t",
        ),
    ]
    run("\n".join([*head, store_row(4, "beside"), wait("t")]))
    with pytest.raises(Fault, match="still reads it"):
        run("\n".join([*head, store_row(3, "inside"), wait("t")]))
    with pytest.raises(Fault, match="dst k: lane 0, bytes 0 to 3 written while dma in flight still reads it"):
        run("\n".join([*head, instruction("memset", [("k", key)], one, value="4 : i32"), wait("t")]))
    with pytest.raises(Fault, match="never written"):
        run("\n".join(head).replace("3 : i32", "5 : i32"))


def store_row(row: int, token: str) -> str:
    """Store ``v`` to one row of the table and wait."""
    maps = [PLAIN, f"affine_map<(d0, d1) -> ({row}, d1)>"]
    types = memref((1, 1), "f32", "sbuf"), memref((ROWS, 1), "f32")
    return f"{transfer(('v', types[0]), ('table', types[1]), (1, 1), maps, token=token)}\n{wait(token)}"
