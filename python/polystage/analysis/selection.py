"""Instruction selection for one nest body: an expression tree covered by machine instructions.

The result is a straight list of steps over *operands* (tile buffers of loads, temporaries, immediates, the result
buffer) with the loops each step runs over, and the temporaries it needs, already shared between values whose lives
do not meet. It does not depend on tile sizes, so ``stage`` charges exactly the temporaries that ``lower-to-npu``
will make.

Which instructions cover the tree is decided in ``covering``; this module writes them. Covered: every scalar operation
of the dialect's table. Not handled (``NotSelectableError``): operations without an instruction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod

from torch_mlir import ir

from polystage.analysis.covering import (
    EQUAL_ENGINES,
    Activation,
    Cast,
    Chain,
    Choice,
    Covering,
    EngineCosts,
    Narrowed,
    Pair,
    Pattern,
    Triple,
)
from polystage.analysis.expressions import Graph, NotSelectableError, is_float
from polystage.analysis.nests import Constant, Gather, Index, Linear, Load, Nest, Scalar
from polystage.analysis.reductions import WIDENING
from polystage.dialects.npu import element_bytes

__all__ = [
    "Immediate",
    "NotSelectableError",
    "Operand",
    "Result",
    "Selection",
    "Slot",
    "Step",
    "Temporary",
    "Tile",
    "is_float",
    "select",
]


@dataclass(frozen=True)
class Tile:
    """The tile buffer of load node ``node``."""

    node: int


@dataclass(frozen=True)
class Temporary:
    """A temporary, by slot number."""

    slot: int


@dataclass(frozen=True)
class Immediate:
    """A number inside the instruction."""

    value: float | int


@dataclass(frozen=True)
class Result:
    """Where the selected value is wanted."""


Operand = Tile | Temporary | Immediate | Result
Scalarstep = tuple[str, float | int | None, bool]


@dataclass(frozen=True)
class Step:
    """One instruction: ``op`` its name in the dialect, ``loops`` the free loops of its box (the lane loop is implied).

    ``ops`` are operation names (for ``tensor_scalar`` steps with number and direction), ``value`` an ``iota``'s form,
    ``indices`` a gather's (Linear, or the position of a source that holds the index). ``number`` is a ``memset``'s, or
    the bias of an ``activation`` that has no source for it, ``scale`` its factor.
    """

    op: str
    target: Operand
    sources: tuple[Operand, ...]
    loops: frozenset[int]
    ops: tuple[str, ...] = ()
    scalars: tuple[Scalarstep, ...] = ()
    scale: float = 1.0
    number: float | int | None = None
    value: Linear | None = None
    array: ir.Value | None = None
    indices: tuple[Linear | int, ...] = ()


@dataclass(frozen=True)
class Slot:
    """A temporary buffer: one element for each iteration of ``loops`` on every lane."""

    type: ir.Type
    loops: frozenset[int]

    def bytes(self, sizes: Sequence[int]) -> int:
        """Bytes per lane when the loops have these sizes."""
        return element_bytes(self.type) * prod(sizes[d] for d in self.loops)


@dataclass(frozen=True)
class Selection:
    """Steps in order, the temporaries they use, the operand that holds the value at the end, and those that hold the
    indices of a scatter (None for a linear index).
    """

    steps: tuple[Step, ...]
    slots: tuple[Slot, ...]
    value: Operand
    indices: tuple[Operand | None, ...] = ()


@dataclass(frozen=True)
class _Value:
    operand: Operand
    type: ir.Type
    support: frozenset[int]


def select(
    nest: Nest,
    node: int,
    *,
    lane: int | None,
    result: ir.Type | None,
    loops: frozenset[int],
    costs: EngineCosts = EQUAL_ENGINES,
) -> Selection:
    """Cover the tree of ``node``.

    ``result`` is the element type of the buffer that takes the value, indexed by ``loops`` (free loops only); without
    it the value stays where it falls: a tile buffer if it is a plain load, else a temporary.
    """
    roots = [node, *(index for index in nest.store.indices if isinstance(index, int))]
    writer = _Writer(nest, lane, Covering(Graph(nest, roots, lane), costs))
    if nest.store.indirect:
        value = writer.converted(writer.emit(node), ir.MemRefType(nest.store.array.type).element_type).operand
    elif result is None:
        value = writer.tensor(writer.emit(node)).operand
    else:
        value = writer.emit(node, _Value(Result(), result, loops)).operand
    indices = tuple(writer.index(index).operand if isinstance(index, int) else None for index in nest.store.indices)
    return _share_slots(Selection(tuple(writer.steps), tuple(writer.slots), value, indices))


@dataclass
class _Writer:
    """Writes the steps of a covering, operands before their use."""

    nest: Nest
    lane: int | None
    covering: Covering
    steps: list[Step] = field(default_factory=list[Step])
    slots: list[Slot] = field(default_factory=list[Slot])
    done: dict[int, _Value] = field(default_factory=dict[int, "_Value"])
    numbers: dict[tuple[str, float | int], _Value] = field(default_factory=dict[tuple[str, float | int], "_Value"])

    def emit(self, number: int, into: _Value | None = None) -> _Value:
        """The value of a node; ``into`` asks for it in a given place and type."""
        if number not in self.done:
            node = self.nest.nodes[number]
            match node:
                case Load():
                    value = _Value(Tile(number), node.type, node.access.support)
                case Constant():
                    value = _Value(Immediate(node.value), node.type, frozenset())
                case Index():
                    value = self.iota(node, into)
                case Gather():
                    value = self.gather(node, into)
                case Scalar() if node.name in WIDENING:
                    inner = self.emit(self.covering.graph.term(number).operands[0])
                    value = _Value(inner.operand, node.type, inner.support)
                case Scalar() if (decided := self.covering.graph.number(number)) is not None:
                    value = _Value(Immediate(decided), node.type, frozenset())
                case Scalar():
                    value = self.pattern(self.covering.best(number), number, node.type, into)
            self.done[number] = value
        value = self.done[number]
        if into is not None and value.operand != into.operand:
            return self.copy(value, into)
        return value

    def free(self, support: frozenset[int]) -> frozenset[int]:
        return support - {self.lane}

    def temporary(self, type_: ir.Type, support: frozenset[int]) -> _Value:
        self.slots.append(Slot(type_, self.free(support)))
        return _Value(Temporary(len(self.slots) - 1), type_, support)

    def target(self, into: _Value | None, type_: ir.Type, support: frozenset[int]) -> _Value:
        return into if into is not None else self.temporary(type_, support)

    def step(self, op: str, target: _Value, sources: Sequence[Operand], **details: object) -> _Value:
        self.steps.append(replace(Step(op, target.operand, tuple(sources), self.free(target.support)), **details))
        return target

    def copy(self, value: _Value, into: _Value) -> _Value:
        if isinstance(value.operand, Immediate):
            return self.step("memset", into, (), number=_number(value.operand.value, into.type))
        return self.step("tensor_copy", into, (value.operand,))

    def tensor(self, value: _Value) -> _Value:
        """A value in memory: an immediate is set, once, into a temporary of one element per lane."""
        if not isinstance(value.operand, Immediate):
            return value
        key = (str(value.type), value.operand.value)
        if key not in self.numbers:
            self.numbers[key] = self.copy(value, self.temporary(value.type, frozenset()))
        return self.numbers[key]

    def converted(self, value: _Value, type_: ir.Type) -> _Value:
        """A value in memory as elements of ``type_``, for transfers, which do not convert: ``extf`` leaves the
        narrow elements where they are.
        """
        value = self.tensor(value)
        match value.operand:
            case Tile(node):
                held = self.nest.nodes[node].type
            case Temporary(slot):
                held = self.slots[slot].type
            case _:
                held = value.type
        return value if held == type_ else self.copy(value, self.temporary(type_, value.support))

    def index(self, number: int) -> _Value:
        """The value of a node as i32 in memory, as indirect transfers take their indices."""
        return self.converted(self.emit(number), ir.IntegerType.get_signless(32))

    def iota(self, node: Index, into: _Value | None) -> _Value:
        type_ = ir.IntegerType.get_signless(32) if isinstance(node.type, ir.IndexType) else node.type
        into = into if into is not None and into.type == type_ else None
        return self.step("iota", self.target(into, type_, node.value.support), (), value=node.value)

    def gather(self, node: Gather, into: _Value | None) -> _Value:
        sources, indices, support = list[Operand](), list[Linear | int](), frozenset[int]()
        for index in node.indices:
            if isinstance(index, Linear):
                indices.append(index)
                support |= index.support
            else:
                value = self.index(index)
                sources.append(value.operand)
                indices.append(len(sources) - 1)
                support |= value.support
        into = into if into is not None and into.type == node.type else None
        target = self.target(into, node.type, support)
        return self.step("gather", target, sources, array=node.array, indices=tuple(indices))

    def pattern(self, pattern: Pattern, number: int, type_: ir.Type, into: _Value | None) -> _Value:
        """One instruction, after those for its operands; its value gets elements of ``type_``."""
        match pattern:
            case Narrowed():
                return self.pattern(self.covering.best(pattern.source), pattern.source, type_, into)
            case Activation():
                return self.activation(pattern, number, type_, into)
            case Chain():
                return self.chain(pattern, number, type_, into)
            case Cast():
                op, nodes, details = "tensor_copy", (pattern.source,), {}
            case Choice():
                op, nodes, details = "select", pattern.operands, {}
            case Pair():
                op, nodes, details = "tensor_tensor", (pattern.left, pattern.right), {"ops": (pattern.op,)}
            case Triple():
                op, details = "scalar_tensor_tensor", {"ops": pattern.ops}
                nodes = (pattern.source, pattern.scalar, pattern.other)
        sources = [self.tensor(self.emit(node)).operand for node in nodes]
        return self.step(op, self.place(number, type_, into), sources, **details)

    def place(self, number: int, type_: ir.Type, into: _Value | None) -> _Value:
        return self.target(into, type_, self.covering.graph.support(number))

    def activation(self, pattern: Activation, number: int, type_: ir.Type, into: _Value | None) -> _Value:
        sources = [self.tensor(self.emit(pattern.source)).operand]
        if pattern.lanes is not None:
            sources.append(self.bias(pattern.lanes, pattern.sign).operand)
        if pattern.scales is not None:
            sources.append(self.tensor(self.emit(pattern.scales)).operand)
        target = self.place(number, type_, into)
        return self.step("activation", target, sources, ops=(pattern.func,), scale=pattern.scale, number=pattern.bias)

    def bias(self, number: int, sign: int) -> _Value:
        """One value per lane, or its negative."""
        value = self.tensor(self.emit(number))
        if sign > 0:
            return value
        target = self.temporary(value.type, value.support)
        return self.step("activation", target, (value.operand,), ops=("negate",), scale=1.0, number=0.0)

    def chain(self, pattern: Chain, number: int, type_: ir.Type, into: _Value | None) -> _Value:
        source = self.tensor(self.emit(pattern.source))
        sources, steps = [source.operand], list[Scalarstep]()
        for op, scalar, reverse in pattern.steps:
            value = (
                _Value(Immediate(scalar), source.type, frozenset()) if isinstance(scalar, float) else self.emit(scalar)
            )
            if isinstance(value.operand, Immediate):
                steps.append((op, _number(value.operand.value, source.type), reverse))
            else:
                steps.append((op, None, reverse))
                sources.append(value.operand)
        return self.step("tensor_scalar", self.place(number, type_, into), sources, scalars=tuple(steps))


def _number(value: float | int, type_: ir.Type) -> float | int:
    return int(value) if isinstance(type_, ir.IntegerType) else float(value)


def _share_slots(selection: Selection) -> Selection:
    """Give temporaries whose lives do not meet the same slot (linear scan over the steps)."""
    last: dict[int, int] = {}
    for position, step in enumerate(selection.steps):
        for operand in (*step.sources, step.target):
            if isinstance(operand, Temporary):
                last[operand.slot] = position
    for operand in (selection.value, *selection.indices):
        if isinstance(operand, Temporary):
            last[operand.slot] = len(selection.steps)
    slots, place = list[Slot](), dict[int, int]()
    idle: dict[Slot, list[int]] = {}
    steps = list[Step]()
    for position, step in enumerate(selection.steps):
        if isinstance(step.target, Temporary) and step.target.slot not in place:
            slot = selection.slots[step.target.slot]
            pool = idle.setdefault(slot, [])
            if pool:
                place[step.target.slot] = pool.pop()
            else:
                slots.append(slot)
                place[step.target.slot] = len(slots) - 1
        for virtual, end in last.items():
            if end == position and virtual in place:
                idle.setdefault(selection.slots[virtual], []).append(place[virtual])
        steps.append(_renamed(step, place))
    indices = tuple(None if operand is None else _rename(operand, place) for operand in selection.indices)
    return Selection(tuple(steps), tuple(slots), _rename(selection.value, place), indices)


def _renamed(step: Step, place: Mapping[int, int]) -> Step:
    return replace(
        step, target=_rename(step.target, place), sources=tuple(_rename(source, place) for source in step.sources)
    )


def _rename(operand: Operand, place: Mapping[int, int]) -> Operand:
    return Temporary(place[operand.slot]) if isinstance(operand, Temporary) else operand
