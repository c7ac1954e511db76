"""The scalar operations of the npu dialect on numpy arrays: float32, int32, and bool for the results of comparisons.

The names and what they mean are those of ``polystage.dialects.npu.scalars``. A function takes its operands and ``out``,
an array for the result or None; operands may be numpy scalars and broadcast.
"""

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from polystage.interp.memory import DTYPES, Array

Kind = Literal["float", "int", "bool"]
Operation = Callable[..., Array]
"""``f(x, out)`` or ``f(x, y, out)``; the result is ``out`` where that is not None."""

FLOAT, INT, BOOL = np.dtype(np.float32), np.dtype(np.int32), np.dtype(np.bool_)


def kind_of(element: str) -> Kind:
    """Whether data of an MLIR element type is computed as float, int, or is a truth value."""
    if element == "i1":
        return "bool"
    return "int" if element.startswith("i") else "float"


def loader(element: str, kind: Kind) -> Callable[[Array], Array] | None:
    """What turns stored data of ``element`` into fp32 (``kind`` float) or i32; None where it is that already."""
    target = FLOAT if kind == "float" else INT
    if DTYPES[element] == target:
        return None
    return lambda data: data.astype(target)


def store(target: Array, value: Array | Any) -> None:
    """Write ``value`` (float32, int32 or bool) to ``target``, rounded or cut to its type once.

    Float to integer truncates toward zero; an integer keeps its low bits, of which i1 has one.
    """
    kind = value.dtype.kind
    if target.dtype == value.dtype or kind == "b" or target.dtype.kind not in "bi":
        np.copyto(target, value, casting="unsafe")
        return
    whole = value if kind == "i" else value.astype(INT)
    np.copyto(target, whole & 1 if target.dtype == BOOL else whole, casting="unsafe")


def result_kind(name: str, kind: Kind) -> Kind:
    """The kind of what operation ``name`` gives on data of ``kind``."""
    return "bool" if name in COMPARISONS or name in TESTS else kind


def binary(name: str, kind: Kind) -> Operation:
    """Operation ``name`` of two operands. Raises KeyError where it is not defined on data of that kind."""
    if name in COMPARISONS:
        return (_COMPARE_FLOAT if kind == "float" else _COMPARE_INT)[name]
    return (_BINARY_FLOAT if kind == "float" else _BINARY_INT)[name]


def unary(name: str, kind: Kind) -> Operation:
    """Operation ``name`` of one operand. Raises KeyError where it is not defined on data of that kind."""
    if name in TESTS and kind == "float":
        return TESTS[name]
    return (_UNARY_FLOAT if kind == "float" else _UNARY_INT)[name]


def reduction(name: str, kind: Kind) -> Callable[..., Array]:
    """``f(x, axes, out)`` that folds ``axes`` of ``x`` with ``name`` and keeps them with extent 1."""
    ufunc = _REDUCE[name] if kind == "float" else _REDUCE_INT[name]
    unsigned = name in ("max_unsigned", "min_unsigned")
    dtype = FLOAT if kind == "float" else np.dtype(np.uint32) if unsigned else INT

    def reduce(x: Array, axes: tuple[int, ...], out: Array | None) -> Array:
        x = x.view(np.uint32) if unsigned else x
        target = None if out is None or unsigned else out
        result: Array = ufunc.reduce(x, axis=axes, dtype=dtype, out=target, keepdims=True)
        if not unsigned:
            return result
        return _into(result.view(np.int32), out)

    return reduce


def _into(value: Array | Any, out: Array | None) -> Array:
    if out is None:
        return value
    np.copyto(out, value, casting="unsafe")
    return out


def _one(function: Callable[[Any], Any]) -> Operation:
    def apply(x: Any, out: Array | None) -> Array:
        return _into(function(x), out)

    return apply


def _two(function: Callable[[Any, Any], Any]) -> Operation:
    def apply(x: Any, y: Any, out: Array | None) -> Array:
        return _into(function(x, y), out)

    return apply


def _unsigned(function: Callable[[Any, Any], Any]) -> Operation:
    """On the bits of both operands taken as unsigned; a result of 32 bits is i32 again."""

    def apply(x: Any, y: Any, out: Array | None) -> Array:
        value = function(x.view(np.uint32), y.view(np.uint32))
        return _into(value.view(np.int32) if value.dtype == np.uint32 else value, out)

    return apply


def _divide_int(x: Any, y: Any) -> Any:
    """Rounds toward zero; numpy's own rounds down."""
    quotient = np.floor_divide(x, y)
    return quotient + ((quotient * y != x) & ((x < 0) != (y < 0)) & (y != 0)).astype(INT)


def _ceil_divide_int(x: Any, y: Any) -> Any:
    quotient = np.floor_divide(x, y)
    return quotient + ((quotient * y != x) & (y != 0)).astype(INT)


def _ceil_divide_unsigned(x: Any, y: Any) -> Any:
    quotient = np.floor_divide(x, y)
    return quotient + (quotient * y != x).astype(np.uint32)


def _power_int(x: Any, y: Any) -> Any:
    """Wraps around; to a negative power, 1 and -1 are what they are and everything else gives 0."""
    positive = np.power(x, np.maximum(y, INT.type(0)), dtype=INT)
    unit = np.where(y & 1 == 0, INT.type(1), x)
    negative = np.where(np.abs(x) == 1, unit, INT.type(0))
    return np.where(y < 0, negative, positive)


def _round_away(x: Any) -> Any:
    whole = np.trunc(x)
    return whole + np.copysign((np.abs(x - whole) >= 0.5).astype(FLOAT), x)


def _erf(x: Any, out: Array | None) -> Array:
    from scipy import special

    return special.erf(x, out)


def _erfc(x: Any, out: Array | None) -> Array:
    from scipy import special

    return special.erfc(x, out)


def _maximum(x: Any, y: Any, out: Array | None) -> Array:
    return np.maximum(x, y, out=out)


def _minimum(x: Any, y: Any, out: Array | None) -> Array:
    return np.minimum(x, y, out=out)


def _relu(x: Any, out: Array | None) -> Array:
    return np.maximum(x, FLOAT.type(0), out=out)


def _sigmoid(x: Any) -> Any:
    return FLOAT.type(1) / (FLOAT.type(1) + np.exp(-x))


def _gelu(x: Any) -> Any:
    from scipy import special

    return x * FLOAT.type(0.5) * (FLOAT.type(1) + special.erf(x * FLOAT.type(math.sqrt(0.5))))


def _gelu_tanh(x: Any) -> Any:
    inner = FLOAT.type(math.sqrt(2 / math.pi)) * (x + FLOAT.type(0.044715) * (x * x * x))
    return x * FLOAT.type(0.5) * (FLOAT.type(1) + np.tanh(inner))


def _ordered(x: Any, y: Any) -> Any:
    return ~(np.isnan(x) | np.isnan(y))


def _bit_length(x: Any) -> Any:
    """Number of bits of each value taken as unsigned: exact, since float64 holds every 32-bit integer."""
    return np.frexp(x.view(np.uint32).astype(np.float64))[1].astype(INT)


def _trailing_zeros(x: Any) -> Any:
    return np.where(x == 0, INT.type(32), _bit_length(x & -x) - 1)


_SMALLEST_NORMAL = np.finfo(np.float32).tiny

_BINARY_FLOAT: dict[str, Operation] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "remainder": np.fmod,
    "max": _maximum,
    "min": _minimum,
    "maxnum": np.fmax,
    "minnum": np.fmin,
    "power": np.power,
    "atan2": np.arctan2,
    "copysign": np.copysign,
}

_BINARY_INT: dict[str, Operation] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": _two(_divide_int),
    "divide_unsigned": _unsigned(np.floor_divide),
    "remainder": np.fmod,
    "remainder_unsigned": _unsigned(np.remainder),
    "floor_divide": np.floor_divide,
    "ceil_divide": _two(_ceil_divide_int),
    "ceil_divide_unsigned": _unsigned(_ceil_divide_unsigned),
    "max": _maximum,
    "min": _minimum,
    "max_unsigned": _unsigned(np.maximum),
    "min_unsigned": _unsigned(np.minimum),
    "power": _two(_power_int),
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "shift_left": np.left_shift,
    "shift_right": np.right_shift,
    "shift_right_unsigned": _unsigned(np.right_shift),
}

_COMPARE_INT: dict[str, Operation] = {
    "is_eq": np.equal,
    "is_ne": np.not_equal,
    "is_gt": np.greater,
    "is_ge": np.greater_equal,
    "is_lt": np.less,
    "is_le": np.less_equal,
    "is_gt_unsigned": _unsigned(np.greater),
    "is_ge_unsigned": _unsigned(np.greater_equal),
    "is_lt_unsigned": _unsigned(np.less),
    "is_le_unsigned": _unsigned(np.less_equal),
}

_COMPARE_FLOAT: dict[str, Operation] = {
    "is_eq": np.equal,
    "is_ne": _two(lambda x, y: (x < y) | (x > y)),
    "is_gt": np.greater,
    "is_ge": np.greater_equal,
    "is_lt": np.less,
    "is_le": np.less_equal,
    "is_ueq": _two(lambda x, y: ~((x < y) | (x > y))),
    "is_une": np.not_equal,
    "is_ugt": _two(lambda x, y: ~(x <= y)),
    "is_uge": _two(lambda x, y: ~(x < y)),
    "is_ult": _two(lambda x, y: ~(x >= y)),
    "is_ule": _two(lambda x, y: ~(x > y)),
    "ord": _two(_ordered),
    "uno": _two(lambda x, y: ~_ordered(x, y)),
}

_ELEMENTARY = (np.exp, np.exp2, np.expm1, np.log, np.log2, np.log10, np.log1p, np.sqrt, np.cbrt)
_TRIGONOMETRIC = (np.tanh, np.sin, np.cos, np.tan, np.sinh, np.cosh)
_INVERSE = {"asin": np.arcsin, "acos": np.arccos, "atan": np.arctan} | {
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
}
_ROUNDING = {"ceil": np.ceil, "floor": np.floor, "roundeven": np.rint, "trunc": np.trunc}

_UNARY_FLOAT: dict[str, Operation] = {
    **{ufunc.__name__: ufunc for ufunc in (*_ELEMENTARY, *_TRIGONOMETRIC)},
    **{name: ufunc for name, ufunc in (_INVERSE | _ROUNDING).items()},
    "copy": np.positive,
    "negate": np.negative,
    "abs": np.absolute,
    "rsqrt": _one(lambda x: FLOAT.type(1) / np.sqrt(x)),
    "erf": _erf,
    "erfc": _erfc,
    "round": _one(_round_away),
    "square": np.square,
    "reciprocal": np.reciprocal,
    "relu": _relu,
    "sigmoid": _one(_sigmoid),
    "silu": _one(lambda x: x / (FLOAT.type(1) + np.exp(-x))),
    "gelu": _one(_gelu),
    "gelu_tanh": _one(_gelu_tanh),
}

_UNARY_INT: dict[str, Operation] = {
    "copy": np.positive,
    "abs": np.absolute,
    "count_leading_zeros": _one(lambda x: 32 - _bit_length(x)),
    "count_trailing_zeros": _one(_trailing_zeros),
    "count_ones": _one(lambda x: np.bitwise_count(x.view(np.uint32)).astype(INT)),
}

TESTS: dict[str, Operation] = {
    "is_nan": np.isnan,
    "is_inf": np.isinf,
    "is_finite": np.isfinite,
    "is_normal": _one(lambda x: np.isfinite(x) & (np.abs(x) >= _SMALLEST_NORMAL)),
}
"""Unary operations with truth values as results, on float data."""

COMPARISONS = frozenset(_COMPARE_FLOAT) | frozenset(_COMPARE_INT)

_REDUCE: dict[str, np.ufunc] = {
    "add": np.add,
    "multiply": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "maxnum": np.fmax,
    "minnum": np.fmin,
}

_REDUCE_INT: dict[str, np.ufunc] = {
    "add": np.add,
    "multiply": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "max_unsigned": np.maximum,
    "min_unsigned": np.minimum,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
}
