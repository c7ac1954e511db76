"""The scalar operations against MLIR's own, compiled to machine code, on special and random values."""

import math
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Literal

import numpy as np
import pytest
from torch_mlir import ir

from polystage.dialects.npu.scalars import SCALAR_OPS, MlirOp, ScalarOp
from polystage.interp import jit, scalars
from polystage.interp.memory import Array

SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, np.inf, -np.inf, np.nan, 1e-39, 3e38, 0.49999997, 8388609.0)
WHOLE = (0, 1, -1, 2, -2, 3, 7, 31, 100, -100, 2**31 - 1, -(2**31), 2**30, 12345678)
LAST_BITS = 8  # how far two good libraries may be apart, in units of the last place
ROUGH = ("expm1", "log1p")
"""MLIR compiles these as exp(x) - 1 and log(1 + x), which lose all digits near 0."""


def pairs(values: Sequence[float], dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """All pairs of the given values, and random ones."""
    x, y = (grid.ravel() for grid in np.meshgrid(np.array(values, dtype), np.array(values, dtype), indexing="ij"))
    rng = np.random.default_rng(1)
    if dtype == np.float32:
        more = [(rng.standard_normal(256) * 10.0 ** rng.integers(-3, 3, 256)).astype(dtype) for _ in range(2)]
    else:
        more = [rng.integers(-(2**31), 2**31, 256).astype(dtype), rng.integers(-1000, 1000, 256).astype(dtype)]
    return np.concatenate([x, more[0]]), np.concatenate([y, more[1]])


def compiled(ops: Sequence[tuple[ScalarOp, MlirOp]], element: str, x: Array, y: Array) -> list[Array]:
    """What MLIR makes of each operation on ``x`` (and ``y``)."""
    count = len(x)
    results = [np.zeros(count, np.bool_ if op.boolean else x.dtype) for op, _ in ops]
    types = [f"memref<{count}x{'i1' if op.boolean else element}>" for op, _ in ops]
    outputs = ", ".join(f'%o{i}: {type_} {{polystage.kind = "output"}}' for i, type_ in enumerate(types))
    inputs = ", ".join(f"%{name}: memref<{count}x{element}>" for name in "xy")
    body = "\n".join(nest(i, op, mlir, element, count, types[i]) for i, (op, mlir) in enumerate(ops))
    with ir.Context():
        jit.run(ir.Module.parse(f"func.func @main({inputs}, {outputs}) {{\n{body}\nreturn\n}}"), [x, y, *results])
    return results


def nest(position: int, op: ScalarOp, mlir: MlirOp, element: str, count: int, result: str) -> str:
    operands = ", ".join(f"%{name}{position}" for name in "xy"[: op.arity])
    predicate = f"{mlir.predicate}, " if mlir.predicate else ""
    loads = "\n".join(
        f"%{name}{position} = affine.load %{name}[%i] : memref<{count}x{element}>" for name in "xy"[: op.arity]
    )
    return f"""affine.for %i = 0 to {count} {{
        {loads}
        %r{position} = {mlir.name} {predicate}{operands} : {element}
        affine.store %r{position}, %o{position}[%i] : {result}
    }}"""


def domain(pair: tuple[ScalarOp, MlirOp]) -> str:
    """The kind of operands for which MLIR says what an integer operation gives."""
    name = pair[0].name
    return "shift" if "shift" in name else "divide" if "divide" in name or "remainder" in name else "any"


def tame(kind: str, x: Array, y: Array) -> tuple[Array, Array]:
    """``x`` and ``y`` brought into such a domain."""
    if kind == "shift":
        return x, y % 32
    if kind == "divide":
        return np.where(x == -(2**31), 5, x).astype(x.dtype), np.where(y == 0, -3, y).astype(y.dtype)
    return x, y


def run(op: ScalarOp, kind: scalars.Kind, x: Array, y: Array) -> Array:
    with np.errstate(all="ignore"):
        if op.arity == 1:
            return scalars.unary(op.name, kind)(x, None)
        return scalars.binary(op.name, kind)(x, y, None)


@pytest.mark.parametrize("arity", [1, 2])
def test_float_operations_are_those_of_mlir(arity: int) -> None:
    ops = [(op, op.float_op) for op in SCALAR_OPS.values() if op.float_op and op.arity == arity]
    ops = [(op, mlir) for op, mlir in ops if op.name not in scalars.TESTS and op.name not in ROUGH]
    x, y = pairs(SPECIAL, scalars.FLOAT)
    for (op, _), want in zip(ops, compiled(ops, "f32", x, y), strict=True):
        got = run(op, "float", x, y)
        assert got.dtype == want.dtype, op.name
        if op.boolean:
            np.testing.assert_array_equal(got, want, err_msg=op.name)
        else:
            assert_close(op.name, got, want)


def assert_close(name: str, got: Array, want: Array) -> None:
    """Equal up to the last bits; signs of zero count, and NaN equals NaN."""
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want), err_msg=name)
    np.testing.assert_array_max_ulp(np.nan_to_num(got), np.nan_to_num(want), LAST_BITS)
    zero = (got == 0) & (want == 0)
    if name not in ("max", "min", "maxnum", "minnum"):  # of two zeros either may be the greater
        np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(want[zero]), err_msg=name)


@pytest.mark.parametrize("arity", [1, 2])
def test_integer_operations_are_those_of_mlir(arity: int) -> None:
    ops = [(op, op.int_op) for op in SCALAR_OPS.values() if op.int_op and op.arity == arity and op.name != "power"]
    for _, group in groupby(sorted(ops, key=domain), domain):
        same = list(group)
        x, y = tame(domain(same[0]), *pairs(WHOLE, scalars.INT))
        for (op, _), want in zip(same, compiled(same, "i32", x, y), strict=True):
            got = run(op, "int", x, y)
            assert got.dtype == want.dtype, op.name
            np.testing.assert_array_equal(got, want, err_msg=op.name)


@pytest.mark.parametrize("name", ROUGH)
def test_float_operations_near_zero(name: str) -> None:
    x = np.array([0.0, -0.0, 1e-30, -1e-7, 1e-3, -0.5, 20.0], np.float32)
    want = [getattr(math, name)(float(value)) for value in x]
    assert_close(name, run(SCALAR_OPS[name], "float", x, x), np.array(want, np.float32))


def test_tests_of_numbers() -> None:
    x = np.array([0.0, 1e-39, -1.5, np.inf, -np.inf, np.nan], np.float32)
    tests = {name: test(x, None).tolist() for name, test in scalars.TESTS.items()}
    assert tests == {
        "is_nan": [False, False, False, False, False, True],
        "is_inf": [False, False, False, True, True, False],
        "is_finite": [True, True, True, False, False, False],
        "is_normal": [False, False, True, False, False, False],
    }


def test_integer_power_wraps_around() -> None:
    x, y = pairs((0, 1, -1, 2, -3, 7, 2**31 - 1), scalars.INT)
    y %= 40
    want = [(int(a) ** int(b) + 2**31) % 2**32 - 2**31 for a, b in zip(x, y, strict=True)]
    np.testing.assert_array_equal(scalars.binary("power", "int")(x, y, None), want)


def test_integer_power_with_negative_exponents() -> None:
    x, y = np.array([1, -1, -1, 2, -7], np.int32), np.array([-3, -3, -4, -1, -2], np.int32)
    np.testing.assert_array_equal(scalars.binary("power", "int")(x, y, None), [1, -1, 1, 0, 0])


def test_the_engines_own_operations() -> None:
    x = np.array([-2.0, -0.0, 0.25, np.nan], np.float32)
    own = {name: run(SCALAR_OPS[name], "float", x, x) for name in ("copy", "square", "reciprocal", "relu")}
    np.testing.assert_array_equal(own["copy"], x)
    np.testing.assert_array_equal(own["square"], [4.0, 0.0, 0.0625, np.nan])
    np.testing.assert_array_equal(own["reciprocal"], [-0.5, -np.inf, 4.0, np.nan])
    np.testing.assert_array_equal(own["relu"], [0.0, 0.0, 0.25, np.nan])


def test_activation_functions() -> None:
    x = np.array([-20.0, -1.5, -0.0, 0.25, 3.0, 20.0, np.nan], np.float32)
    exact: dict[str, Callable[[float], float]] = {
        "sigmoid": lambda v: 1 / (1 + math.exp(-v)),
        "silu": lambda v: v / (1 + math.exp(-v)),
        "gelu": lambda v: v / 2 * (1 + math.erf(v / math.sqrt(2))),
        "gelu_tanh": lambda v: v / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3))),
    }
    for name, function in exact.items():
        want = [function(float(value)) for value in x]
        np.testing.assert_allclose(run(SCALAR_OPS[name], "float", x, x), want, rtol=2e-6, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("kind", ["float", "int"])
def test_every_operation_of_the_table_is_implemented_where_it_is_defined(kind: Literal["float", "int"]) -> None:
    for op in SCALAR_OPS.values():
        find = scalars.unary if op.arity == 1 else scalars.binary
        if op.defined_on(kind):
            find(op.name, kind)
        else:
            with pytest.raises(KeyError):
                find(op.name, kind)
