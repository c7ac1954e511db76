"""How far two correct evaluations of one model may differ (derivation: docs/tolerances.md).

Every floating-point operation multiplies its result by 1 + d, |d| <= u, the unit roundoff. Taken as independent and
of mean zero, n of them in a row perturb the result by at most ``4 u sqrt(n)`` with probability 1 - 2 exp(-8)
(Higham and Mary, "A new approach to probabilistic rounding error analysis", SIAM J. Sci. Comput. 41, 2019). We take n
along the path through the model that rounds most, a reduction of length K counting K times, and twice because both
sides round. Errors are relative to the largest reference value of an output.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch_mlir import ir

from polystage.analysis.nests import constant_trip, main_function, top_nests

CONFIDENCE = 4.0
UNIT_ROUNDOFF = {"f32": 2.0**-24, "f16": 2.0**-11, "bf16": 2.0**-8}
F32_CEILING = 1e-4
NARROW_FACTOR = 2.0

_ROUNDING = {"arith.addf": 1, "arith.subf": 1, "arith.mulf": 1, "arith.divf": 1, "arith.truncf": 1}
_EXACT_MATH = {"math.absf", "math.ceil", "math.floor", "math.copysign", "math.round", "math.roundeven", "math.trunc"}
_FUNCTION = 4  # a math function is accurate to a few units in the last place

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Difference:
    """Largest absolute and relative difference over all outputs; infinite where NaN or infinity stands on one side."""

    max_abs: float
    max_rel: float


def rounding_steps(module: ir.Operation) -> int:
    """Roundings along the path through the affine-level ``module`` that has most of them."""
    depth: dict[ir.Value, int] = {}
    longest = 0
    for nest in top_nests(main_function(module)):
        target, sources, own = _roundings(nest)
        depth[target] = max(depth.get(target, 0), own + max((depth.get(source, 0) for source in sources), default=0))
        longest = max(longest, depth[target])
    return longest


def _roundings(nest: ir.Operation) -> tuple[ir.Value, list[ir.Value], int]:
    """The array a nest stores to, the other arrays it loads, and how often one stored element is rounded."""
    trips: dict[ir.Value, int] = {}
    body = _body(nest, trips)
    store = next(op for op in body if op.name in ("affine.store", "memref.store"))
    target = store.operands[1]
    sources = [op.operands[0] for op in body if op.name in ("affine.load", "memref.load")]
    used = set(store.operands[2:])
    length = math.prod(trip for iv, trip in trips.items() if iv not in used) if store.name == "affine.store" else 1
    return target, [source for source in sources if source != target], length * sum(_weight(op) for op in body)


def _body(nest: ir.Operation, trips: dict[ir.Value, int]) -> list[ir.Operation]:
    block = nest.regions[0].blocks[0]
    trips[block.arguments[0]] = constant_trip(nest)
    inner = [op.operation for op in block.operations]
    return _body(inner[0], trips) if inner[0].name == "affine.for" else inner


def _weight(op: ir.Operation) -> int:
    if op.name.startswith("math.") and op.name not in _EXACT_MATH:
        return _FUNCTION
    return _ROUNDING.get(op.name, 0)


def tolerance(dtype: str, steps: int, eager_error: float = 0.0) -> float:
    """Largest acceptable relative error of outputs of element type ``dtype`` ("f32", "f16", "bf16").

    ``steps`` are `rounding_steps`. A narrow type is compared with the f32 model and may be no worse than
    ``NARROW_FACTOR`` times PyTorch's own error in that type, ``eager_error``, plus the rounding of the output.
    """
    unit = UNIT_ROUNDOFF[dtype]
    bound = CONFIDENCE * math.sqrt(2 * max(steps, 1)) * unit
    if dtype == "f32":
        return min(bound, F32_CEILING)
    return min(bound, NARROW_FACTOR * eager_error + unit)


def difference(outputs: Sequence[Array], references: Sequence[Array]) -> Difference:
    """Compares outputs with references in double precision; integers have to be equal, shapes as well."""
    worst = Difference(0.0, 0.0)
    for output, reference in zip(outputs, references, strict=True):
        one = _difference(output.astype(np.float64), reference.astype(np.float64))
        if one.max_abs and reference.dtype.kind in "iub":
            one = Difference(one.max_abs, math.inf)
        worst = Difference(max(worst.max_abs, one.max_abs), max(worst.max_rel, one.max_rel))
    return worst


def _difference(output: Array, reference: Array) -> Difference:
    if output.shape != reference.shape:
        return Difference(math.inf, math.inf)
    finite = np.isfinite(reference)
    if not np.array_equal(output[~finite], reference[~finite], equal_nan=True) or not np.isfinite(output[finite]).all():
        return Difference(math.inf, math.inf)
    error = float(np.abs(output[finite] - reference[finite]).max(initial=0.0))
    scale = float(np.abs(reference[finite]).max(initial=0.0))
    if error == 0.0:
        return Difference(0.0, 0.0)
    return Difference(error, error / scale if scale else math.inf)
