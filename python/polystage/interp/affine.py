"""A plain interpreter of affine and placed modules on numpy arrays: an oracle for small and middle-sized programs.

Blocks run in program order. In a perfect nest, a loop whose index alone selects the stored element along some dimension
has independent iterations: such loops run as one numpy operation over all their iterations, the others one by one in
order. A new buffer holds NaN or a large integer, so that a read before any write does not pass for a result.

Memory spaces and layouts change no meaning here: a memref is indexed by its logical shape.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from torch_mlir import ir

from polystage.interp.arith import evaluator, to_type
from polystage.interp.memory import DTYPES, Array

Index = Callable[[Sequence[Any]], Any]
_MEMORY = ("affine.load", "affine.store", "memref.load", "memref.store")


def run(module: ir.Operation, args: Sequence[Array]) -> None:
    """Run ``@main`` of an affine or placed module on ``args``, in argument order; outputs are written in place.

    Arrays have the exact dtype of their argument: bf16 as ``ml_dtypes.bfloat16``, i1 as ``numpy.bool_``.
    Raises IndexError for an access out of bounds and KeyError for an operation that the two levels do not have.
    """
    operations = [view.operation for view in module.regions[0].blocks[0].operations]
    main = next(op for op in operations if op.name == "func.func")
    symbols = {ir.StringAttr(op.attributes["sym_name"]).value: op for op in operations if op.name == "memref.global"}
    block = main.regions[0].blocks[0]
    with np.errstate(all="ignore"):
        _Interpreter(symbols, dict(zip(block.arguments, args, strict=True))).block(block)


@dataclass(frozen=True)
class _Step:
    """One operation: ``result = function(*operands)``."""

    function: Callable[..., Any]
    operands: tuple[ir.Value, ...]
    result: ir.Value | None

    def execute(self, values: dict[ir.Value, Any]) -> None:
        value = self.function(*(values[operand] for operand in self.operands))
        if self.result is not None:
            values[self.result] = value


@dataclass(frozen=True)
class _Reference:
    """A load or store; index k is ``indices[k](values of operands)`` and depends only on ``used[k]``."""

    array: ir.Value
    operands: tuple[ir.Value, ...]
    indices: tuple[Index, ...]
    used: tuple[frozenset[ir.Value], ...]
    is_store: bool


class _Interpreter:
    """``values`` holds arrays, scalars, and for a loop that runs at once the vector of its indices."""

    def __init__(self, symbols: Mapping[str, ir.Operation], values: dict[ir.Value, Any]) -> None:
        self.symbols = symbols
        self.values = values

    def block(self, block: ir.Block) -> None:
        for op in _operations(block):
            if op.name == "affine.for":
                self.loop(op)
            elif op.name not in ("func.return", "memref.dealloc"):
                self.decode(op).execute(self.values)

    def loop(self, op: ir.Operation) -> None:
        loops = list(_perfect_nest(op))
        body = list(_operations(loops[-1].regions[0].blocks[0]))
        if any(inner.name in ("affine.for", "memref.alloc") for inner in body):
            for index in self.iterations(op):
                self.values[_index(op)] = index
                self.block(op.regions[0].blocks[0])
        else:
            self.nest(loops, body)

    def nest(self, loops: Sequence[ir.Operation], body: Sequence[ir.Operation]) -> None:
        """Run a perfect nest, independent loops at once."""
        indices = {_index(loop): np.asarray(self.iterations(loop)) for loop in loops}
        references = [_reference(op) for op in body if op.name in _MEMORY]
        # a loop of one trip gains nothing, and a store may leave its index out
        free = [iv for iv in indices if indices[iv].size > 1 and self.independent(iv, indices, references)]
        for axis, iv in enumerate(free):
            self.values[iv] = indices[iv].reshape([-1 if k == axis else 1 for k in range(len(free))])
        ordered = [iv for iv in indices if iv not in free]
        steps = [self.decode(op) for op in body]
        for point in product(*(indices[iv] for iv in ordered)):
            self.values.update(zip(ordered, point, strict=True))
            for step in steps:
                step.execute(self.values)

    def iterations(self, loop: ir.Operation) -> range:
        """The values that the index of ``loop`` takes."""
        lower, upper, _ = ir.DenseI32ArrayAttr(loop.attributes["operandSegmentSizes"])
        operands = [self.values[value] for value in list(loop.operands)[: lower + upper]]
        low, high = (
            [_compile(result)(mine) for result in ir.AffineMapAttr(loop.attributes[bound]).value.results]
            for bound, mine in (("lowerBoundMap", operands[:lower]), ("upperBoundMap", operands[lower:]))
        )
        return range(int(max(low)), int(min(high)), ir.IntegerAttr(loop.attributes["step"]).value)

    def independent(self, iv: ir.Value, ivs: Mapping[ir.Value, Array], references: Sequence[_Reference]) -> bool:
        """Whether, in every stored array, one dimension is always indexed by the same injective function of ``iv``."""
        stored = {reference.array for reference in references if reference.is_store}
        return bool(stored) and all(
            any(
                self.selects(iv, ivs, [reference for reference in references if reference.array == array], k)
                for k in range(len(ir.MemRefType(array.type).shape))
            )
            for array in stored
        )

    def selects(
        self, iv: ir.Value, ivs: Mapping[ir.Value, Array], references: Sequence[_Reference], position: int
    ) -> bool:
        """Whether the index at ``position`` depends on ``iv`` alone, injectively and alike in all references."""
        known = self.values.keys() - ivs.keys() | {iv}
        if not all(reference.used[position] <= known for reference in references):
            return False
        values: list[Array] = []
        for reference in references:
            operands = [ivs[iv] if operand == iv else self.values.get(operand, 0) for operand in reference.operands]
            values.append(np.broadcast_to(reference.indices[position](operands), ivs[iv].shape))
        return len(np.unique(values[0])) == values[0].size and all(np.array_equal(values[0], v) for v in values[1:])

    def decode(self, op: ir.Operation) -> _Step:
        operands = tuple(op.operands)
        result = op.results[0] if len(op.results) else None
        match op.name:
            case "affine.load" | "memref.load":
                indices = _indices(op, len(operands) - 1)
                return _Step(partial(_load, indices, str(op.results[0].type)), operands, result)
            case "affine.store" | "memref.store":
                return _Step(partial(_store, _indices(op, len(operands) - 2)), operands, None)
            case "affine.apply":
                (index,) = _indices(op, len(operands))
                return _Step(lambda *values: index(values), operands, result)
            case "memref.alloc":
                return _Step(partial(_alloc, ir.MemRefType(op.results[0].type)), (), result)
            case "memref.get_global":
                symbol = self.symbols[ir.FlatSymbolRefAttr(op.attributes["name"]).value]
                return _Step(partial(_constant_array, symbol), (), result)
            case "arith.constant":
                value = to_type(np.asarray(_number(op.attributes["value"])), str(op.results[0].type))
                return _Step(lambda: value, (), result)
            case _:
                return _Step(evaluator(op), operands, result)


def _operations(block: ir.Block) -> Iterator[ir.Operation]:
    return (view.operation for view in block.operations if view.operation.name != "affine.yield")


def _index(loop: ir.Operation) -> ir.Value:
    return loop.regions[0].blocks[0].arguments[0]


def _perfect_nest(loop: ir.Operation) -> Iterator[ir.Operation]:
    """``loop`` and the loops with constant bounds that are alone in the loop around them."""
    yield loop
    body = list(_operations(loop.regions[0].blocks[0]))
    if len(body) == 1 and body[0].name == "affine.for" and not len(body[0].operands):
        yield from _perfect_nest(body[0])


def _reference(op: ir.Operation) -> _Reference:
    is_store = op.name in ("affine.store", "memref.store")
    array, *operands = tuple(op.operands)[is_store:]
    used = _used(op, operands)
    return _Reference(array, tuple(operands), tuple(_indices(op, len(operands))), tuple(used), is_store)


def _used(op: ir.Operation, operands: Sequence[ir.Value]) -> list[frozenset[ir.Value]]:
    """The operands on which each index of a load or store depends."""
    if op.name.startswith("memref."):
        return [frozenset({operand}) for operand in operands]
    results = ir.AffineMapAttr(op.attributes["map"]).value.results
    return [frozenset(operands[i] for i in _positions(result)) for result in results]


def _positions(expr: ir.AffineExpr) -> set[int]:
    """The dims of an expression; affine operations in the two levels have no symbols."""
    if isinstance(expr, ir.AffineBinaryExpr):
        return _positions(expr.lhs) | _positions(expr.rhs)
    return {expr.position} if isinstance(expr, ir.AffineDimExpr) else set()


def _indices(op: ir.Operation, count: int) -> list[Index]:
    """The indices of a load or store, or the result of ``affine.apply``, as functions of the ``count`` operands."""
    if op.name.startswith("memref."):
        return [partial(_item, position=i) for i in range(count)]
    return [_compile(result) for result in ir.AffineMapAttr(op.attributes["map"]).value.results]


def _item(operands: Sequence[Any], position: int) -> Any:
    return operands[position]


def _compile(expr: ir.AffineExpr) -> Index:
    """The function from operand values to the value of ``expr``."""
    if isinstance(expr, ir.AffineDimExpr):
        return partial(_item, position=expr.position)
    if isinstance(expr, ir.AffineConstantExpr):
        value = expr.value
        return lambda operands: value
    assert isinstance(expr, ir.AffineBinaryExpr)
    combine = _COMBINE[type(expr)]
    left, right = _compile(expr.lhs), _compile(expr.rhs)
    return lambda operands: combine(left(operands), right(operands))


_COMBINE: Mapping[type[ir.AffineExpr], Callable[[Any, Any], Any]] = {
    ir.AffineAddExpr: lambda a, b: a + b,
    ir.AffineMulExpr: lambda a, b: a * b,
    ir.AffineModExpr: lambda a, b: a % b,
    ir.AffineFloorDivExpr: lambda a, b: a // b,
    ir.AffineCeilDivExpr: lambda a, b: -(-a // b),
}


def _element(indices: Sequence[Index], array: Array, operands: Sequence[Any]) -> tuple[Any, ...]:
    """The position in ``array``, checked; numpy itself would let negative indices wrap."""
    position = tuple(index(operands) for index in indices)
    for index, extent in zip(position, array.shape, strict=True):
        if np.min(index) < 0 or np.max(index) >= extent:
            raise IndexError(f"index {np.min(index)} .. {np.max(index)} outside of dimension 0 .. {extent - 1}")
    return position


def _load(indices: Sequence[Index], target: str, array: Array, *operands: Any) -> Array:
    return to_type(array[_element(indices, array, operands)], target)


def _store(indices: Sequence[Index], value: Array, array: Array, *operands: Any) -> None:
    array[_element(indices, array, operands)] = value


def _alloc(memref: ir.MemRefType) -> Array:
    dtype = DTYPES[str(memref.element_type)]
    poison = np.nan if dtype.kind in "fV" else np.iinfo(dtype).max if dtype.kind == "i" else True
    return np.full(memref.shape, poison, dtype)


def _constant_array(symbol: ir.Operation) -> Array:
    memref = ir.MemRefType(ir.TypeAttr(symbol.attributes["type"]).value)
    elements = np.array(ir.DenseElementsAttr(symbol.attributes["initial_value"]))
    return elements.astype(DTYPES[str(memref.element_type)]).reshape(memref.shape)


def _number(attribute: ir.Attribute) -> float | int:
    if isinstance(attribute, ir.FloatAttr):
        return attribute.value
    return attribute.value if isinstance(attribute, ir.BoolAttr) else ir.IntegerAttr(attribute).value
