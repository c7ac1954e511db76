"""A nest as a value: its loops, its accesses as linear forms, its body as a list of nodes.

A *nest* is a perfect ``affine.for`` nest whose body is loads, scalar operations and one store (DESIGN section 1).
Loops are named by their depth, 0 outermost. Induction variables of loops *around* the nest (tile loops) are symbols:
``Nest.symbols`` lists them and every linear form has one coefficient for each.

Not handled: accesses with ``mod`` or ``floordiv`` (``NotLinearError``; pass ``refine-domains`` removes them) and bodies
with control flow (``NotANestError``).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from torch_mlir import ir

from polystage.analysis.values import array_name, array_problem
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
        """Nodes that load from the stored array."""
        return tuple(
            k for k, node in enumerate(self.nodes) if isinstance(node, Load) and node.access.array == self.store.array
        )


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


def constant_node(op: ir.Operation) -> Constant:
    """An ``arith.constant`` as a node; i1 is 0 or 1."""
    attribute, type_ = op.attributes["value"], op.results[0].type
    if isinstance(attribute, ir.FloatAttr):
        return Constant(attribute.value, type_)
    if isinstance(attribute, ir.BoolAttr):
        return Constant(int(attribute.value), type_)
    return Constant(ir.IntegerAttr(attribute).value, type_)


def read_nest(op: ir.Operation, symbols: Sequence[ir.Value] = ()) -> Nest:
    """Read the perfect nest whose outermost loop is ``op``; ``symbols`` are induction variables around it."""
    return _Reader(op, symbols).read()


class _Reader:
    """Reads one nest; a class because the walk shares the tables of values seen."""

    def __init__(self, op: ir.Operation, symbols: Sequence[ir.Value]) -> None:
        self.op, self.symbols = op, tuple(symbols)
        self.extents: list[int] = []
        self.nodes: list[Node] = []
        self.number: dict[ir.Value, int] = {}
        self.linear: dict[ir.Value, Linear] = {}
        self.maps: dict[tuple[ir.Attribute, tuple[ir.Value, ...]], tuple[Linear, ...]] = {}
        self.arrays: set[ir.Value] = set()

    def read(self) -> Nest:
        ivs: list[ir.Value] = []
        loop = self.op
        while True:
            self.extents.append(constant_trip(loop))
            block = loop.regions[0].blocks[0]
            ivs.append(block.arguments[0])
            body = [op.operation for op in block.operations][:-1]
            if len(body) != 1 or body[0].name != "affine.for":
                break
            loop = body[0]
        zero = self.constant(0)
        for iv in ivs:
            self.linear[iv] = replace(zero, dims=tuple(int(other == iv) for other in ivs))
        for iv in self.symbols:
            self.linear[iv] = replace(zero, symbols=tuple(int(other == iv) for other in self.symbols))
        stores = [store for op in body if (store := self.visit(op)) is not None]
        if len(stores) != 1:
            raise NotANestError(f"body has {len(stores)} stores, a nest has one")
        return Nest(self.op, tuple(self.extents), self.symbols, tuple(self.nodes), stores[0])

    def visit(self, op: ir.Operation) -> Store | None:
        operands = list(op.operands)
        match op.name:
            case "affine.load":
                node = Load(self.access(op, operands[0], operands[1:]), op.results[0].type)
            case "affine.store":
                access = self.access(op, operands[1], operands[2:])
                return Store(access.array, access.indices, self.node(operands[0]))
            case "memref.load":
                array = self.array(operands[0])
                node = Gather(array, tuple(self.indirect(v) for v in operands[1:]), op.results[0].type)
            case "memref.store":
                array = self.array(operands[1])
                return Store(array, tuple(self.indirect(v) for v in operands[2:]), self.node(operands[0]))
            case "affine.apply":
                self.linear[op.results[0]] = self.indices(op, operands)[0]
                return None
            case "arith.index_cast" | "arith.index_castui":
                return self.cast(op.results[0], operands[0])
            case "arith.constant":
                node = constant_node(op)
            case _:
                node = self.scalar(op)
        self.add(op.results[0], node)
        return None

    def access(self, op: ir.Operation, array: ir.Value, operands: Sequence[ir.Value]) -> Access:
        """An affine access; where no loop is around the nest, inside of its array."""
        access = Access(self.array(array), self.indices(op, operands))
        for position, (index, extent) in enumerate(zip(access.indices, ir.MemRefType(array.type).shape, strict=True)):
            low, high = index.span(self.extents)
            if not self.symbols and (low < 0 or high >= extent):
                raise NotANestError(
                    f"index {position} of '{array_name(array)}' runs over [{low}, {high}], it has [0, {extent - 1}]"
                )
        return access

    def array(self, value: ir.Value) -> ir.Value:
        if value not in self.arrays:
            problem = array_problem(value.type)
            if problem is not None:
                raise NotANestError(f"{value.type} {problem}")
            self.arrays.add(value)
        return value

    def scalar(self, op: ir.Operation) -> Scalar:
        if len(op.results) != 1 or not len(op.operands) or len(op.regions):
            raise NotANestError(f"body contains {op.name}")
        if any(isinstance(value.type, ir.IndexType) for value in (*op.operands, op.results[0])):
            raise NotANestError(f"{op.name} computes with index values; affine.apply or i32 arithmetic does")
        predicate = ir.IntegerAttr(op.attributes["predicate"]).value if "predicate" in op.attributes else None
        return Scalar(op.name, tuple(self.node(v) for v in op.operands), op.results[0].type, predicate)

    def cast(self, result: ir.Value, source: ir.Value) -> None:
        """Casts between ``index`` and i32 change nothing but the type."""
        if source in self.linear:
            self.linear[result] = self.linear[source]
            if not isinstance(result.type, ir.IndexType):
                self.add(result, Index(self.linear[source], result.type))
        else:
            self.number[result] = self.node(source)
            held = self.nodes[self.number[result]].type
            if not isinstance(result.type, ir.IndexType) and result.type != held:
                raise NotANestError(f"an index made from {held} is cast to {result.type}")

    def add(self, value: ir.Value, node: Node) -> int:
        self.nodes.append(node)
        self.number[value] = len(self.nodes) - 1
        return self.number[value]

    def node(self, value: ir.Value) -> int:
        if value not in self.number:
            self.add(value, self.outside(value))
        return self.number[value]

    def outside(self, value: ir.Value) -> Node:
        """A constant, the one value that the body may use and does not compute."""
        constant = value.owner
        if isinstance(constant, ir.Block) or constant.name != "arith.constant":
            raise NotANestError("body uses a value computed outside of the nest")
        return constant_node(constant.operation)

    def indices(self, op: ir.Operation, operands: Sequence[ir.Value]) -> tuple[Linear, ...]:
        attribute = op.attributes["map"]
        key = (attribute, tuple(operands))
        if key not in self.maps:
            access = ir.AffineMapAttr(attribute).value
            known = [self.linear[v] for v in operands] or [self.constant(0)]
            self.maps[key] = tuple(linear_of(expr, known) for expr in access.results)
        return self.maps[key]

    def indirect(self, value: ir.Value) -> "Linear | int":
        if value in self.linear:
            return self.linear[value]
        owner = value.owner
        if not isinstance(owner, ir.Block) and owner.name == "arith.constant":
            return self.constant(ir.IntegerAttr(owner.attributes["value"]).value)
        return self.node(value)

    def constant(self, value: int) -> Linear:
        return Linear(value, (0,) * len(self.extents), (0,) * len(self.symbols))
