"""Reading nests into bodies, and writing bodies as nests in normal form."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from torch_mlir import ir

from polystage.dialects import affine
from polystage.passes.nests import fold
from polystage.passes.nests import quasi as q
from polystage.passes.nests.body import Body, Constant, Index, Load, Node, Scalar, Store
from polystage.passes.nests.ir import NotSupportedError, constraints_of, defining_op
from polystage.passes.nests.quasi import Quasi
from polystage.passes.nests.tree import Statement
from polystage.passes.nests.views import base_of, through_views

EQUAL, AT_LEAST = 0, 5
"""Predicates of ``arith.cmpi``."""
DROPPED = frozenset(("fastmath", "overflowFlags"))
"""Attributes of scalar operations that are hints."""


@dataclass(slots=True)
class Reader:
    """Reads stores with everything they need into bodies. One reader serves one function.

    ``splats``: the values of the ``memref.global`` that are one number repeated.
    """

    splats: Mapping[str, ir.Attribute]
    maps: dict[tuple[ir.Attribute, tuple[Quasi, ...], tuple[int, ...]], tuple[Quasi, ...]] = field(default_factory=dict)

    def read(self, statement: Statement) -> Body:
        """The body of a statement, over loops that run from 0 with step 1 and have more than one trip."""
        ivs, extents = statement.domain
        store = statement.store
        walk = _Walk(self, Body(extents), ivs)
        operands = list(store.operands)
        value = walk.number(operands[0])
        if store.name == "affine.store":
            indices: tuple[Quasi | int, ...] = walk.access(store, operands[2:])
        else:
            indices = tuple(walk.body.index(walk.number(operand)) for operand in operands[2:])
        array, indices = through_views(walk.body, operands[1], indices)
        walk.body.store = Store(array, indices, value, store.location)
        for op, branch in statement.conditions:
            walk.require(op, branch)
        return walk.body


@dataclass(slots=True)
class _Walk:
    """The walk over the values that one store needs."""

    reader: Reader
    body: Body
    ivs: Mapping[ir.Value, Quasi]
    seen: dict[ir.Value, int] = field(default_factory=dict)

    def number(self, value: ir.Value) -> int:
        number = self.seen.get(value)
        if number is None:
            number = self.seen[value] = self.node(value)
        return number

    def node(self, value: ir.Value) -> int:
        if value in self.ivs:
            return self.body.add(Index(self.ivs[value], _integer(value.type)), value.location)
        op = defining_op(value)
        if op is None:
            raise NotSupportedError(value.location, "a value carried by a loop or a block is not supported in a nest")
        operands = list(op.operands)
        match op.name:
            case "arith.constant":
                node = _constant(op.attributes["value"], value.type)
            case "affine.apply":
                node = Index(self.access(op, operands)[0], _integer(value.type))
            case "affine.load":
                node = self.load(operands[0], self.access(op, operands[1:]), value.type)
            case "memref.load":
                indices = tuple(self.body.index(self.number(operand)) for operand in operands[1:])
                node = self.load(operands[0], indices, value.type)
            case "affine.if" | "scf.if":
                return self.choice(op, value)
            case _:
                return self.scalar(op, operands)
        return self.body.add(node, op.location)

    def require(self, op: ir.Operation, branch: bool) -> None:
        """Let the store happen only in one branch of a conditional."""
        condition = self.condition(op)
        if not branch:
            condition = self.on_bits("arith.xori", condition, self.bit(True, op.location), op.location)
        if self.body.predicate is not None:
            condition = self.on_bits("arith.andi", self.body.predicate, condition, op.location)
        self.body.predicate = condition

    def choice(self, op: ir.Operation, value: ir.Value) -> int:
        """A result of a conditional: both branches are computed and one is selected."""
        position = ir.OpResult(value).result_number
        branches = [list(region.blocks[0].operations)[-1].operation.operands[position] for region in op.regions]
        numbers = (self.condition(op), *(self.number(branch) for branch in branches))
        return fold.scalar(self.body, "arith.select", numbers, (), _integer(value.type), op.location)

    def condition(self, op: ir.Operation) -> int:
        """The condition of ``affine.if`` or ``scf.if`` as an i1 node."""
        if op.name == "scf.if":
            return self.number(op.operands[0])
        operands = [self.quasi(operand) for operand in op.operands]
        holds = self.bit(True, op.location)
        for affine_map, is_equality in constraints_of(op.attributes["condition"]):
            expr = q.from_affine(affine_map.results[0], operands, affine_map.n_dims, self.body.extents)
            sides = [self.body.add(Index(x, ir.IntegerType.get_signless(32)), op.location) for x in (expr, q.ZERO)]
            predicate = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), EQUAL if is_equality else AT_LEAST)
            attributes = (("predicate", predicate),)
            bit = ir.IntegerType.get_signless(1)
            fact = fold.scalar(self.body, "arith.cmpi", (sides[0], sides[1]), attributes, bit, op.location)
            holds = self.on_bits("arith.andi", holds, fact, op.location)
        return holds

    def bit(self, value: bool, location: ir.Location) -> int:
        return self.body.add(Index(Quasi(int(value)), ir.IntegerType.get_signless(1)), location)

    def on_bits(self, name: str, a: int, b: int, location: ir.Location) -> int:
        return fold.scalar(self.body, name, (a, b), (), ir.IntegerType.get_signless(1), location)

    def scalar(self, op: ir.Operation, operands: Sequence[ir.Value]) -> int:
        if not op.name.startswith(("arith.", "math.")) or len(op.results) != 1:
            raise NotSupportedError(op.location, f"'{op.name}' is not supported in the body of a nest")
        attributes = tuple(item for item in op.attributes.items() if item[0] not in DROPPED)
        numbers = tuple(self.number(operand) for operand in operands)
        return fold.scalar(self.body, op.name, numbers, attributes, _integer(op.results[0].type), op.location)

    def load(self, array: ir.Value, indices: tuple[Quasi | int, ...], type_: ir.Type) -> Node:
        op = defining_op(base_of(array))
        if op is not None and op.name == "memref.get_global":
            splat = self.reader.splats.get(ir.FlatSymbolRefAttr(op.attributes["name"]).value)
            if splat is not None:
                return _constant(splat, type_)
        return Load(*through_views(self.body, array, indices), type_)

    def access(self, op: ir.Operation, operands: Sequence[ir.Value]) -> tuple[Quasi, ...]:
        """The results of the map of ``op``."""
        values = tuple(self.quasi(operand) for operand in operands)
        attribute = op.attributes["map"]
        key = (attribute, values, self.body.extents)
        known = self.reader.maps.get(key)
        if known is None:
            affine_map = ir.AffineMapAttr(attribute).value
            known = self.reader.maps[key] = tuple(
                q.from_affine(result, values, affine_map.n_dims, self.body.extents) for result in affine_map.results
            )
        return known

    def quasi(self, value: ir.Value) -> Quasi:
        if value in self.ivs:
            return self.ivs[value]
        index = self.body.index(self.number(value))
        if isinstance(index, int):
            raise NotSupportedError(
                value.location, "an operand of an affine map is not affine in the induction variables"
            )
        return index


def _integer(type_: ir.Type) -> ir.Type:
    """``type_``, with i32 in the place of ``index``."""
    return ir.IntegerType.get_signless(32) if isinstance(type_, ir.IndexType) else type_


def _constant(value: ir.Attribute, type_: ir.Type) -> Node:
    if isinstance(value, ir.BoolAttr):
        return Index(Quasi(int(value.value)), type_)
    if isinstance(value, ir.IntegerAttr):
        return Index(Quasi(value.value), _integer(type_))
    return Constant(value, type_)


@dataclass(slots=True)
class Writer:
    """Writes bodies as nests. One writer serves one function: it shares the constants at the function's top."""

    block: ir.Block
    constants: dict[ir.Attribute, ir.Value] = field(default_factory=dict)
    maps: dict[tuple[tuple[Quasi, ...], int], tuple[ir.AffineMap, list[int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for op in leading_constants(self.block):
            self.constants.setdefault(op.attributes["value"], op.results[0])

    def write(self, body: Body, location: ir.Location) -> None:
        """Write ``body`` as a nest at the current insertion point."""
        marks = {"polystage.indirect": ir.UnitAttr.get()} if body.is_indirect() else {}
        with location, affine.nest(body.extents, marks) as ivs:
            self._write_body(body, ivs)

    def _write_body(self, body: Body, ivs: Sequence[ir.Value]) -> None:
        values: dict[int, ir.Value] = {}
        for number, (node, used) in enumerate(zip(body.nodes, body.live(), strict=True)):
            if used:
                with body.locations[number]:
                    values[number] = self._value(node, values, ivs)
        store = body.result()
        with store.location:
            value, array = values[store.value], store.array
            if all(isinstance(i, Quasi) for i in store.indices):
                access, operands = self._access(store.indices, ivs)
                affine.store(value, array, access, operands)
            else:
                indices = [self._index(i, values, ivs) for i in store.indices]
                ir.Operation.create("memref.store", [], [value, array, *indices])

    def _value(self, node: Node, values: Mapping[int, ir.Value], ivs: Sequence[ir.Value]) -> ir.Value:
        match node:
            case Index():
                if node.value.is_const:
                    return self.constant(ir.IntegerAttr.get(node.type, node.value.const), node.type)
                return ir.Operation.create(
                    "arith.index_cast", [node.type], [self._index(node.value, values, ivs)]
                ).result
            case Constant():
                return self.constant(node.value, node.type)
            case Load():
                if all(isinstance(i, Quasi) for i in node.indices):
                    access, operands = self._access(node.indices, ivs)
                    return affine.load(node.array, access, operands)
                indices = [self._index(i, values, ivs) for i in node.indices]
                return ir.Operation.create("memref.load", [node.type], [node.array, *indices]).result
            case Scalar():
                operands = [values[k] for k in node.operands]
                return ir.Operation.create(node.name, [node.type], operands, dict(node.attributes)).result

    def _index(self, index: "Quasi | int", values: Mapping[int, ir.Value], ivs: Sequence[ir.Value]) -> ir.Value:
        if isinstance(index, int):
            return ir.Operation.create("arith.index_cast", [ir.IndexType.get()], [values[index]]).result
        if index.is_const:
            type_ = ir.IndexType.get()
            return self.constant(ir.IntegerAttr.get(type_, index.const), type_)
        return affine.apply(*self._access((index,), ivs))

    def _access(
        self, indices: "tuple[Quasi | int, ...]", ivs: Sequence[ir.Value]
    ) -> tuple[ir.AffineMap, list[ir.Value]]:
        exprs = tuple(index for index in indices if isinstance(index, Quasi))
        key = (exprs, len(ivs))
        if key not in self.maps:
            self.maps[key] = q.to_map(exprs, len(ivs))
        access, used = self.maps[key]
        return access, [ivs[depth] for depth in used]

    def constant(self, value: ir.Attribute, type_: ir.Type) -> ir.Value:
        """The ``arith.constant`` of ``value`` at the top of the function."""
        if value not in self.constants:
            with ir.InsertionPoint.at_block_begin(self.block), ir.Location.unknown():
                self.constants[value] = ir.Operation.create("arith.constant", [type_], [], {"value": value}).result
        return self.constants[value]


def leading_constants(block: ir.Block) -> Iterator[ir.Operation]:
    """The constants at the top of a block."""
    for op in block.operations:
        if op.operation.name != "arith.constant":
            return
        yield op.operation
