"""Reads nests of IR as values."""

from collections.abc import Sequence
from dataclasses import replace

from torch_mlir import ir

from polystage.analysis.nests import (
    Access,
    Constant,
    Gather,
    Index,
    Linear,
    Load,
    Nest,
    Node,
    NotANestError,
    Scalar,
    Store,
    constant_trip,
    linear_of,
)
from polystage.analysis.values import array_name, array_problem, producer


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
        constant = producer(value)
        if constant is None or constant.name != "arith.constant":
            raise NotANestError("body uses a value computed outside of the nest")
        return constant_node(constant)

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
        owner = producer(value)
        if owner is not None and owner.name == "arith.constant":
            return self.constant(ir.IntegerAttr(owner.attributes["value"]).value)
        return self.node(value)

    def constant(self, value: int) -> Linear:
        return Linear(value, (0,) * len(self.extents), (0,) * len(self.symbols))
