"""Accesses through views of an array, as accesses of the array itself."""

from collections.abc import Sequence
from math import prod

from torch_mlir import ir

from polystage.passes.nests import fold
from polystage.passes.nests import quasi as q
from polystage.passes.nests.body import Body, Index
from polystage.passes.nests.ir import NotSupportedError, defining_op
from polystage.passes.nests.quasi import Quasi

IndexValue = Quasi | int
VIEWS = frozenset(("memref.subview", "memref.expand_shape", "memref.collapse_shape", "memref.cast"))
DYNAMIC = ir.ShapedType.get_dynamic_size()


def base_of(array: ir.Value) -> ir.Value:
    """The array that ``array`` is a view of."""
    op = defining_op(array)
    return base_of(op.operands[0]) if op is not None and op.name in VIEWS else array


def through_views(
    body: Body, array: ir.Value, indices: tuple[IndexValue, ...]
) -> tuple[ir.Value, tuple[IndexValue, ...]]:
    """The array and the indices in it that ``array[indices]`` is; arithmetic on loaded indices is added to ``body``."""
    op = defining_op(array)
    if op is None or op.name not in VIEWS:
        return array, indices
    source, arithmetic = op.operands[0], _Arithmetic(body, op.location)
    if op.name == "memref.subview":
        indices = _of_subview(op, indices, arithmetic)
    elif op.name == "memref.expand_shape":
        shape = ir.MemRefType(array.type).shape
        indices = tuple(arithmetic.linear([(indices[d], shape[d]) for d in group]) for group in _groups(op))
    elif op.name == "memref.collapse_shape":
        shape = ir.MemRefType(source.type).shape
        groups = zip(_groups(op), indices, strict=True)
        indices = tuple(x for group, index in groups for x in arithmetic.digits(index, [shape[d] for d in group]))
    return through_views(body, source, indices)


def _groups(op: ir.Operation) -> list[list[int]]:
    """The reassociation of a reshape: for each collapsed dimension the expanded ones."""
    groups = ir.ArrayAttr(op.attributes["reassociation"])
    return [[ir.IntegerAttr(dim).value for dim in ir.ArrayAttr(group)] for group in groups]


def _of_subview(op: ir.Operation, indices: tuple[IndexValue, ...], arithmetic: "_Arithmetic") -> tuple[IndexValue, ...]:
    offsets, sizes, strides = (
        list(ir.DenseI64ArrayAttr(op.attributes[f"static_{what}"])) for what in ("offsets", "sizes", "strides")
    )
    if DYNAMIC in (*offsets, *sizes, *strides):
        raise NotSupportedError(op.location, "a slice whose place depends on data is not supported")
    kept = _kept_dims(sizes, ir.MemRefType(op.results[0].type).shape)
    full: list[IndexValue] = [q.ZERO] * len(sizes)
    for dim, index in zip(kept, indices, strict=True):
        full[dim] = index
    moved = zip(full, offsets, strides, strict=True)
    return tuple(arithmetic.plus(arithmetic.times(x, stride), offset) for x, offset, stride in moved)


def _kept_dims(sizes: Sequence[int], shape: Sequence[int]) -> list[int]:
    """The dimensions of a slice that its result has; the others are of size one.

    Where it is not certain which of several ones were dropped it does not matter: their index is zero.
    """
    kept: list[int] = []
    for dim, size in enumerate(sizes):
        missing = len(shape) - len(kept)
        if missing and size == shape[len(kept)] and (size != 1 or len(sizes) - dim >= missing):
            kept.append(dim)
    return kept


class _Arithmetic:
    """Arithmetic on indices, quasi-affine ones and nodes of a body."""

    def __init__(self, body: Body, location: ir.Location) -> None:
        self.body, self.location = body, location
        self.type = ir.IntegerType.get_signless(32)

    def plus(self, a: IndexValue, constant: int) -> IndexValue:
        return self._op("arith.addi", a, Quasi(constant)) if constant else a

    def times(self, a: IndexValue, factor: int) -> IndexValue:
        return a if factor == 1 else self._op("arith.muli", a, Quasi(factor))

    def linear(self, digits: Sequence[tuple[IndexValue, int]]) -> IndexValue:
        """The number with these (digit, size), most significant first."""
        total: IndexValue = q.ZERO
        for digit, size in digits:
            total = self._op("arith.addi", self.times(total, size), digit)
        return total

    def digits(self, number: IndexValue, sizes: Sequence[int]) -> list[IndexValue]:
        """The digits of ``number``, which is below the product of ``sizes``."""
        found: list[IndexValue] = []
        for position, size in enumerate(sizes):
            below = prod(sizes[position + 1 :])
            digit = number if below == 1 else self._op("arith.divsi", number, Quasi(below))
            found.append(digit if position == 0 else self._op("arith.remsi", digit, Quasi(size)))
        return found

    def _op(self, name: str, a: IndexValue, b: IndexValue) -> IndexValue:
        numbers = (self._number(a), self._number(b))
        return self.body.index(fold.scalar(self.body, name, numbers, (), self.type, self.location))

    def _number(self, index: IndexValue) -> int:
        return index if isinstance(index, int) else self.body.add(Index(index, self.type), self.location)
