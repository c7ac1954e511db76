"""``arith`` and ``math`` on numpy arrays, each operation rounded to its own result type.

A float value is held as float32 whatever its type (f16 and bf16 values are exact in it), an integer as int64 in signed
range, i1 as 0 or 1, an index as int64. The operation is the one of MLIR, so i1 has the signed values 0 and -1.
"""

from collections.abc import Callable, Mapping

import numpy as np
from scipy import special
from torch_mlir import ir

from polystage.interp.memory import DTYPES, Array

Function = Callable[..., Array]

_WIDTHS = {"i1": 1, "i8": 8, "i32": 32, "index": 64}


def evaluator(op: ir.Operation) -> Function:
    """The function from operand values to the result of ``op``; KeyError names an operation that is not known."""
    name = op.name
    if name == "arith.select":
        return _select
    function = _FUNCTIONS[name] if name not in ("arith.cmpf", "arith.cmpi") else _comparison(op)
    read = _unsigned if name in _UNSIGNED or (name == "arith.cmpi" and _predicate(op) >= 6) else _signed
    widths = [_WIDTHS.get(str(operand.type)) for operand in op.operands]
    target = str(op.results[0].type)

    def evaluate(*values: Array) -> Array:
        return to_type(function(*(read(value, width) for value, width in zip(values, widths, strict=True))), target)

    return evaluate


def _select(predicate: Array, a: Array, b: Array) -> Array:
    return np.where(predicate != 0, a, b)


def _predicate(op: ir.Operation) -> int:
    return ir.IntegerAttr(op.attributes["predicate"]).value


def _comparison(op: ir.Operation) -> Function:
    predicate = _predicate(op)
    if op.name == "arith.cmpf":
        return _CMPF[predicate]
    return _CMPI[predicate if predicate < 6 else predicate - 4]


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


def _unordered(a: Array, b: Array) -> Array:
    return np.isnan(a) | np.isnan(b)


def _ordered(a: Array, b: Array) -> Array:
    return ~_unordered(a, b)


def _ordered_and_unequal(a: Array, b: Array) -> Array:
    return (a != b) & ~_unordered(a, b)


def _or_unordered(compare: Function) -> Function:
    def function(a: Array, b: Array) -> Array:
        return compare(a, b) | _unordered(a, b)

    return function


def _always(answer: bool) -> Function:
    def function(a: Array, b: Array) -> Array:
        return np.full(np.broadcast_shapes(np.shape(a), np.shape(b)), answer)

    return function


_ORDERED: tuple[Function, ...] = (np.equal, np.greater, np.greater_equal, np.less, np.less_equal)
_CMPI: tuple[Function, ...] = (np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal)
_CMPF: tuple[Function, ...] = (
    *(_always(False), *_ORDERED, _ordered_and_unequal, _ordered),
    *(*map(_or_unordered, _ORDERED), np.not_equal, _unordered, _always(True)),
)
"""``arith.cmpf`` by predicate: false, oeq, ogt, oge, olt, ole, one, ord, ueq, ugt, uge, ult, ule, une, uno, true."""


def _same(value: Array) -> Array:
    return value


def _round_away(x: Array) -> Array:
    whole = np.trunc(x)
    return np.where(np.abs(x - whole) >= 0.5, whole + np.sign(x), whole)


def _truncating_division(a: Array, b: Array) -> Array:
    return np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))


def _ceiling_division(a: Array, b: Array) -> Array:
    return -(-a // b)


def _fused_multiply_add(a: Array, b: Array, c: Array) -> Array:
    return a.astype(np.float64) * b + c


def _float_to_integer_power(a: Array, b: Array) -> Array:
    return np.power(a, b.astype(np.float32))


def _is_normal(a: Array) -> Array:
    return np.isfinite(a) & (np.abs(a) >= np.finfo(np.float32).tiny)


def _reciprocal_root(a: Array) -> Array:
    return 1 / np.sqrt(a)


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
    "arith.ceildivsi": _ceiling_division,
    "arith.ceildivui": _ceiling_division,
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
    "math.fma": _fused_multiply_add,
    "math.fpowi": _float_to_integer_power,
    "math.ipowi": _integer_power,
    "math.isfinite": np.isfinite,
    "math.isinf": np.isinf,
    "math.isnan": np.isnan,
    "math.isnormal": _is_normal,
    "math.log": np.log,
    "math.log10": np.log10,
    "math.log1p": np.log1p,
    "math.log2": np.log2,
    "math.powf": np.power,
    "math.round": _round_away,
    "math.roundeven": np.rint,
    "math.rsqrt": _reciprocal_root,
    "math.sin": np.sin,
    "math.sinh": np.sinh,
    "math.sqrt": np.sqrt,
    "math.tan": np.tan,
    "math.tanh": np.tanh,
    "math.trunc": np.trunc,
}
"""The operations on float32, or on int64 of the operands' signed (of ``_UNSIGNED``: unsigned) values."""
