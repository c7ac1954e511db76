"""The affine normal form as the checker reads it: nests, what they store, and the expression that they compute.

Leaves of an expression are loads, constants and values of induction variables, each with the casts around it: a cast
moves data as a copy does, and may ride along with either.

Not read: blocks that are no perfect nest with one store, and control flow in a body (:class:`UnreadableError`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from math import isnan
from struct import pack, unpack

from torch_mlir import ir

from polystage import poly

CASTS = frozenset(
    {"arith.extf", "arith.truncf", "arith.extsi", "arith.extui", "arith.trunci", "arith.sitofp", "arith.uitofp"}
    | {"arith.fptosi", "arith.fptoui", "arith.index_cast", "arith.index_castui"}
)

Chain = tuple[tuple[str, str, str], ...]
"""Casts from the inside out: operation, type before, type after."""

Base = tuple[str, ...]
"""What computes a value: ("argument", name), ("constant", number, type), ("nest", origin), ("index",) ..."""


class UnreadableError(Exception):
    """The program is not in the form that the checker understands; ``op`` says where."""

    def __init__(self, op: ir.Operation, message: str) -> None:
        super().__init__(message)
        self.op = op


@dataclass(frozen=True, eq=False)
class Leaf:
    """A load or an affine value (``access``), or a constant, under a chain of casts.

    ``indices`` are the expressions of the indices that are not affine, one for each loaded dimension of the access.
    """

    base: Base
    access: poly.Access | None = None
    chain: Chain = ()
    indices: tuple["Node", ...] = ()


@dataclass(frozen=True, eq=False)
class Operation:
    """A scalar operation; ``kind`` holds its name, attributes and result type."""

    kind: tuple[str, ...]
    operands: tuple["Node", ...]


Node = Leaf | Operation


@dataclass(frozen=True, eq=False)
class Nest:
    """``op`` stores the value of ``root`` through ``store``; ``indices`` are those of a scatter that are not affine."""

    op: ir.Operation
    origin: str
    domain: poly.Domain
    store: poly.Access
    root: Node
    indices: tuple[Node, ...]

    @property
    def moves(self) -> bool:
        """Whether it only moves, casts or fills."""
        return isinstance(self.root, Leaf) and not self.root.indices and not self.indices


@dataclass(frozen=True)
class Array:
    """An array by its name; ``kind`` is that of an argument, "alloc", or "global", whose value is ``content``."""

    name: str
    kind: str
    type: str
    shape: tuple[int, ...]
    content: Base


@dataclass(frozen=True, eq=False)
class Program:
    """The nests of ``@main`` in program order, and its arrays."""

    func: ir.Operation
    arrays: Mapping[str, Array]
    nests: tuple[Nest, ...]


def read_program(module: ir.Operation) -> Program:
    """The function ``@main`` of a module, or the module itself if it is a function; 50 us an access."""
    func = _main(module)
    names = poly.array_names(func)
    arrays = {array.name: array for array in _arrays(module, func, names)}
    reader = _Reader()
    ordinals: dict[str, int] = {}
    nests: list[Nest] = []
    for statement in poly.statements(func):
        if not statement.loops:
            raise UnreadableError(statement.body[0], "loads and stores outside of a nest")
        nest = reader.nest(statement)
        if nests and nests[-1].op == nest.op:
            raise UnreadableError(nest.op, "not a perfect nest")
        ordinal = ordinals[nest.store.array] = ordinals.get(nest.store.array, -1) + 1
        nests.append(nest if nest.origin else replace(nest, origin=f"{nest.store.array}#{ordinal}"))
    return Program(func, arrays, tuple(nests))


def _main(module: ir.Operation) -> ir.Operation:
    if module.name == "func.func":
        return module
    for view in module.regions[0].blocks[0].operations:
        op = view.operation
        if op.name == "func.func" and ir.StringAttr(op.attributes["sym_name"]).value == "main":
            return op
    raise UnreadableError(module, "module has no function @main")


def _arrays(module: ir.Operation, func: ir.Operation, names: Mapping[ir.Value, str]) -> Iterator[Array]:
    given = list(ir.ArrayAttr(func.attributes["arg_attrs"])) if "arg_attrs" in func.attributes else []
    for i, argument in enumerate(func.regions[0].blocks[0].arguments):
        entry = ir.DictAttr(given[i]) if given else None
        kind = ir.StringAttr(entry["polystage.kind"]).value if entry and "polystage.kind" in entry else "input"
        yield _array(argument, names[argument], kind, ("argument", names[argument]))
    globals_ = dict(_globals(module)) if module.name != "func.func" else {}
    for value, name in names.items():
        owner = value.owner
        if isinstance(owner, ir.Block):
            continue
        if owner.name == "memref.alloc":
            yield _array(value, name, "alloc", ())
        else:
            yield _array(value, name, "global", globals_.get(name, ("global", name)))


def _array(value: ir.Value, name: str, kind: str, content: Base) -> Array:
    type_ = ir.MemRefType(value.type)
    return Array(name, kind, str(type_.element_type), tuple(type_.shape), content)


def _globals(module: ir.Operation) -> Iterator[tuple[str, Base]]:
    """The constants of a module: a number if it is the same everywhere, else a digest of the text."""
    for view in module.regions[0].blocks[0].operations:
        op = view.operation
        if op.name == "memref.global" and "initial_value" in op.attributes:
            value, name = op.attributes["initial_value"], ir.StringAttr(op.attributes["sym_name"]).value
            if isinstance(value, ir.DenseElementsAttr) and value.is_splat:
                yield name, constant(value.get_splat_value())
            else:
                yield name, ("global", sha256(str(value).encode()).hexdigest())


def constant(value: ir.Attribute) -> Base:
    """The base of a scalar constant."""
    if isinstance(value, ir.FloatAttr):
        return ("constant", repr(float(value.value)), str(value.type))
    number = ir.IntegerAttr(value)
    return ("constant", repr(int(number.value)), str(number.type))


class _Reader:
    """Reads the bodies of one module; a class because texts of attributes and types are shared."""

    def __init__(self) -> None:
        self.texts: dict[ir.Attribute | ir.Type, str] = {}

    def nest(self, statement: poly.Statement) -> Nest:
        op = statement.loops[0]
        if len(statement.writes) != 1:
            raise UnreadableError(op, f"a nest with {len(statement.writes)} stores")
        accesses = {reference.op: reference.access for reference in (*statement.reads, *statement.writes)}
        body = _Body(self, statement, accesses)
        for each in statement.body:
            body.visit(each)
        store = statement.writes[0]
        origin = ir.StringAttr(op.attributes["polystage.origin"]).value if "polystage.origin" in op.attributes else ""
        operands = list(store.op.operands)
        indices = body.indirect(operands[2:]) if store.access.loaded else ()
        return Nest(op, origin, statement.domain, store.access, body.node(operands[0]), indices)

    def text(self, of: ir.Attribute | ir.Type) -> str:
        if of not in self.texts:
            self.texts[of] = str(of)
        return self.texts[of]


class _Body:
    """The values of one body as expressions."""

    def __init__(
        self, reader: _Reader, statement: poly.Statement, accesses: Mapping[ir.Operation, poly.Access]
    ) -> None:
        self.reader, self.domain, self.accesses = reader, statement.domain, accesses
        self.depth: dict[ir.Value, int] = {
            loop.regions[0].blocks[0].arguments[0]: i for i, loop in enumerate(statement.loops)
        }
        self.nodes: dict[ir.Value, Node] = {}

    def visit(self, op: ir.Operation) -> None:
        """Note the expression of the result of ``op``."""
        if len(op.regions):
            raise UnreadableError(op, f"a body with {op.name}")
        if len(op.results) != 1:
            return
        result = op.results[0]
        if op.name in ("affine.load", "memref.load"):
            access = self.accesses[op]
            indices = self.indirect(list(op.operands)[1:]) if access.loaded else ()
            self.nodes[result] = Leaf(("load",), access, (), indices)
        elif op.name in CASTS:
            self.nodes[result] = self.cast(op)
        elif op.name not in ("affine.apply", "arith.constant"):
            attributes = sorted(f"{name} = {self.reader.text(op.attributes[name])}" for name in op.attributes)
            kind = (op.name, self.reader.text(result.type), *attributes)
            self.nodes[result] = Operation(kind, tuple(map(self.node, op.operands)))

    def cast(self, op: ir.Operation) -> Node:
        operand = self.node(op.operands[0])
        step = (op.name, self.reader.text(op.operands[0].type), self.reader.text(op.results[0].type))
        if isinstance(operand, Operation):
            return Operation(step, (operand,))
        return replace(operand, chain=(*operand.chain, step))

    def node(self, value: ir.Value) -> Node:
        if value not in self.nodes:
            self.nodes[value] = self.outside(value)
        return self.nodes[value]

    def outside(self, value: ir.Value) -> Leaf:
        """A constant, or a value that is affine in the induction variables."""
        owner = value.owner
        if not isinstance(owner, ir.Block) and owner.name == "arith.constant":
            if not isinstance(value.type, ir.IndexType):
                return Leaf(constant(owner.attributes["value"]))
        elif value not in self.depth and (isinstance(owner, ir.Block) or owner.name != "affine.apply"):
            raise UnreadableError(_operation(owner), "a body uses a value computed outside of its nest")
        rank = len(self.domain.names)
        affine_map = ir.AffineMap.get(rank, 0, [self.affine(value)])
        return Leaf(("index",), poly.from_affine_map(affine_map, "", self.domain))

    def affine(self, value: ir.Value) -> ir.AffineExpr:
        """An index value over the induction variables."""
        if value in self.depth:
            return ir.AffineExpr.get_dim(self.depth[value])
        op = value.owner
        if isinstance(op, ir.Block) or op.name not in ("arith.constant", "affine.apply"):
            raise UnreadableError(_operation(op), "an index that is not affine")
        if op.name == "arith.constant":
            return ir.AffineExpr.get_constant(ir.IntegerAttr(op.attributes["value"]).value)
        affine_map = ir.AffineMapAttr(op.attributes["map"]).value
        if affine_map.n_symbols:
            raise UnreadableError(op.operation, "an affine.apply with symbols")
        operands = [self.affine(each) for each in op.operands]
        return affine_map.results[0].compose(ir.AffineMap.get(len(self.domain.names), 0, operands))

    def indirect(self, indices: Sequence[ir.Value]) -> tuple[Node, ...]:
        """The expressions of the indices that are not affine."""
        return tuple(self.node(value) for value in indices if not self.is_affine(value))

    def is_affine(self, value: ir.Value) -> bool:
        owner = value.owner
        return value in self.depth or (
            not isinstance(owner, ir.Block) and owner.name in ("affine.apply", "arith.constant")
        )


def _operation(owner: ir.Block | ir.Operation | ir.OpView) -> ir.Operation:
    return (owner.owner if isinstance(owner, ir.Block) else owner).operation


def normal(chain: Chain, base: Base) -> tuple[Chain, Base]:
    """The same value with the casts composed: a widening and its way back vanish, exact casts of constants are done."""
    kept: list[tuple[str, str, str]] = []
    for step in chain:
        widened = kept and (kept[-1][0], step[0]) in WAYS_BACK and kept[-1][1] == step[2]
        if widened:
            kept.pop()
        else:
            kept.append(step)
    while kept and base[0] == "constant" and (folded := _cast_constant(kept[0], base)) is not None:
        base = folded
        kept.pop(0)
    return tuple(kept), base


WAYS_BACK = frozenset(
    {("arith.extf", "arith.truncf"), ("arith.extsi", "arith.trunci"), ("arith.extui", "arith.trunci")}
)


def _cast_constant(step: tuple[str, str, str], base: Base) -> Base | None:
    """A constant after a cast that does not round."""
    name, before, to = step
    if name == "arith.extf":
        return ("constant", base[1], to)
    if name == "arith.truncf" and _exact(float(base[1]), to):
        return ("constant", base[1], to)
    if before == "i1" or name not in ("arith.sitofp", "arith.fptosi"):
        return None
    number = float(base[1])
    if abs(number) <= 256 and number.is_integer():
        return ("constant", repr(number if name == "arith.sitofp" else int(number)), to)
    return None


def _exact(number: float, type_: str) -> bool:
    """Whether a float type holds a number."""
    if isnan(number):
        return False
    try:
        if type_ == "f16":
            return unpack("<e", pack("<e", number))[0] == number
        single: float = unpack("<f", pack("<f", number))[0]
    except OverflowError:
        return False
    return single == number and (type_ == "f32" or (type_ == "bf16" and pack("<f", number)[:2] == b"\0\0"))
