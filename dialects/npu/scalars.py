"""The scalar operations of the engines, and which operation of ``arith`` and ``math`` each one is.

Float data is computed in fp32 and rounded once when it is written; integer data is computed in i32 two's complement and
its low bits are written; comparisons give i1, which is 0 or 1. Reading i8 extends the sign, reading i1 gives 0 or 1.
So an operation of MLIR on i1 or i8 that looks at high bits is another one here, or none: ``instruction_op`` knows.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Kind = Literal["float", "int"]

CMPF_PREDICATES = (
    *("false", "oeq", "ogt", "oge", "olt", "ole", "one", "ord"),
    *("ueq", "ugt", "uge", "ult", "ule", "une", "uno", "true"),
)
"""Predicates of ``arith.cmpf`` by their integer value."""
CMPI_PREDICATES = ("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge")
"""Predicates of ``arith.cmpi`` by their integer value."""


@dataclass(frozen=True)
class MlirOp:
    """A scalar operation of MLIR; ``predicate`` names the comparison of ``arith.cmpf`` and ``arith.cmpi``."""

    name: str
    predicate: str | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.predicate}" if self.predicate else self.name


@dataclass(frozen=True)
class ScalarOp:
    """One operation of the engines: what it does to float and to integer data, as MLIR operations.

    ``float_op`` or ``int_op`` is None where the operation is not defined on such data; an operation with neither is
    the engines' own (``copy``, ``square``, ``reciprocal``, ``relu``, and the activation functions that
    ``analysis/functions`` defines: ``sigmoid``, ``silu``, ``gelu``, ``gelu_tanh``). Comparisons and tests have i1
    results.
    """

    name: str
    arity: int
    float_op: MlirOp | None = None
    int_op: MlirOp | None = None
    boolean: bool = False
    own: Kind | Literal["any"] | None = None

    def defined_on(self, kind: Kind) -> bool:
        """Whether the operation takes data of that kind."""
        return self.own in (kind, "any") or (self.float_op if kind == "float" else self.int_op) is not None


_BINARY = """
add arith.addf arith.addi
subtract arith.subf arith.subi
multiply arith.mulf arith.muli
divide arith.divf arith.divsi
divide_unsigned - arith.divui
remainder arith.remf arith.remsi
remainder_unsigned - arith.remui
floor_divide - arith.floordivsi
ceil_divide - arith.ceildivsi
ceil_divide_unsigned - arith.ceildivui
max arith.maximumf arith.maxsi
min arith.minimumf arith.minsi
maxnum arith.maxnumf -
minnum arith.minnumf -
max_unsigned - arith.maxui
min_unsigned - arith.minui
power math.powf math.ipowi
atan2 math.atan2 -
copysign math.copysign -
and - arith.andi
or - arith.ori
xor - arith.xori
shift_left - arith.shli
shift_right - arith.shrsi
shift_right_unsigned - arith.shrui
"""

_COMPARE = """
is_eq oeq eq
is_ne one ne
is_gt ogt sgt
is_ge oge sge
is_lt olt slt
is_le ole sle
is_ueq ueq -
is_une une -
is_ugt ugt -
is_uge uge -
is_ult ult -
is_ule ule -
ord ord -
uno uno -
is_gt_unsigned - ugt
is_ge_unsigned - uge
is_lt_unsigned - ult
is_le_unsigned - ule
"""

_UNARY = """
negate arith.negf -
abs math.absf math.absi
exp math.exp -
exp2 math.exp2 -
expm1 math.expm1 -
log math.log -
log2 math.log2 -
log10 math.log10 -
log1p math.log1p -
sqrt math.sqrt -
rsqrt math.rsqrt -
cbrt math.cbrt -
tanh math.tanh -
sin math.sin -
cos math.cos -
tan math.tan -
asin math.asin -
acos math.acos -
atan math.atan -
sinh math.sinh -
cosh math.cosh -
asinh math.asinh -
acosh math.acosh -
atanh math.atanh -
erf math.erf -
erfc math.erfc -
ceil math.ceil -
floor math.floor -
round math.round -
roundeven math.roundeven -
trunc math.trunc -
count_leading_zeros - math.ctlz
count_trailing_zeros - math.cttz
count_ones - math.ctpop
"""

_TESTS = """
is_nan math.isnan -
is_inf math.isinf -
is_finite math.isfinite -
is_normal math.isnormal -
"""


def _rows(text: str) -> Iterator[tuple[str, str | None, str | None]]:
    for line in text.split("\n"):
        if line:
            name, on_float, on_int = (None if word == "-" else word for word in line.split())
            assert name is not None
            yield name, on_float, on_int


def _plain(text: str, arity: int, *, boolean: bool = False) -> Iterator[ScalarOp]:
    for name, on_float, on_int in _rows(text):
        float_op = MlirOp(on_float) if on_float else None
        int_op = MlirOp(on_int) if on_int else None
        yield ScalarOp(name, arity, float_op, int_op, boolean)


def _comparisons() -> Iterator[ScalarOp]:
    for name, on_float, on_int in _rows(_COMPARE):
        float_op = MlirOp("arith.cmpf", on_float) if on_float else None
        int_op = MlirOp("arith.cmpi", on_int) if on_int else None
        yield ScalarOp(name, 2, float_op, int_op, boolean=True)


_OWN = (
    ScalarOp("copy", 1, own="any"),
    ScalarOp("square", 1, own="float"),
    ScalarOp("reciprocal", 1, own="float"),
    ScalarOp("relu", 1, own="float"),
    *(ScalarOp(name, 1, own="float") for name in ("sigmoid", "silu", "gelu", "gelu_tanh")),
)

_ALL = (*_plain(_BINARY, 2), *_comparisons(), *_plain(_UNARY, 1), *_plain(_TESTS, 1, boolean=True), *_OWN)

SCALAR_OPS: Mapping[str, ScalarOp] = MappingProxyType({op.name: op for op in _ALL})
"""Every operation by its name."""

BINARY_OPS = frozenset(op.name for op in _ALL if op.arity == 2)
UNARY_OPS = frozenset(op.name for op in _ALL if op.arity == 1)
"""Names that ``activation`` takes as its function."""

_FROM_MLIR: Mapping[MlirOp, ScalarOp] = MappingProxyType(
    {mlir: op for op in _ALL for mlir in (op.float_op, op.int_op) if mlir is not None}
    | {MlirOp("math.fpowi"): next(op for op in _ALL if op.name == "power")}
)

_HIGH_BITS = frozenset(
    {"arith.divui", "arith.remui", "arith.ceildivui", "arith.shrui", "math.ctlz", "math.cttz", "math.ctpop"}
)
_SIGN_OF_I1 = (
    *("arith.divsi", "arith.remsi", "arith.floordivsi", "arith.ceildivsi", "arith.shli", "arith.shrsi"),
    *("math.absi", "math.ipowi", *_HIGH_BITS),
)
_ON_I1: Mapping[MlirOp, str | None] = MappingProxyType(
    dict.fromkeys(map(MlirOp, _SIGN_OF_I1))
    | {
        MlirOp("arith.maxsi"): "min",  # signed i1 counts true as -1
        MlirOp("arith.minsi"): "max",
        MlirOp("arith.cmpi", "sgt"): "is_lt",
        MlirOp("arith.cmpi", "sge"): "is_le",
        MlirOp("arith.cmpi", "slt"): "is_gt",
        MlirOp("arith.cmpi", "sle"): "is_ge",
    }
)


def instruction_op(name: str, predicate: str | int | None = None, element: str = "f32") -> str | None:
    """The engines' name of MLIR operation ``name`` on operands of type ``element``; None where there is none.

    ``predicate`` is that of a comparison, by name or by value; ``element`` is ``f32``, ``bf16``, ``i32``, ``i8``, ...
    ``cmpf false`` and ``true`` are no operations: they fold to constants.
    """
    key = MlirOp(name, _predicate_name(name, predicate))
    if element == "i1" and key in _ON_I1:
        return _ON_I1[key]
    if element == "i8" and name in _HIGH_BITS:
        return None
    op = _FROM_MLIR.get(key)
    return op.name if op else None


def mlir_op(name: str, kind: Kind) -> MlirOp | None:
    """The MLIR operation that the engines' ``name`` is on data of that kind; None for the engines' own."""
    op = SCALAR_OPS[name]
    return op.float_op if kind == "float" else op.int_op


def _predicate_name(name: str, predicate: str | int | None) -> str | None:
    if not isinstance(predicate, int):
        return predicate
    return (CMPF_PREDICATES if name == "arith.cmpf" else CMPI_PREDICATES)[predicate]


_FLOATS = frozenset({"f16", "bf16", "f32"})
_INTS = frozenset({"i1", "i8", "i32"})
_CASTS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = MappingProxyType(
    {
        "arith.extf": (_FLOATS, _FLOATS),
        "arith.truncf": (_FLOATS, _FLOATS),
        "arith.convertf": (_FLOATS, _FLOATS),
        "arith.sitofp": (_INTS - {"i1"}, _FLOATS),
        "arith.uitofp": (frozenset({"i1"}), _FLOATS),
        "arith.fptosi": (_FLOATS, _INTS),
        "arith.fptoui": (_FLOATS, _INTS - {"i32"}),
        "arith.extsi": (_INTS - {"i1"}, _INTS),
        "arith.extui": (frozenset({"i1"}), _INTS),
        "arith.trunci": (_INTS, _INTS),
    }
)


def cast_is_copy(name: str, source: str, target: str) -> bool:
    """Whether the cast ``name`` of MLIR from element type ``source`` to ``target`` is what ``tensor_copy`` does.

    Not so, and to be built from other operations: the sign extension of i1 (which gives -1), the zero extension of i8.
    """
    sources, targets = _CASTS.get(name, (frozenset[str](), frozenset[str]()))
    return source in sources and target in targets


_I32_MIN, _I32_MAX = -(1 << 31), (1 << 31) - 1
_IDENTITIES: Mapping[str, tuple[float | None, int | None]] = MappingProxyType(
    {
        "add": (0.0, 0),
        "multiply": (1.0, 1),
        "max": (-math.inf, _I32_MIN),
        "min": (math.inf, _I32_MAX),
        "maxnum": (math.nan, None),
        "minnum": (math.nan, None),
        "max_unsigned": (None, 0),
        "min_unsigned": (None, -1),
        "and": (None, -1),
        "or": (None, 0),
        "xor": (None, 0),
    }
)

REDUCTIONS = frozenset(_IDENTITIES)
"""Names that ``tensor_reduce`` takes."""


def reduction_identity(name: str, kind: Kind) -> float | int:
    """What a reduction with ``name`` over nothing gives. Raises KeyError where ``name`` does not reduce such data."""
    on_float, on_int = _IDENTITIES[name]
    identity = on_float if kind == "float" else on_int
    if identity is None:
        raise KeyError(f"{name} does not reduce {kind} data")
    return identity
