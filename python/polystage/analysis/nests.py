"""A nest as a value: its loops, its accesses as linear forms, its body as a list of nodes.

A *nest* is a perfect ``affine.for`` nest whose body is loads, scalar operations and one store (DESIGN section 1).
Loops are named by their depth, 0 outermost. Induction variables of loops *around* the nest (tile loops) are symbols:
``Nest.symbols`` lists them and every linear form has one coefficient for each.

Not handled: accesses with ``mod`` or ``floordiv`` (``NotLinearError``; pass ``refine-domains`` removes them) and bodies
with control flow (``NotANestError``).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import gcd

from torch_mlir import ir

from polystage.errors import UserError


class NotLinearError(Exception):
    """An access is not a linear function of the induction variables."""


class NotANestError(Exception):
    """The operation is not a perfect nest with one store."""


@dataclass(frozen=True)
class Linear:
    """``const + sum dims[k] * iv_k + sum symbols[k] * outer_k``."""

    const: int
    dims: tuple[int, ...]
    symbols: tuple[int, ...] = ()

    @property
    def support(self) -> frozenset[int]:
        """Depths of the loops that the value depends on."""
        return frozenset(depth for depth, factor in enumerate(self.dims) if factor)

    def span(self, extents: Sequence[int]) -> tuple[int, int]:
        """Least and greatest value over the nest's own loops, symbols taken as zero."""
        steps = [factor * (extent - 1) for factor, extent in zip(self.dims, extents, strict=True)]
        return self.const + sum(s for s in steps if s < 0), self.const + sum(s for s in steps if s > 0)

    def may_equal(self, other: "Linear", extents: Sequence[int]) -> bool:
        """Whether the value at one iteration might be that of ``other`` at another; symbols do not tell them apart."""
        (low, high), (least, greatest) = self.span(extents), other.span(extents)
        step = gcd(*self.dims, *other.dims)
        spread = self.symbols != other.symbols
        return spread or (low <= greatest and least <= high and (self.const - other.const) % (step or 1) == 0)


@dataclass(frozen=True)
class Access:
    """``array[indices]``, every index a linear form."""

    array: ir.Value
    indices: tuple[Linear, ...]

    @cached_property
    def support(self) -> frozenset[int]:
        """Depths of the loops that the accessed element depends on."""
        return frozenset[int]().union(*(index.support for index in self.indices))


@dataclass(frozen=True)
class Load:
    """An affine load."""

    access: Access
    type: ir.Type


@dataclass(frozen=True)
class Gather:
    """A load with at least one index read from memory: an ``int`` index is the node that computes it."""

    array: ir.Value
    indices: tuple["Linear | int", ...]
    type: ir.Type


@dataclass(frozen=True)
class Constant:
    """A scalar constant."""

    value: float | int
    type: ir.Type


@dataclass(frozen=True)
class Index:
    """A value computed from induction variables."""

    value: Linear
    type: ir.Type


@dataclass(frozen=True)
class Scalar:
    """A scalar operation on earlier nodes; ``name`` is the MLIR operation, ``predicate`` that of a comparison."""

    name: str
    operands: tuple[int, ...]
    type: ir.Type
    predicate: int | None = None


Node = Load | Gather | Constant | Index | Scalar


@dataclass(frozen=True)
class Store:
    """``array[indices] = nodes[value]``; an ``int`` index makes it a scatter."""

    array: ir.Value
    indices: tuple[Linear | int, ...]
    value: int

    @cached_property
    def access(self) -> Access:
        """The store as an affine access; NotLinearError for a scatter."""
        linear = tuple(index for index in self.indices if isinstance(index, Linear))
        if len(linear) != len(self.indices):
            raise NotLinearError("indirect store")
        return Access(self.array, linear)

    @property
    def indirect(self) -> bool:
        """Whether an index is read from memory."""
        return any(isinstance(index, int) for index in self.indices)


@dataclass(frozen=True)
class Nest:
    """One nest: ``op`` its outermost loop, ``extents`` its trip counts, ``nodes`` its body in order."""

    op: ir.Operation
    extents: tuple[int, ...]
    symbols: tuple[ir.Value, ...]
    nodes: tuple[Node, ...]
    store: Store

    @property
    def loads(self) -> tuple[Access, ...]:
        """All affine loads, in order."""
        return tuple(node.access for node in self.nodes if isinstance(node, Load))

    @cached_property
    def parallel(self) -> frozenset[int]:
        """Loops that the stored element depends on, and through a scatter every loop."""
        if self.store.indirect:
            return frozenset(range(len(self.extents)))
        return self.store.access.support

    @cached_property
    def reduced(self) -> tuple[int, ...]:
        """Loops of more than one trip that the stored element does not depend on."""
        return tuple(d for d, extent in enumerate(self.extents) if extent > 1 and d not in self.parallel)

    @cached_property
    def self_loads(self) -> tuple[int, ...]:
        """Nodes that may load what the nest stores: the stored array, and not a part of it that is apart."""
        return tuple(k for k, node in enumerate(self.nodes) if isinstance(node, Load) and self._meets(node.access))

    def _meets(self, access: Access) -> bool:
        if access.array != self.store.array:
            return False
        pairs = zip(access.indices, self.store.indices, strict=True)
        return all(isinstance(target, int) or source.may_equal(target, self.extents) for source, target in pairs)


def with_forms(
    nest: Nest, extents: tuple[int, ...], symbols: tuple[ir.Value, ...], form: Callable[[Linear], Linear]
) -> Nest:
    """The nest over other loops and symbols: ``form`` rewrites each of its linear forms."""

    def indirect(index: Linear | int) -> Linear | int:
        return form(index) if isinstance(index, Linear) else index

    def rewritten(node: Node) -> Node:
        match node:
            case Load():
                return replace(node, access=Access(node.access.array, tuple(map(form, node.access.indices))))
            case Gather():
                return replace(node, indices=tuple(map(indirect, node.indices)))
            case Index():
                return replace(node, value=form(node.value))
            case _:
                return node

    store = replace(nest.store, indices=tuple(map(indirect, nest.store.indices)))
    return Nest(nest.op, extents, symbols, tuple(map(rewritten, nest.nodes)), store)


def signature(nest: Nest) -> tuple[object, ...]:
    """Equal for nests that differ only in the arrays they use: a key for remembering what was decided for one."""
    arrays: dict[ir.Value, int] = {}

    def array(value: ir.Value) -> tuple[int, str]:
        return arrays.setdefault(value, len(arrays)), str(value.type)

    def node_key(node: Node) -> tuple[object, ...]:
        match node:
            case Load():
                return ("load", array(node.access.array), node.access.indices)
            case Gather():
                return ("gather", array(node.array), node.indices)
            case Constant():
                return ("constant", str(node.value), str(node.type))
            case Index():
                return ("index", node.value, str(node.type))
            case Scalar():
                return ("scalar", node.name, node.predicate, node.operands, str(node.type))

    store = (array(nest.store.array), nest.store.indices, nest.store.value)
    return (nest.extents, store, *map(node_key, nest.nodes))


def constant_trip(loop: ir.Operation) -> int:
    """Trip count of an ``affine.for`` in normal form (bounds 0 to a constant, step 1)."""
    lower, upper = (ir.AffineMapAttr(loop.attributes[key]).value for key in ("lowerBoundMap", "upperBoundMap"))
    bounds = [*lower.results, *upper.results]
    if len(bounds) != 2 or not all(isinstance(bound, ir.AffineConstantExpr) for bound in bounds):
        raise NotANestError("loop bounds are not constant")
    low, high = (ir.AffineConstantExpr(bound).value for bound in bounds)
    if low != 0 or ir.IntegerAttr(loop.attributes["step"]).value != 1:
        raise NotANestError("loop does not run from 0 with step 1")
    if high < 1:
        raise NotANestError("loop runs zero times")
    if len(loop.results):
        raise NotANestError("loop carries values")
    return high


def linear_of(expr: ir.AffineExpr, operands: Sequence[Linear]) -> Linear:
    """The linear form of an affine expression over ``operands`` (dims first, then symbols)."""
    match expr:
        case ir.AffineDimExpr():
            return operands[expr.position]
        case ir.AffineConstantExpr():
            zero = operands[0] if operands else Linear(0, ())
            return Linear(expr.value, (0,) * len(zero.dims), (0,) * len(zero.symbols))
        case ir.AffineAddExpr():
            return add(linear_of(expr.lhs, operands), linear_of(expr.rhs, operands))
        case ir.AffineMulExpr():
            return scale(linear_of(expr.lhs, operands), constant_of(expr.rhs))
        case _:
            raise NotLinearError(str(expr))


def constant_of(expr: ir.AffineExpr) -> int:
    """The value of a constant affine expression."""
    if not isinstance(expr, ir.AffineConstantExpr):
        raise NotLinearError(str(expr))
    return expr.value


def add(a: Linear, b: Linear) -> Linear:
    """Sum of two linear forms of one nest."""
    dims = tuple(x + y for x, y in zip(a.dims, b.dims, strict=True))
    return Linear(a.const + b.const, dims, tuple(x + y for x, y in zip(a.symbols, b.symbols, strict=True)))


def scale(a: Linear, factor: int) -> Linear:
    """A linear form times a constant."""
    return Linear(a.const * factor, tuple(factor * x for x in a.dims), tuple(factor * x for x in a.symbols))


def top_nests(func: ir.Operation) -> Iterator[ir.Operation]:
    """The outermost loops of a function, in program order."""
    for op in func.regions[0].blocks[0].operations:
        if op.operation.name == "affine.for":
            yield op.operation


def main_function(module: ir.Operation) -> ir.Operation:
    """The function that runs at inference, ``@main``."""
    for view in module.regions[0].blocks[0].operations:
        op = view.operation
        if op.name == "func.func" and ir.StringAttr(op.attributes["sym_name"]).value == "main":
            if len(op.regions[0].blocks) != 1:
                raise UserError(f"@main has {len(op.regions[0].blocks)} blocks, it must have one")
            return op
    raise UserError("module has no function @main")
