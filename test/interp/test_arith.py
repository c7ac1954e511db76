"""The scalar operations of MLIR in the plain interpreter against those of the npu executor: two tables, one meaning."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from torch_mlir import ir

from polystage.dialects.npu.scalars import CMPF_PREDICATES, CMPI_PREDICATES, SCALAR_OPS, MlirOp, ScalarOp
from polystage.interp import scalars
from polystage.interp.arith import evaluator, to_type

FLOATS = np.array(
    [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.5, -2.5, 3.49, 1e-39, 1e30, -7.25, np.inf, -np.inf, np.nan], np.float32
)
INTEGERS = np.array([0, 1, -1, 2, -2, 3, 7, -7, 31, 100, -1000, 2**30, 2**31 - 1, -(2**31)], np.int64)


@pytest.fixture(autouse=True)
def mlir_context() -> Iterator[None]:
    with ir.Context(), ir.Location.unknown(), np.errstate(all="ignore"):
        yield


def evaluate(name: str, sources: list[str], target: str, *values: Any, predicate: int | None = None) -> NDArray[Any]:
    """Make an op of the given types and evaluate it."""
    attributes: dict[str, ir.Attribute] = {}
    if predicate is not None:
        attributes["predicate"] = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), predicate)
    module = ir.Module.create()
    with ir.InsertionPoint(module.body):
        holder = ir.Operation.create(
            "builtin.unrealized_conversion_cast", [ir.Type.parse(source) for source in sources]
        )
        op = ir.Operation.create(name, [ir.Type.parse(target)], list(holder.results), attributes)
    return evaluator(op)(*values)


def predicate_of(op: MlirOp) -> int | None:
    if op.predicate is None:
        return None
    return (CMPF_PREDICATES if op.name == "arith.cmpf" else CMPI_PREDICATES).index(op.predicate)


FLOAT_OPS = [op for op in SCALAR_OPS.values() if op.float_op]
INT_OPS = [op for op in SCALAR_OPS.values() if op.int_op]
UNDEFINED_AT_ZERO = ("divide", "remainder", "floor_divide", "ceil_divide")


@pytest.mark.parametrize("op", FLOAT_OPS, ids=lambda op: op.name)
def test_float_operations_agree(op: ScalarOp) -> None:
    assert op.float_op
    grid = [FLOATS[:, None], FLOATS[None, :]][: op.arity] if op.arity == 2 else [FLOATS]
    npu = (scalars.binary if op.arity == 2 else scalars.unary)(op.name, "float")(*grid, None)
    target = "i1" if op.boolean else "f32"
    mine = evaluate(op.float_op.name, ["f32"] * op.arity, target, *grid, predicate=predicate_of(op.float_op))
    np.testing.assert_allclose(mine.astype(np.float32), npu.astype(np.float32), rtol=3e-7)


@pytest.mark.parametrize("op", INT_OPS, ids=lambda op: op.name)
def test_integer_operations_agree(op: ScalarOp) -> None:
    assert op.int_op
    right = INTEGERS[(INTEGERS != 0) & (INTEGERS != -1)] if op.name.startswith(UNDEFINED_AT_ZERO) else INTEGERS
    right = np.arange(32) if op.name.startswith("shift") else right
    grid = [INTEGERS[:, None], right[None, :]] if op.arity == 2 else [INTEGERS]
    operands = [value.astype(np.int32) for value in grid]
    npu = (scalars.binary if op.arity == 2 else scalars.unary)(op.name, "int")(*operands, None)
    target = "i1" if op.boolean else "i32"
    mine = evaluate(op.int_op.name, ["i32"] * op.arity, target, *grid, predicate=predicate_of(op.int_op))
    assert np.array_equal(mine.astype(np.int64), npu.astype(np.int64))


@pytest.mark.parametrize(
    ("name", "source", "target", "value", "expected"),
    [
        ("arith.truncf", "f32", "bf16", 1.01, 1.0078125),
        ("arith.extf", "bf16", "f32", 1.0078125, 1.0078125),
        ("arith.fptosi", "f32", "i32", -2.7, -2),
        ("arith.sitofp", "i32", "f32", -3, -3.0),
        ("arith.sitofp", "i1", "f32", 1, -1.0),
        ("arith.uitofp", "i1", "f32", 1, 1.0),
        ("arith.uitofp", "i8", "f32", -1, 255.0),
        ("arith.extsi", "i1", "i32", 1, -1),
        ("arith.extui", "i1", "i32", 1, 1),
        ("arith.extui", "i8", "i32", -1, 255),
        ("arith.trunci", "i32", "i8", 200, -56),
        ("arith.trunci", "i32", "i1", 3, 1),
        ("arith.index_cast", "i32", "index", -5, -5),
    ],
)
def test_casts(name: str, source: str, target: str, value: float, expected: float) -> None:
    assert evaluate(name, [source], target, np.asarray(value)) == expected


def test_select_and_wrapping() -> None:
    chosen = evaluate("arith.select", ["i1", "f32", "f32"], "f32", np.array([1, 0]), np.float32(2), np.float32(3))
    assert chosen.tolist() == [2, 3]
    assert evaluate("arith.addi", ["i32", "i32"], "i32", np.int64(2**31 - 1), np.int64(1)) == -(2**31)
    assert to_type(np.asarray(1.0 + 2.0**-9), "bf16") == 1.0
