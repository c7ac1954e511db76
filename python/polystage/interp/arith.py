"""``arith`` and ``math`` on numpy arrays, each operation rounded to its own result type.

A float value is held as float32 whatever its type (f16 and bf16 values are exact in it), an integer as int64 in signed
range, i1 as 0 or 1, an index as int64. The operation is the one of MLIR, so i1 has the signed values 0 and -1.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray
from scipy import special
from torch_mlir import ir

Array = NDArray[Any]
Function = Callable[..., Array]

DTYPES: Mapping[str, np.dtype[Any]] = {
    "f32": np.dtype(np.float32),
    "f16": np.dtype(np.float16),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "i32": np.dtype(np.int32),
    "i8": np.dtype(np.int8),
    "i1": np.dtype(np.bool_),
}
"""How the elements of a memref are stored."""

_WIDTHS = {"i1": 1, "i8": 8, "i32": 32, "index": 64}


def evaluator(op: ir.Operation) -> Function:
    """The function from operand values to the result of ``op``; KeyError names an operation that is not known."""
    sources = [str(operand.type) for operand in op.operands]
    target = str(op.results[0].type)
    name = op.name
    if name == "arith.select":
        return lambda predicate, a, b: np.where(predicate != 0, a, b)
    if name in ("arith.cmpf", "arith.cmpi"):
        predicate = ir.IntegerAttr(op.attributes["predicate"]).value
        compare = _CMPF[predicate] if name == "arith.cmpf" else _cmpi(predicate, sources[0])
        return lambda a, b: np.asarray(compare(a, b), np.int64)
    operands = [partial(_unsigned if name in _UNSIGNED else _signed, width=_WIDTHS.get(source)) for source in sources]
    function, finish = _FUNCTIONS[name], partial(to_type, target=target)
    return lambda *values: finish(function(*(view(value) for view, value in zip(operands, values, strict=True))))


def to_type(value: Array, target: str) -> Array:
    """``value`` rounded or wrapped to the MLIR type ``target``."""
    width = _WIDTHS.get(target)
    if width is None:
        rounded = np.asarray(value, np.float32)
        return rounded if target == "f32" else rounded.astype(DTYPES[target]).astype(np.float32)
    integer = np.asarray(value).astype(np.int64)
    if width == 1:
        return integer & 1
    return integer if width == 64 else ((integer + (1 << (width - 1))) & ((1 << width) - 1)) - (1 << (width - 1))


def _signed(value: Array, width: int | None) -> Array:
    return -value if width == 1 else value


def _unsigned(value: Array, width: int | None) -> Array:
    return value if width is None or width == 64 else value & ((1 << width) - 1)


def _cmpi(predicate: int, source: str) -> Function:
    view = partial(_unsigned if predicate >= 6 else _signed, width=_WIDTHS[source])
    compare = _CMPI[predicate if predicate < 6 else predicate - 4]
    return lambda a, b: compare(view(a), view(b))


def _unordered(a: Array, b: Array) -> Array:
    return np.isnan(a) | np.isnan(b)


def _or_unordered(compare: Function) -> Function:
    return lambda a, b: compare(a, b) | _unordered(a, b)


_CMPI = (np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal)
_CMPF: tuple[Function, ...] = (
    lambda a, b: np.zeros(np.broadcast(a, b).shape, np.bool_),
    *(np.equal, np.greater, np.greater_equal, np.less, np.less_equal),
    lambda a, b: (a != b) & ~_unordered(a, b),
    lambda a, b: ~_unordered(a, b),
    *map(_or_unordered, (np.equal, np.greater, np.greater_equal, np.less, np.less_equal)),
    np.not_equal,
    _unordered,
    lambda a, b: np.ones(np.broadcast(a, b).shape, np.bool_),
)
"""``arith.cmpf`` by predicate: false, oeq, ogt, oge, olt, ole, one, ord, ueq, ugt, uge, ult, ule, une, uno, true."""


def _same(value: Array) -> Array:
    return value


def _round_away(x: Array) -> Array:
    whole = np.trunc(x)
    return np.where(np.abs(x - whole) >= 0.5, whole + np.sign(x), whole)


def _truncating_division(a: Array, b: Array) -> Array:
    return np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))


def _integer_power(a: Array, b: Array) -> Array:
    reciprocal = np.where(np.abs(a) == 1, a ** (np.abs(b) & 1), 0)
    return np.where(b < 0, reciprocal, a ** np.maximum(b, 0))


def _leading_zeros(x: Array) -> Array:
    return 32 - np.frexp(x.astype(np.float64))[1]


def _trailing_zeros(x: Array) -> Array:
    return np.where(x == 0, 32, np.frexp((x & -x).astype(np.float64))[1] - 1)


_UNSIGNED = frozenset(
    {"arith.divui", "arith.remui", "arith.ceildivui", "arith.maxui", "arith.minui", "arith.shrui"}
    | {"arith.extui", "arith.uitofp", "arith.index_castui", "math.ctlz", "math.cttz", "math.ctpop"}
)

_FUNCTIONS: Mapping[str, Function] = {
    "arith.addf": np.add,
    "arith.subf": np.subtract,
    "arith.mulf": np.multiply,
    "arith.divf": np.divide,
    "arith.remf": np.fmod,
    "arith.negf": np.negative,
    "arith.maximumf": np.maximum,
    "arith.minimumf": np.minimum,
    "arith.maxnumf": np.fmax,
    "arith.minnumf": np.fmin,
    "arith.addi": np.add,
    "arith.subi": np.subtract,
    "arith.muli": np.multiply,
    "arith.divsi": _truncating_division,
    "arith.divui": np.floor_divide,
    "arith.floordivsi": np.floor_divide,
    "arith.ceildivsi": lambda a, b: -(-a // b),
    "arith.ceildivui": lambda a, b: -(-a // b),
    "arith.remsi": np.fmod,
    "arith.remui": np.fmod,
    "arith.andi": np.bitwise_and,
    "arith.ori": np.bitwise_or,
    "arith.xori": np.bitwise_xor,
    "arith.shli": np.left_shift,
    "arith.shrsi": np.right_shift,
    "arith.shrui": np.right_shift,
    "arith.maxsi": np.maximum,
    "arith.minsi": np.minimum,
    "arith.maxui": np.maximum,
    "arith.minui": np.minimum,
    **dict.fromkeys(
        ("arith.extf", "arith.truncf", "arith.sitofp", "arith.uitofp", "arith.extsi", "arith.extui"), _same
    ),
    **dict.fromkeys(("arith.trunci", "arith.index_cast", "arith.index_castui"), _same),
    "arith.fptosi": np.trunc,
    "arith.fptoui": np.trunc,
    "math.absf": np.abs,
    "math.absi": np.abs,
    "math.acos": np.arccos,
    "math.acosh": np.arccosh,
    "math.asin": np.arcsin,
    "math.asinh": np.arcsinh,
    "math.atan": np.arctan,
    "math.atan2": np.arctan2,
    "math.atanh": np.arctanh,
    "math.cbrt": np.cbrt,
    "math.ceil": np.ceil,
    "math.copysign": np.copysign,
    "math.cos": np.cos,
    "math.cosh": np.cosh,
    "math.ctlz": _leading_zeros,
    "math.ctpop": np.bitwise_count,
    "math.cttz": _trailing_zeros,
    "math.erf": special.erf,
    "math.erfc": special.erfc,
    "math.exp": np.exp,
    "math.exp2": np.exp2,
    "math.expm1": np.expm1,
    "math.floor": np.floor,
    "math.fma": lambda a, b, c: np.asarray(a, np.float64) * b + c,
    "math.fpowi": lambda a, b: np.power(a, b.astype(np.float32)),
    "math.ipowi": _integer_power,
    "math.isfinite": np.isfinite,
    "math.isinf": np.isinf,
    "math.isnan": np.isnan,
    "math.isnormal": lambda a: np.isfinite(a) & (np.abs(a) >= np.finfo(np.float32).tiny),
    "math.log": np.log,
    "math.log10": np.log10,
    "math.log1p": np.log1p,
    "math.log2": np.log2,
    "math.powf": np.power,
    "math.round": _round_away,
    "math.roundeven": np.rint,
    "math.rsqrt": lambda a: 1 / np.sqrt(a),
    "math.sin": np.sin,
    "math.sinh": np.sinh,
    "math.sqrt": np.sqrt,
    "math.tan": np.tan,
    "math.tanh": np.tanh,
    "math.trunc": np.trunc,
}
"""The operations on float32, or on int64 of the operands' signed (of ``_UNSIGNED``: unsigned) values."""
