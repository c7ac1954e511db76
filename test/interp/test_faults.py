"""What the executor refuses: each fault planted by hand in a small program, with its whole message."""

from collections.abc import Callable

import numpy as np
import pytest
from npu_programs import Array, alloc, identity, instruction, memref, parse, run, transfer, wait
from torch_mlir import ir

from polystage.errors import UserError
from polystage.interp import npu
from polystage.interp.memory import Fault

T = memref((8, 4), "f32", "sbuf")
D = memref((8, 4), "f32")
BOX = (8, 4)
X = ("x", "input", BOX, "f32")
OUT = ("out", "output", BOX, "f32")


def data() -> Array:
    return np.arange(32, dtype=np.float32).reshape(BOX)


def load(target: str) -> str:
    return transfer(("x", D), (target, T), BOX)


def store(source: str) -> str:
    return transfer((source, T), ("out", D), BOX)


def fault(*lines: str, shadow: bool = True) -> Fault:
    with pytest.raises(Fault) as caught:
        run("\n".join(lines), [X, OUT], [data(), np.zeros(BOX, np.float32)], shadow=shadow)
    assert caught.value.location is not None
    return caught.value


def passes(*lines: str, shadow: bool = True) -> None:
    run("\n".join(lines), [X, OUT], [data(), np.zeros(BOX, np.float32)], shadow=shadow)


def test_overlapping_addresses() -> None:
    program = [alloc("a", BOX), alloc("b", BOX, address=12), load("a"), load("b"), store("a")]
    found = fault(*program)
    assert found.kind == "overwritten"
    assert found.message == ("npu.dma_start: src a: lane 0, bytes 12 to 15 overwritten by buffer b (8 of 32 elements)")
    assert found.location == "-:9:16"
    passes(*program, shadow=False)
    passes(alloc("a", BOX), alloc("b", BOX, address=16), load("a"), load("b"), store("a"))


def test_a_buffer_may_take_dead_addresses() -> None:
    passes(alloc("a", BOX), alloc("b", BOX, address=8), load("a"), store("a"), load("b"), store("b"))


def test_uninitialised_read() -> None:
    lanes = [identity(2)] * 2
    part = transfer(("x", D), ("a", T), (7, 4), lanes)
    found = fault(alloc("a", BOX), part, store("a"))
    assert found.kind == "uninitialised"
    assert found.message == (
        "npu.dma_start: src a: read of uninitialised bytes: lane 7, bytes 0 to 3 never written (4 of 32 elements)"
    )


def test_uninitialised_read_in_a_loop_names_the_counters() -> None:
    body = instruction("tensor_tensor", [("a", T)] * 3, (8, 1), [SHIFTED] * 3, ["j"], op='"add"')
    part = transfer(("x", D), ("a", T), (8, 3))
    found = fault(alloc("a", BOX), part, "affine.for %i = 0 to 2 {\naffine.for %j = 0 to 4 {", body, "}\n}")
    assert found.message == (
        "npu.tensor_tensor: a a: read of uninitialised bytes: lane 0, bytes 12 to 15 never written (8 of 8 elements) "
        "at iv0 = 0, iv1 = 3"
    )


SHIFTED = "affine_map<(d0, d1)[s0] -> (d0, d1 + s0)>"


def test_uninitialised_output_is_not_read_back() -> None:
    found = fault(alloc("a", BOX), transfer(("out", D), ("a", T), BOX))
    assert found.kind == "uninitialised"
    assert "src out: read of uninitialised bytes: bytes 0 to 3" in found.message


def test_uninitialised_read_of_a_buffer_made_anew_in_each_trip() -> None:
    first = "affine.for %i = 0 to 2 {"
    guarded = transfer(("x", D), ("a", T), (8, 1), [SHIFTED] * 2, ["i"])
    whole = transfer(("a", T), ("out", D), (8, 1))
    assert fault(first, alloc("a", BOX), guarded, whole, "}").kind == "uninitialised"


def test_out_of_bounds_access() -> None:
    module = parse("\n".join([alloc("a", BOX), "affine.for %i = 0 to 3 {", MOVE, "}"]), [X, OUT])
    wrong = "affine_map<(d0, d1)[s0] -> (d0, d1 + 2 * s0)>"
    patch(module, "npu.dma_start", "maps", f"[{wrong}, {identity(2, 1)}]")
    with pytest.raises(Fault) as caught:
        npu.execute(module, [data(), np.zeros(BOX, np.float32)])
    assert caught.value.kind == "out-of-bounds"
    assert caught.value.message == ("npu.dma_start: src x: out-of-bounds access: index 1 takes 0 to 5, its extent is 4")
    assert caught.value.location == "-:5:14"


MOVE = transfer(("x", D), ("a", T), (8, 2), [SHIFTED, identity(2, 1)], ["i"])


def test_out_of_bounds_through_a_nonlinear_index_is_found_when_it_happens() -> None:
    apply = "%k = affine.apply affine_map<(d0) -> (d0 mod 3)>(%i)"
    move = transfer(("x", D), ("a", T), (8, 2), [SHIFTED, identity(2, 1)], ["k"])
    program = [alloc("a", BOX), "affine.for %i = 0 to {trips} {{", apply, move, "}}"]
    passes(*[line.format(trips=9) if "{trips}" in line else line.replace("}}", "}") for line in program])
    module = parse("\n".join([alloc("a", BOX), "affine.for %i = 0 to 4 {", apply, move, "}"]), [X, OUT])
    patch(module, "affine.apply", "map", "affine_map<(d0) -> (d0 mod 5)>")
    with pytest.raises(Fault, match=r"index 1 takes 3 to 4, its extent is 4 at iv0 = 3") as caught:
        npu.execute(module, [data(), np.zeros(BOX, np.float32)])
    assert caught.value.kind == "out-of-bounds"


def patch(module: ir.Module, name: str, attribute: str, value: str) -> None:
    """Change an attribute behind the verifier's back."""

    def visit(op: ir.Operation) -> ir.WalkResult:
        if op.name == name:
            op.attributes[attribute] = ir.Attribute.parse(value)
        return ir.WalkResult.ADVANCE

    with module.context:
        module.operation.walk(visit)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: alloc("a", BOX, address=16 * 1024 - 12),
            "buffer a takes bytes 16372 to 16387 of each lane of sbuf; on edge a program may use 0 to 16383",
        ),
        (lambda: alloc("a", (17, 4)), "buffer a takes 17 lanes, edge has 16"),
        (lambda: alloc("a", BOX, address=2), "buffer a begins at byte 2, which is not a multiple of its element size"),
        (
            lambda: alloc("a", BOX, memory="psum", address=8 * 1024),
            "buffer a takes bytes 8192 to 8207 of each lane of psum; on edge a program may use 0 to 8191",
        ),
    ],
)
def test_buffer_outside_its_memory(make: Callable[[], str], message: str) -> None:
    found = fault(make())
    assert (found.kind, found.message) == ("out-of-bounds", message)


def start(source: str, target: str) -> str:
    types = [D if name in ("x", "out") else T for name in (source, target)]
    return transfer((source, types[0]), (target, types[1]), BOX, token=f"{source}_{target}")


def test_missing_wait_before_a_read() -> None:
    found = fault(alloc("a", BOX), start("x", "a"), store("a"), wait("x_a"))
    assert found.kind == "in-flight"
    assert found.message == (
        "npu.dma_start: src a: lane 0, bytes 0 to 3 touched while dma in flight into it (missing wait)"
    )
    passes(alloc("a", BOX), start("x", "a"), wait("x_a"), store("a"))


def test_missing_wait_is_seen_after_the_buffer_was_already_checked() -> None:
    head = [alloc("a", BOX), load("a"), "affine.for %i = 0 to 2 {", store("a"), start("x", "a")]
    assert fault(*head, "}").message.endswith("(missing wait) at iv0 = 1")
    passes(*head, wait("x_a"), "}")


@pytest.mark.parametrize("victim", ["a", "b"])
def test_write_into_the_destination_of_a_transfer_in_flight(victim: str) -> None:
    clear = instruction("memset", [(victim, T)], BOX, value="0.0 : f32")
    found = fault(alloc("a", BOX), alloc("b", BOX, address=8), start("x", "a"), clear, wait("x_a"))
    assert found.kind == "race"
    assert found.message == (
        f"npu.memset: dst {victim}: lane 0, bytes {0 if victim == 'a' else 8} to {3 if victim == 'a' else 11} "
        "touched while dma in flight into it (missing wait)"
    )


def test_write_to_the_source_of_a_transfer_in_flight() -> None:
    clear = instruction("memset", [("a", T)], BOX, value="0.0 : f32")
    found = fault(alloc("a", BOX), load("a"), start("a", "out"), clear, wait("a_out"))
    assert found.kind == "race"
    assert found.message == (
        "npu.memset: dst a: lane 0, bytes 0 to 3 written while dma in flight still reads it (missing wait)"
    )


def test_lock_on_a_source_lasts_until_its_last_reader_is_done() -> None:
    out2 = ("out2", "output", BOX, "f32")
    second = transfer(("a", T), ("out2", D), BOX, token="second")
    clear = instruction("memset", [("a", T)], BOX, value="0.0 : f32")
    head = [alloc("a", BOX), load("a"), start("a", "out"), second, "", wait("a_out")]
    arrays = [data(), np.zeros(BOX, np.float32), np.zeros(BOX, np.float32)]
    with pytest.raises(Fault, match="still reads it"):
        run("\n".join([*head, clear, wait("second")]), [X, OUT, out2], arrays)
    run("\n".join([*head, wait("second"), clear]), [X, OUT, out2], arrays)
    np.testing.assert_array_equal(arrays[2], data())


def test_reading_the_source_of_a_transfer_in_flight_is_fine() -> None:
    passes(alloc("a", BOX), alloc("b", BOX, address=16), load("a"), start("a", "out"), start("a", "b"), *WAIT_BOTH)


WAIT_BOTH = (wait("a_b"), wait("a_out"))


def test_transfer_into_a_source_in_flight() -> None:
    found = fault(alloc("a", BOX), load("a"), start("a", "out"), start("x", "a"), wait("a_out"), wait("x_a"))
    assert (found.kind, found.message.split(":")[0]) == ("race", "npu.dma_start")


@pytest.mark.parametrize("shadow", [True, False])
def test_token_never_waited_for(shadow: bool) -> None:
    found = fault(alloc("a", BOX), start("x", "a"), shadow=shadow)
    assert found.kind == "unwaited"
    assert found.message == (
        "npu.dma_start: the program ends with this transfer in flight (its token is never waited for)"
    )


def test_token_waited_for_twice() -> None:
    found = fault(alloc("a", BOX), start("x", "a"), "affine.for %i = 0 to 2 {", wait("x_a"), "}")
    assert found.kind == "unwaited"
    assert found.message == "npu.dma_wait: waits for a transfer that is not in flight at iv0 = 1"


def test_write_to_an_argument() -> None:
    found = fault(alloc("a", BOX), load("a"), transfer(("a", T), ("x", D), BOX))
    assert found.kind == "read-only"
    assert found.message == "npu.dma_start: dst x: write to a read-only argument or constant"


def indirect(op: str, index: int) -> list[str]:
    """Moves rows by the index values 1, index, 0 (a gather from ``x`` or a scatter to ``out``)."""
    column = memref((3, 1), "i32", "sbuf")
    rows = memref((3, 4), "f32", "sbuf")
    values = [
        instruction("memset", [("k", column)], (1, 1), [f"affine_map<(d0, d1) -> (d0 + {i}, d1)>"], value=f"{v} : i32")
        for i, v in enumerate((1, index, 0))
    ]
    by_value = "affine_map<(d0, d1, d2) -> (d2, d1)>"
    plain, per_row = identity(2), "affine_map<(d0, d1) -> (d0, 0)>"
    head = [alloc("k", (3, 1), "i32"), alloc("r", (3, 4), address=16), *values]
    if op == "gather":
        maps = [by_value, plain, per_row]
        return [*head, transfer(("x", D), ("r", rows), (3, 4), maps, op=op, extra=[("k", column)])]
    fill = instruction("memset", [("r", rows)], (3, 4), value="5.0 : f32")
    maps = [plain, by_value, per_row]
    return [*head, fill, transfer(("r", rows), ("out", D), (3, 4), maps, op=op, extra=[("k", column)])]


@pytest.mark.parametrize(("op", "buffer"), [("gather", "src x"), ("scatter", "dst out")])
@pytest.mark.parametrize("index", [8, -1])
def test_index_value_out_of_range(op: str, buffer: str, index: int) -> None:
    found = fault(*indirect(op, index))
    assert found.kind == "index"
    assert found.message == (
        f"npu.{op}: {buffer}: index value {index} at (1, 0) of the box is outside 0 to 7, the range of dimension 0"
    )
    passes(*indirect(op, 7))


def test_element_that_a_map_writes_twice() -> None:
    module = parse("\n".join([alloc("a", BOX), load("a")]), [X, OUT])
    patch(module, "npu.dma_start", "maps", f"[{identity(2)}, affine_map<(d0, d1) -> (d0, 0)>]")
    with pytest.raises(UserError, match=r"npu.dma_start: the map of dst does not use every dimension"):
        npu.execute(module, [data(), np.zeros(BOX, np.float32)])


def refused(arguments: list[Array]) -> str:
    with pytest.raises(UserError) as caught:
        npu.execute(parse("", [X, OUT]), arguments)
    return caught.value.message


def test_arrays_that_do_not_match_the_arguments() -> None:
    good, fixed = data(), data()
    fixed.flags.writeable = False
    assert refused([good]) == "the program takes 2 arrays, got 1"
    assert refused([good[:4], good]) == "argument 'x' is float32[8, 4], got float32[4, 4]"
    assert refused([good.astype(np.float64), good]) == "argument 'x' is float32[8, 4], got float64[8, 4]"
    assert refused([good, fixed]) == "output 'out' is a read-only array"
    strided = np.asfortranarray(good)
    assert refused([strided, good]) == "argument 'x' has to be C-contiguous; pass numpy.ascontiguousarray of it"


BOUNDS = "loop bounds must be constant in an npu program"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"%a = memref.alloc() : {T}", "'memref.alloc' has no npu.address; run allocate first"),
        ("%a = arith.constant 1.0 : f32", "'arith.constant' of this type is not part of an npu program"),
        (f"memref.copy %x, %out : {D} to {D}", "'memref.copy' is not part of an npu program"),
        ("%n = arith.constant 4 : index\naffine.for %i = 0 to %n {\n}", BOUNDS),
    ],
)
def test_operations_that_no_npu_program_has(line: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        passes(line)
    assert caught.value.message == message
    assert caught.value.location is not None
