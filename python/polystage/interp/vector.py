"""The elementwise, reducing and moving instructions of the npu dialect on numpy views.

Where the data is float32 or int32 and the result has the destination's type, numpy writes straight into the
destination: its ufuncs behave as if they read everything first, whatever overlaps. All other data is converted.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from torch_mlir import ir

from polystage.dialects import npu
from polystage.dialects.npu import Instruction
from polystage.errors import UserError
from polystage.interp import scalars
from polystage.interp.core import Decoder, describe, evaluator, index_of, scalar_of
from polystage.interp.memory import DTYPES, Array
from polystage.interp.plans import Compute, Plan, Planners, Use, box, per_lane
from polystage.interp.scalars import Kind

Value = Array | Any
_DTYPE_OF_KIND: dict[Kind, np.dtype[Any]] = {"float": scalars.FLOAT, "int": scalars.INT, "bool": scalars.BOOL}


def tensor_tensor(_decoder: Decoder, instruction: Instruction, elements: Sequence[str]) -> Plan:
    """``dst = a op b``."""
    all_dims = box(instruction)
    uses = (Use(1, all_dims), Use(2, all_dims), Use(0, all_dims, write=True))
    combine = _Binary(instruction, str(instruction.attributes["op"]), _kind(elements[1]), _kind(elements[2]))
    return Plan(uses, combine.into(elements[0], elements[1], elements[2]))


def tensor_scalar(_decoder: Decoder, instruction: Instruction, elements: Sequence[str]) -> Plan:
    """``dst = (src op0 scalar0) op1 scalar1``; the scalars are numbers or hold one value per lane."""
    steps = npu.scalar_steps(instruction)
    kind: Kind = _kind(elements[1])
    chain: list[Callable[[Value, Sequence[Array], Array | None], Value]] = []
    uses = [Use(1, box(instruction))]
    for step in steps:
        other = elements[step.operand] if step.operand is not None else None
        other_kind: Kind = _kind(other) if other else _kind_of_number(step.scalar)
        combine = _Binary(instruction, step.op, kind, other_kind)
        if step.operand is not None:
            chain.append(_with_operand(combine, len(uses), str(other), step.reverse))
            uses.append(Use(step.operand, per_lane(instruction)))
        else:
            number = _DTYPE_OF_KIND[combine.domain].type(step.scalar or 0)
            chain.append(_with_number(combine, number, step.reverse))
        kind = combine.result
    uses.append(Use(0, box(instruction), write=True))
    direct = DTYPES[elements[0]] == _DTYPE_OF_KIND[kind]
    return Plan(tuple(uses), _run_chain(chain, direct))


def scalar_tensor_tensor(_decoder: Decoder, instruction: Instruction, elements: Sequence[str]) -> Plan:
    """``dst = (a op0 scalar) op1 b``, where ``scalar`` holds one value per lane."""
    _, a, scalar, b = elements
    first = _Binary(instruction, str(instruction.attributes["op0"]), _kind(a), _kind(scalar))
    second = _Binary(instruction, str(instruction.attributes["op1"]), first.result, _kind(b))
    direct = DTYPES[elements[0]] == _DTYPE_OF_KIND[second.result]
    load_a, load_scalar = _load(a, first.domain), _load(scalar, first.domain)
    load_b = _load(b, second.domain)

    def compute(a: Array, scalar: Array, b: Array, target: Array) -> None:
        left = _as(first.apply(load_a(a), load_scalar(scalar), None), second.domain)
        value = second.apply(left, load_b(b), target if direct else None)
        if not direct:
            scalars.store(target, value)

    all_dims = box(instruction)
    uses = (Use(1, all_dims), Use(2, per_lane(instruction)), Use(3, all_dims), Use(0, all_dims, write=True))
    return Plan(uses, compute)


def activation(_decoder: Decoder, instruction: Instruction, elements: Sequence[str]) -> Plan:
    """``dst = func(scale * src + bias)``; a scale of 1 is not multiplied and a bias of 0 is not added."""
    scale, bias = float(_number(instruction, "scale", 1.0)), float(_number(instruction, "bias", 0.0))
    kind = _kind(elements[1])
    domain: Kind = "float" if kind == "float" or len(elements) > 2 or scale != 1 or bias != 0 else "int"
    name = str(instruction.attributes["func"])
    function = _known(instruction, name, domain, scalars.unary)
    result: Kind = scalars.result_kind(name, domain)
    direct = DTYPES[elements[0]] == _DTYPE_OF_KIND[result]
    load, load_bias = _load(elements[1], domain), _load(elements[2], "float") if len(elements) > 2 else None
    factor, addend = np.float32(scale), np.float32(bias)

    def finish(value: Value, target: Array) -> None:
        outcome = function(value, target if direct else None)
        if not direct:
            scalars.store(target, outcome)

    def with_numbers(source: Array, target: Array) -> None:
        value = load(source)
        value = value * factor if scale != 1 else value
        finish(value + addend if bias != 0 else value, target)

    def with_bias(source: Array, biases: Array, target: Array) -> None:
        value = load(source)
        value = value * factor if scale != 1 else value
        finish(value + (load_bias(biases) if load_bias else biases), target)

    dims = box(instruction)
    source, target = Use(1, dims), Use(0, dims, write=True)
    if len(elements) > 3:
        load_scale, lanes = _load(elements[3], "float"), per_lane(instruction)

        def with_both(source: Array, biases: Array, scales: Array, target: Array) -> None:
            value = load(source) * load_scale(scales)
            finish(value + (load_bias(biases) if load_bias else biases), target)

        return Plan((source, Use(2, lanes), Use(3, lanes), target), with_both)
    if len(elements) > 2:
        return Plan((source, Use(2, per_lane(instruction)), target), with_bias)
    return Plan((source, target), with_numbers)


def tensor_reduce(_decoder: Decoder, instruction: Instruction, elements: Sequence[str]) -> Plan:
    """Folds the dimensions that the map of ``dst`` does not use."""
    kept = {i for expr in instruction.maps[0].results for i in _dims_used(expr)}
    kept.add(0)
    dims = box(instruction)
    axes = tuple(i for i in dims if i not in kept)
    domain: Kind = "float" if _kind(elements[1]) == "float" else "int"
    fold = _known(instruction, str(instruction.attributes["op"]), domain, scalars.reduction)
    direct, load = DTYPES[elements[0]] == _DTYPE_OF_KIND[domain], _load(elements[1], domain)

    def compute(source: Array, target: Array) -> None:
        value = fold(load(source), axes, target if direct else None)
        if not direct:
            scalars.store(target, value)

    return Plan((Use(1, dims), Use(0, tuple(i if i in kept else None for i in dims), write=True)), compute)


def copy(_decoder: Decoder, instruction: Instruction, elements: Sequence[str]) -> Plan:
    """``dst = src`` (``tensor_copy``, and ``transpose`` whose maps swap lanes), with a cast between element types."""
    dims = box(instruction)
    load = _load(elements[1], "float" if _kind(elements[1]) == "float" else "int")

    def move(source: Array, target: Array) -> None:
        target[...] = source

    def cast(source: Array, target: Array) -> None:
        scalars.store(target, load(source))

    return Plan((Use(1, dims), Use(0, dims, write=True)), move if elements[0] == elements[1] else cast)


def select(_decoder: Decoder, instruction: Instruction, elements: Sequence[str]) -> Plan:
    """``dst = pred ? a : b``."""
    dims = box(instruction)
    same = elements[0] == elements[2] == elements[3]
    domain: Kind = "float" if "float" in (_kind(elements[2]), _kind(elements[3])) else "int"
    load_a, load_b = _load(elements[2], domain), _load(elements[3], domain)

    def choose(pred: Array, a: Array, b: Array, target: Array) -> None:
        np.copyto(target, np.where(pred, a, b))

    def choose_and_cast(pred: Array, a: Array, b: Array, target: Array) -> None:
        scalars.store(target, np.where(pred, load_a(a), load_b(b)))

    uses = (Use(1, dims), Use(2, dims), Use(3, dims), Use(0, dims, write=True))
    return Plan(uses, choose if same else choose_and_cast)


def memset(_decoder: Decoder, instruction: Instruction, elements: Sequence[str]) -> Plan:
    """``dst = value``."""
    value = np.empty((), DTYPES[elements[0]])
    number = _number(instruction, "value", None)
    scalars.store(value, np.asarray(number, scalars.FLOAT if isinstance(number, float) else scalars.INT))
    filling = value[()]

    def compute(target: Array) -> None:
        target.fill(filling)

    return Plan((Use(0, box(instruction), write=True),), compute)


def iota(decoder: Decoder, instruction: Instruction, _elements: Sequence[str]) -> Plan:
    """``dst = value(box dims, symbols)``."""
    access = instruction.attributes["value"]
    assert isinstance(access, ir.AffineMap)
    sizes = instruction.sizes
    grids = [np.arange(size).reshape([-1 if j == i else 1 for j in range(len(sizes))]) for i, size in enumerate(sizes)]
    symbols = [scalar_of(decoder, index_of(decoder, value)) for value in instruction.indices]
    evaluate = evaluator(access.results[0], [partial(_same, grid) for grid in grids], symbols)

    def compute(target: Array) -> None:
        scalars.store(target, np.asarray(evaluate()).astype(scalars.INT))

    return Plan((Use(0, box(instruction), write=True),), compute)


class _Binary:
    """One binary operation on operands of known kinds: computed as float when either is float, else as int."""

    def __init__(self, instruction: Instruction, name: str, left: Kind, right: Kind) -> None:
        self.domain: Kind = "float" if "float" in (left, right) else "int"
        self.apply = _known(instruction, name, self.domain, scalars.binary)
        self.result: Kind = scalars.result_kind(name, self.domain)

    def into(self, target_element: str, a: str, b: str) -> Compute:
        """``compute(a, b, dst)`` for stored data of the given element types."""
        apply, direct = self.apply, DTYPES[target_element] == _DTYPE_OF_KIND[self.result]
        if direct and DTYPES[a] == DTYPES[b] == _DTYPE_OF_KIND[self.domain]:
            return apply
        load_a, load_b = _load(a, self.domain), _load(b, self.domain)

        def compute(a: Array, b: Array, target: Array) -> None:
            value = apply(load_a(a), load_b(b), target if direct else None)
            if not direct:
                scalars.store(target, value)

        return compute


_Link = Callable[[Value, Sequence[Array], Array | None], Value]


def _with_number(combine: _Binary, number: Value, reverse: bool) -> _Link:
    apply, domain = combine.apply, combine.domain
    if reverse:
        return lambda x, _views, out: apply(number, _as(x, domain), out)
    return lambda x, _views, out: apply(_as(x, domain), number, out)


def _with_operand(combine: _Binary, position: int, element: str, reverse: bool) -> _Link:
    apply, domain, load = combine.apply, combine.domain, _load(element, combine.domain)
    if reverse:
        return lambda x, views, out: apply(load(views[position]), _as(x, domain), out)
    return lambda x, views, out: apply(_as(x, domain), load(views[position]), out)


def _run_chain(chain: Sequence[_Link], direct: bool) -> Compute:
    *first, last = chain

    def compute(*views: Array) -> None:
        value: Value = views[0]
        for link in first:
            value = link(value, views, None)
        outcome = last(value, views, views[-1] if direct else None)
        if not direct:
            scalars.store(views[-1], outcome)

    return compute


def _as(value: Value, kind: Kind) -> Value:
    """``value`` as fp32 or i32."""
    dtype = _DTYPE_OF_KIND[kind]
    return value if value.dtype == dtype else value.astype(dtype)


def _load(element: str, kind: Kind) -> Callable[[Array], Array]:
    return scalars.loader(element, kind) or _identity


def _identity(data: Array) -> Array:
    return data


def _same(grid: Array) -> Array:
    return grid


def _kind(element: str) -> Kind:
    return scalars.kind_of(element)


def _kind_of_number(number: float | None) -> Kind:
    return "float" if isinstance(number, float) else "int"


def _number(instruction: Instruction, name: str, default: float | None) -> float | int:
    value = instruction.attributes.get(name, default)
    assert isinstance(value, int | float)
    return value


def _dims_used(expr: ir.AffineExpr) -> set[int]:
    if isinstance(expr, ir.AffineDimExpr):
        return {expr.position}
    if isinstance(expr, ir.AffineBinaryExpr):
        return _dims_used(expr.lhs) | _dims_used(expr.rhs)
    return set()


def _known(instruction: Instruction, name: str, kind: Kind, table: Callable[[str, Kind], Any]) -> Any:
    try:
        return table(name, kind)
    except KeyError:
        location = describe(instruction.operation.location)
        raise UserError(f"npu.{instruction.op}: '{name}' is not defined on {kind} data", location) from None


PLANS: Planners = {
    "tensor_tensor": tensor_tensor,
    "tensor_scalar": tensor_scalar,
    "scalar_tensor_tensor": scalar_tensor_tensor,
    "activation": activation,
    "tensor_reduce": tensor_reduce,
    "tensor_copy": copy,
    "transpose": copy,
    "select": select,
    "memset": memset,
    "iota": iota,
}
