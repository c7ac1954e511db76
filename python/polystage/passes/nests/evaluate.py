"""Values of body nodes at given iterations, computed as the machine would: for index tables, not for data."""

import math
import operator
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch_mlir import ir

from polystage.passes.nests import quasi as q
from polystage.passes.nests.body import Body, Constant, Index, Load, Scalar, operands_of
from polystage.passes.nests.quasi import Quasi

Number = int | float
Tables = Mapping[ir.Value, Sequence[int]]
"""Array (a ``memref.get_global``) -> its elements, row-major."""


class NotEvaluable(Exception):  # noqa: N818 - not an error: the value stays as it is
    """A node depends on data, or on an operation whose result is not exactly known here."""


def cone_of(body: Body, number: int) -> list[int]:
    """The nodes that node ``number`` is computed from, itself last."""
    needed, pending = set[int](), [number]
    while pending:
        current = pending.pop()
        if current not in needed:
            needed.add(current)
            pending.extend(operands_of(body.nodes[current]))
    return sorted(needed)


def ivs_of(body: Body, cone: Sequence[int]) -> set[int]:
    """The induction variables that the nodes of ``cone`` use themselves."""
    depths = set[int]()
    for number in cone:
        node = body.nodes[number]
        if isinstance(node, Index):
            depths |= q.ivs_of(node.value)
        elif isinstance(node, Load):
            depths |= set[int]().union(*(q.ivs_of(i) for i in node.indices if isinstance(i, Quasi)))
    return depths


def evaluate(body: Body, cone: Sequence[int], point: Sequence[int], tables: Tables) -> Number:
    """The value of the last node of ``cone`` at iteration ``point``."""
    values: dict[int, Number] = {}
    for number in cone:
        node = body.nodes[number]
        match node:
            case Index():
                values[number] = q.evaluate(node.value, point)
            case Constant():
                values[number] = _float(node.value)
            case Load():
                values[number] = _element(node, values, point, tables)
            case Scalar():
                values[number] = _scalar(node, [values[k] for k in node.operands], body)
    return values[cone[-1]]


def _float(value: ir.Attribute) -> float:
    if not isinstance(value, ir.FloatAttr):
        raise NotEvaluable
    return value.value


def _element(node: Load, values: Mapping[int, Number], point: Sequence[int], tables: Tables) -> int:
    table = tables.get(node.array)
    if table is None:
        raise NotEvaluable
    position = 0
    for index, size in zip(node.indices, ir.MemRefType(node.array.type).shape, strict=True):
        at = q.evaluate(index, point) if isinstance(index, Quasi) else int(values[index])
        if not 0 <= at < size:
            raise NotEvaluable
        position = position * size + at
    return table[position]


def _scalar(node: Scalar, operands: list[Number], body: Body) -> Number:
    if node.name in ("arith.cmpi", "arith.cmpf"):
        return _compared(ir.IntegerAttr(dict(node.attributes)["predicate"]).value, node.name, operands)
    if node.name == "arith.extsi" and body.nodes[node.operands[0]].type == ir.IntegerType.get_signless(1):
        return -operands[0]
    rule = _RULES.get(node.name)
    if rule is None:
        raise NotEvaluable
    try:
        return _rounded(rule(*operands), node.type)
    except (ZeroDivisionError, OverflowError, ValueError) as error:
        raise NotEvaluable from error


def _rounded(value: Number, type_: ir.Type) -> Number:
    """``value`` as the type holds it."""
    if isinstance(type_, ir.F32Type):
        return struct.unpack("<f", struct.pack("<f", value))[0]
    if isinstance(type_, ir.F16Type):
        return struct.unpack("<e", struct.pack("<e", value))[0]
    if isinstance(type_, ir.IntegerType):
        width = type_.width
        low, high = (0, 1) if width == 1 else (-(1 << (width - 1)), (1 << (width - 1)) - 1)
        if not low <= value <= high:
            raise NotEvaluable
        return int(value)
    raise NotEvaluable


def _compared(predicate: int, name: str, operands: list[Number]) -> int:
    a, b = operands
    if any(isinstance(x, float) and math.isnan(x) for x in operands):
        raise NotEvaluable
    if name == "arith.cmpi":
        if predicate > 5 and (a < 0 or b < 0):
            raise NotEvaluable
        return int(_INTEGER[predicate if predicate <= 5 else predicate - 4](a, b))
    if predicate not in _FLOAT:
        raise NotEvaluable
    return int(_FLOAT[predicate](a, b))


_INTEGER = (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge)
_ORDERED = (operator.eq, operator.gt, operator.ge, operator.lt, operator.le, operator.ne)
_FLOAT = {first + k: compare for first in (1, 8) for k, compare in enumerate(_ORDERED)}


def _same(value: Number) -> Number:
    return value


def _and(a: int, b: int) -> int:
    return a & b


def _or(a: int, b: int) -> int:
    return a | b


def _xor(a: int, b: int) -> int:
    return a ^ b


def _select(condition: Number, a: Number, b: Number) -> Number:
    return a if condition else b


def _quotient(a: Number, b: Number) -> float:
    return a / b


def _floor_quotient(a: int, b: int) -> int:
    return a // b


def _ceil_quotient(a: int, b: int) -> int:
    return -(-a // b)


def _truncated_quotient(a: Number, b: Number) -> int:
    quotient = abs(int(a)) // abs(int(b))
    return quotient if (a < 0) == (b < 0) else -quotient


def _remainder(a: Number, b: Number) -> int:
    return int(a) - int(b) * _truncated_quotient(a, b)


def _away_from_zero(value: Number) -> float:
    return math.copysign(math.floor(abs(value) + 0.5), value)


_RULES: dict[str, Callable[..., Any]] = {
    "arith.addi": operator.add,
    "arith.subi": operator.sub,
    "arith.muli": operator.mul,
    "arith.divsi": _truncated_quotient,
    "arith.floordivsi": _floor_quotient,
    "arith.ceildivsi": _ceil_quotient,
    "arith.remsi": _remainder,
    "arith.maxsi": max,
    "arith.minsi": min,
    "arith.andi": _and,
    "arith.ori": _or,
    "arith.xori": _xor,
    "arith.select": _select,
    "arith.extsi": _same,
    "arith.extui": _same,
    "arith.trunci": _same,
    "arith.sitofp": float,
    "arith.uitofp": float,
    "arith.fptosi": int,
    "arith.extf": _same,
    "arith.truncf": _same,
    "arith.addf": operator.add,
    "arith.subf": operator.sub,
    "arith.mulf": operator.mul,
    "arith.divf": _quotient,
    "arith.negf": operator.neg,
    "arith.maximumf": max,
    "arith.minimumf": min,
    "arith.maxnumf": max,
    "arith.minnumf": min,
    "math.absi": abs,
    "math.absf": abs,
    "math.floor": math.floor,
    "math.ceil": math.ceil,
    "math.trunc": math.trunc,
    "math.roundeven": round,
    "math.round": _away_from_zero,
}
