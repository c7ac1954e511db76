"""Each instruction against numpy on random boxes, strides, offsets, broadcasts and loops."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pytest
from npu_programs import Array, alloc, instruction, memref, random_array, run, transfer

from polystage.interp.memory import DTYPES

F32 = np.float32
Values = list[Array]
Expected = Callable[[Values], Any]
"""From the values of the destination before and of the sources, each in the shape of the box, to what is written."""


@dataclass(frozen=True)
class Box:
    """The box and the loop around it: ``rank`` dims of random sizes unless given; how exact the result has to be."""

    rank: int = 3
    sizes: tuple[int, ...] = ()
    trips: int = 3
    bound: float = 0.0
    limits: bool = True


STANDARD = Box()


@dataclass(frozen=True)
class Spec:
    """An operand to be made up: which dims of the box it uses, the one that is its lane first."""

    name: str
    element: str
    dims: tuple[int, ...]
    memory: str = "sbuf"
    may_broadcast: bool = False


@dataclass(frozen=True)
class Placed:
    """A made-up operand: index ``r`` is ``sum(dims[r][d] * d) + loops[r] * s0 + constant[r]``."""

    spec: Spec
    dims: tuple[dict[int, int], ...]
    loops: tuple[int, ...]
    constants: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def type(self) -> str:
        return memref(self.shape, self.spec.element, self.spec.memory)

    def map(self, rank: int) -> str:
        rows = [
            " + ".join([*(f"d{d} * {c}" for d, c in dims.items()), f"s0 * {loop}", str(constant)])
            for dims, loop, constant in zip(self.dims, self.loops, self.constants, strict=True)
        ]
        return f"affine_map<({', '.join(f'd{i}' for i in range(rank))})[s0] -> ({', '.join(rows)})>"

    def indices(self, sizes: Sequence[int], iv: int) -> tuple[Array, ...]:
        grid = np.indices(sizes)
        return tuple(
            sum((c * grid[d] for d, c in dims.items()), np.full(sizes, loop * iv + constant))
            for dims, loop, constant in zip(self.dims, self.loops, self.constants, strict=True)
        )


def place(rng: np.random.Generator, spec: Spec, sizes: Sequence[int], trips: int) -> Placed:
    """Give an operand a layout: free dims permuted, strided, shifted; sources may leave dims out (broadcast)."""
    lane, *free = spec.dims
    used = [d for d in free if not (spec.may_broadcast and rng.random() < 0.3)]
    rng.shuffle(used)
    dims: list[dict[int, int]] = [{lane: 1}]
    loops, constants, shape = [0], [int(rng.integers(0, 3))], [sizes[lane]]
    shape[0] += constants[0] + int(rng.integers(0, 2))
    groups = [[d] for d in used]
    if len(groups) > 1 and rng.random() < 0.4:  # two dims share one index, as in a flattened image
        groups = [groups[0] + groups[1], *groups[2:]]
    for group in groups or [[]]:
        row: dict[int, int] = {}
        reach = 0
        for d in group:
            row[d] = int(rng.integers(1, 3)) if not row else reach + 1
            reach += row[d] * (sizes[d] - 1)
        loop, constant = int(rng.integers(0, 3)), int(rng.integers(0, 3))
        dims.append(row)
        loops.append(loop)
        constants.append(constant)
        shape.append(1 + reach + loop * (trips - 1) + constant + int(rng.integers(0, 2)))
    return Placed(spec, tuple(dims), tuple(loops), tuple(constants), tuple(shape))


def check(
    op: str,
    specs: Sequence[Spec],
    expected: Expected,
    seed: str,
    box: Box = STANDARD,
    /,
    **attributes: str,
) -> None:
    """Run ``op`` in a loop over made-up operands (the first is written) and compare the whole destination."""
    rng = np.random.default_rng(zlib.crc32(f"{op} {seed}".encode()))
    sizes = box.sizes or [int(size) for size in rng.integers(1, 6 if box.rank < 5 else 4, box.rank)]
    trips = box.trips
    placed = [place(rng, spec, sizes, trips) for spec in specs]
    arrays = [random_array(rng, operand.shape, operand.spec.element) for operand in placed]
    result = np.zeros_like(arrays[0])
    lines: list[str] = []
    address = {"sbuf": 0, "psum": 0}
    for operand in placed:
        spec = operand.spec
        size = int(np.prod(operand.shape[1:])) * DTYPES[spec.element].itemsize
        lines.append(alloc(spec.name, operand.shape, spec.element, spec.memory, address[spec.memory]))
        address[spec.memory] += -(-size // 1024) * 1024
        source = (f"in_{spec.name}", memref(operand.shape, spec.element))
        lines.append(transfer(source, (spec.name, operand.type), operand.shape))
    operands = [(operand.spec.name, operand.type) for operand in placed]
    maps = [operand.map(len(sizes)) for operand in placed]
    lines.append(f"affine.for %i = 0 to {trips} {{")
    lines.append(instruction(op, operands, sizes, maps, ["i"], **attributes))
    lines.append("}")
    lines.append(transfer(operands[0], ("out", memref(placed[0].shape, specs[0].element)), placed[0].shape))
    arguments = [(f"in_{p.spec.name}", "input", p.shape, p.spec.element) for p in placed]
    arguments.append(("out", "output", placed[0].shape, specs[0].element))
    run("\n".join(lines), arguments, [*arrays, result], limits=box.limits)

    want = arrays[0].copy()
    for iv in range(trips):
        values = [array[p.indices(sizes, iv)] for array, p in zip(arrays[1:], placed[1:], strict=True)]
        where = placed[0].indices(sizes, iv)
        want[where] = convert(expected([want[where], *values]), want.dtype)
    if box.bound:
        np.testing.assert_allclose(result.astype(F32), want.astype(F32), rtol=box.bound, atol=box.bound)
    else:
        np.testing.assert_array_equal(result, want)


def convert(value: Array, dtype: np.dtype[Any]) -> Array:
    """As an instruction writes it: float to integer through i32, integers by their low bits."""
    if dtype.kind in "bi" and value.dtype.kind == "f":
        value = value.astype(np.int32)
    if dtype.kind == "b" and value.dtype.kind == "i":
        value = value & 1
    return value.astype(dtype)


def wide(value: Array) -> Array:
    return value.astype(F32) if value.dtype.kind not in "bi" else value.astype(np.int32)


ALL = (0, 1, 2)
FLOATS = ("f32", "bf16", "f16")


@pytest.mark.parametrize(("dst", "a", "b"), [*product(FLOATS, FLOATS, ("f32",)), ("i32", "i32", "i8"), ("i8",) * 3])
def test_tensor_tensor(dst: str, a: str, b: str) -> None:
    for seed in range(3):
        specs = [Spec("d", dst, ALL), Spec("a", a, ALL, "psum", True), Spec("b", b, ALL, may_broadcast=True)]
        check("tensor_tensor", specs, lambda v: wide(v[1]) * wide(v[2]), f"{dst} {a} {b} {seed}", op='"multiply"')


@pytest.mark.parametrize("element", ["f32", "bf16", "i32"])
def test_comparison_writes_truth_values(element: str) -> None:
    specs = [Spec("d", "i1", ALL), Spec("a", element, ALL), Spec("b", element, ALL, may_broadcast=True)]
    check("tensor_tensor", specs, lambda v: wide(v[1]) > wide(v[2]), element, op='"is_gt"')


@pytest.mark.parametrize("op", ["and", "or", "xor"])
def test_logic_on_truth_values(op: str) -> None:
    specs = [Spec("d", "i1", ALL), Spec("a", "i1", ALL), Spec("b", "i1", ALL)]
    logic = {"and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor}[op]
    check("tensor_tensor", specs, lambda v: logic(v[1], v[2]), "", op=f'"{op}"')


@pytest.mark.parametrize(("dst", "src"), [("f32", "f32"), ("bf16", "f32"), ("f32", "bf16"), ("bf16", "bf16")])
def test_tensor_scalar_with_numbers(dst: str, src: str) -> None:
    attributes = {"op0": '"subtract"', "scalar0": "1.5 : f32", "reverse0": "true"}
    attributes |= {"op1": '"multiply"', "scalar1": "0.3 : f32", "reverse1": "false"}
    specs = [Spec("d", dst, ALL), Spec("s", src, ALL, may_broadcast=True)]
    check("tensor_scalar", specs, lambda v: (F32(1.5) - wide(v[1])) * F32(0.3), f"{dst} {src}", **attributes)


def test_tensor_scalar_with_one_value_per_lane() -> None:
    attributes = {"op0": '"max"', "reverse0": "false", "op1": '"divide"', "reverse1": "true"}
    specs = [Spec("d", "f32", ALL), Spec("s", "f32", ALL), Spec("k0", "f32", (0,)), Spec("k1", "bf16", (0,))]
    check("tensor_scalar", specs, lambda v: wide(v[3]) / np.maximum(v[1], v[2]), "", **attributes)


def test_tensor_scalar_on_integers_and_truth_values() -> None:
    attributes = {"op0": '"is_ge"', "scalar0": "3 : i32", "reverse0": "false"}
    attributes |= {"op1": '"xor"', "scalar1": "1 : i32", "reverse1": "false"}
    specs = [Spec("d", "i1", ALL), Spec("s", "i32", ALL)]
    check("tensor_scalar", specs, lambda v: ~(v[1] >= 3), "", **attributes)


@pytest.mark.parametrize("element", ["f32", "bf16"])
def test_scalar_tensor_tensor(element: str) -> None:
    specs = [Spec("d", element, ALL), Spec("a", element, ALL), Spec("k", "f32", (0,)), Spec("b", element, ALL)]

    def expected(values: Values) -> Array:
        _, a, k, b = values
        return wide(a) * k + wide(b)

    check("scalar_tensor_tensor", specs, expected, element, op0='"multiply"', op1='"add"')


@pytest.mark.parametrize(("dst", "src"), [("f32", "f32"), ("bf16", "f32"), ("f32", "bf16")])
def test_activation(dst: str, src: str) -> None:
    specs = [Spec("d", dst, ALL), Spec("s", src, ALL, "psum")]
    numbers = {"scale": "0.5 : f32", "bias": "0.25 : f32", "func": '"exp"'}
    check("activation", specs, lambda v: np.exp(wide(v[1]) * F32(0.5) + F32(0.25)), f"{dst} {src}", **numbers)
    specs.append(Spec("b", "f32", (0,)))
    check("activation", specs, lambda v: np.tanh(wide(v[1]) + v[2]), f"{dst} {src}", func='"tanh"')


@pytest.mark.parametrize("name", ["add", "max", "min", "multiply"])
@pytest.mark.parametrize(("dst", "src"), [("f32", "f32"), ("bf16", "bf16"), ("i32", "i32")])
def test_tensor_reduce(name: str, dst: str, src: str) -> None:
    fold = {"add": np.add, "max": np.maximum, "min": np.minimum, "multiply": np.multiply}[name]
    for kept in ((0, 1), (0, 2), (0,)):
        axes = tuple(d for d in ALL if d not in kept)

        def expected(values: Values, axes: tuple[int, ...] = axes) -> Array:
            x = wide(values[1])
            return np.broadcast_to(fold.reduce(x, axis=axes, keepdims=True, dtype=x.dtype), x.shape)

        bound = 0.0 if dst == "i32" or name in ("max", "min") else 2**-7 if dst == "bf16" else 1e-5
        specs = [Spec("d", dst, kept), Spec("s", src, ALL)]
        check("tensor_reduce", specs, expected, f"{dst} {kept}", Box(bound=bound), op=f'"{name}"')


CASTS = [*product(FLOATS, FLOATS), *product(("i32", "i8", "i1"), ("f32", "bf16", "i32", "i8", "i1"))]


@pytest.mark.parametrize(("dst", "src"), [*CASTS, *product(FLOATS, ("i32", "i1"))])
def test_tensor_copy_casts(dst: str, src: str) -> None:
    specs = [Spec("d", dst, ALL), Spec("s", src, ALL, may_broadcast=True)]
    check("tensor_copy", specs, lambda v: wide(v[1]) * 1, f"{dst} {src}")


@pytest.mark.parametrize("element", ["f32", "bf16", "i32", "i1"])
def test_select(element: str) -> None:
    specs = [Spec("d", element, ALL), Spec("p", "i1", ALL, may_broadcast=True)]
    specs += [Spec("a", element, ALL), Spec("b", element, ALL, "psum", may_broadcast=True)]
    check("select", specs, lambda v: np.where(v[1], v[2], v[3]), element)


@pytest.mark.parametrize("element", ["f32", "bf16", "i32", "i8", "i1"])
def test_memset(element: str) -> None:
    value = {"f32": "1.7 : f32", "bf16": "1.7 : f32"}.get(element, "1 : i32")
    number = np.asarray(float(value.split()[0]))
    specs = [Spec("d", element, ALL)]
    check("memset", specs, lambda v: np.broadcast_to(number, v[0].shape), element, value=value)


@pytest.mark.parametrize("element", ["i32", "f32"])
def test_iota_with_modulo(element: str) -> None:
    sizes = (4, 5, 3)
    value = "affine_map<(d0, d1, d2)[s0] -> (d0 * 15 + d1 floordiv 2 + (d2 + s0) mod 2)>"
    grid = np.indices(sizes)
    want = grid[0] * 15 + grid[1] // 2 + grid[2] % 2
    check("iota", [Spec("d", element, ALL)], lambda _: want, element, Box(sizes=sizes, trips=1), value=value)


@pytest.mark.parametrize("element", ["f32", "bf16", "i32"])
def test_transpose(element: str) -> None:
    for seed in range(3):
        specs = [Spec("d", element, (1, 0), "psum"), Spec("s", element, (0, 1))]
        check("transpose", specs, lambda v: v[1], f"{element} {seed}", Box(rank=2))


def contraction(accumulate: bool) -> Expected:
    """In the shape of the box, where ``dst`` is the same for all of K: the value that the last write leaves."""

    def expected(values: Values) -> Array:
        before, stationary, moving = values
        total = (wide(stationary) * wide(moving)).sum(axis=0, keepdims=True)
        return np.broadcast_to(total + before[:1] if accumulate else total, before.shape)

    return expected


@pytest.mark.parametrize("element", ["f32", "bf16"])
@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("rank", [3, 4, 5])
def test_matmul(element: str, accumulate: bool, rank: int) -> None:
    free = tuple(range(2, rank))
    for seed in range(4):
        specs = [Spec("d", "f32", (1, *free), "psum"), Spec("s", element, (0, 1)), Spec("m", element, (0, *free))]
        flag = "true" if accumulate else "false"
        name = f"{element} {rank} {seed}"
        fits = rank < 5  # of so many dims a made-up result may leave its PSUM bank, which means nothing to the executor
        expected = contraction(accumulate)
        check("matmul", specs, expected, name, Box(rank, bound=1e-5, limits=fits), accumulate=flag)


@pytest.mark.parametrize("element", ["f32", "bf16", "i32", "i8", "i1"])
@pytest.mark.parametrize(("src", "dst"), [("sbuf", "sbuf"), ("sbuf", "psum"), ("psum", "sbuf")])
def test_dma_between_memories(element: str, src: str, dst: str) -> None:
    specs = [Spec("d", element, ALL, dst), Spec("s", element, ALL, src, may_broadcast=True)]
    rng = np.random.default_rng(7)
    sizes = (3, 4, 2)
    target, source = (place(rng, spec, sizes, 1) for spec in specs)
    data = random_array(rng, source.shape, element)
    out, start = np.zeros(target.shape, data.dtype), random_array(rng, target.shape, element)
    lines = [
        alloc("d", target.shape, element, dst, 0),
        alloc("s", source.shape, element, src, 2048),
        transfer(("start", memref(target.shape, element)), ("d", target.type), target.shape),
        transfer(("data", memref(source.shape, element)), ("s", source.type), source.shape),
        "affine.for %i = 0 to 1 {",
        transfer(("s", source.type), ("d", target.type), sizes, [source.map(3), target.map(3)], ["i"]),
        "}",
        transfer(("d", target.type), ("out", memref(target.shape, element)), target.shape),
    ]
    arguments = [("start", "input", target.shape, element), ("data", "input", source.shape, element)]
    arguments.append(("out", "output", target.shape, element))
    run("\n".join(lines), arguments, [start, data, out])
    want = start.copy()
    want[target.indices(sizes, 0)] = data[source.indices(sizes, 0)]
    np.testing.assert_array_equal(out, want)
