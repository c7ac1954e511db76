"""Instruction selection for one nest body: an expression tree covered by machine instructions.

The result is a straight list of steps over *operands* (tile buffers of loads, temporaries, immediates, the result
buffer) with the loops each step runs over, and the temporaries it needs, already shared between values whose lives
do not meet. It does not depend on tile sizes, so ``stage`` charges exactly the temporaries that ``lower-to-npu``
will make.

Covered: every scalar operation of the dialect's table, alone or in the two-operation forms ``tensor_scalar`` and
``scalar_tensor_tensor``. Not handled (``NotSelectableError``): operations without an instruction.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod

from torch_mlir import ir

from polystage.analysis.nests import Constant, Gather, Index, Linear, Load, Nest, Scalar
from polystage.analysis.reductions import WIDENING
from polystage.dialects.npu import element_bytes, scalars
from polystage.dialects.npu.scalars import CMPF_PREDICATES

_DECIDED = {CMPF_PREDICATES.index("false"): 0, CMPF_PREDICATES.index("true"): 1}
COMMUTATIVE = frozenset({"add", "multiply", "max", "min", "maxnum", "minnum"})


class NotSelectableError(Exception):
    """An operation that no instruction performs."""


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
    ``indices`` a gather's (Linear, or the position of a source that holds the index).
    """

    op: str
    target: Operand
    sources: tuple[Operand, ...]
    loops: frozenset[int]
    ops: tuple[str, ...] = ()
    scalars: tuple[Scalarstep, ...] = ()
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


def select(nest: Nest, node: int, *, lane: int | None, result: ir.Type | None, loops: frozenset[int]) -> Selection:
    """Cover the tree of ``node``.

    ``result`` is the element type of the buffer that takes the value, indexed by ``loops`` (free loops only); without
    it the value stays where it falls: a tile buffer if it is a plain load, else a temporary.
    """
    chooser = _Chooser(nest, lane)
    if nest.store.indirect:
        value = chooser.converted(chooser.emit(node), ir.MemRefType(nest.store.array.type).element_type).operand
    elif result is None:
        value = chooser.tensor(chooser.emit(node)).operand
    else:
        value = chooser.emit(node, _Value(Result(), result, loops)).operand
    indices = tuple(chooser.index(index).operand if isinstance(index, int) else None for index in nest.store.indices)
    return _share_slots(Selection(tuple(chooser.steps), tuple(chooser.slots), value, indices))


@dataclass
class _Chooser:
    nest: Nest
    lane: int | None
    steps: list[Step] = field(default_factory=list[Step])
    slots: list[Slot] = field(default_factory=list[Slot])
    done: dict[int, _Value] = field(default_factory=dict[int, "_Value"])

    def __post_init__(self) -> None:
        uses = Counter(operand for node in self.nest.nodes if isinstance(node, Scalar) for operand in node.operands)
        uses.update(
            i for node in self.nest.nodes if isinstance(node, Gather) for i in node.indices if isinstance(i, int)
        )
        self.uses = uses

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
                case Scalar():
                    value = self.scalar(number, node, into)
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
        """A value in memory: an immediate is set into a temporary of one element per lane."""
        if isinstance(value.operand, Immediate):
            return self.copy(value, self.temporary(value.type, frozenset()))
        return value

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

    def scalar(self, number: int, node: Scalar, into: _Value | None) -> _Value:
        if node.name in WIDENING:
            inner = self.emit(node.operands[0])
            return _Value(inner.operand, node.type, inner.support)
        if node.name == "arith.truncf" and self.uses[node.operands[0]] == 1 and self.computed(node.operands[0]):
            wanted = into or None
            value = self.retyped(node.operands[0], node.type, wanted)
            return _Value(value.operand, node.type, value.support)
        if node.name == "arith.select":
            return self.select(node, into)
        if node.name == "arith.cmpf" and node.predicate in _DECIDED:
            return _Value(Immediate(_DECIDED[node.predicate]), node.type, frozenset())
        element = self.type_of(node.operands[0])
        if scalars.cast_is_copy(node.name, str(element), str(node.type)):
            source = self.tensor(self.emit(node.operands[0]))
            return self.step("tensor_copy", self.target(into, node.type, source.support), (source.operand,))
        name = scalars.instruction_op(node.name, node.predicate, str(element))
        if name is None:
            raise NotSelectableError(f"{node.name} on {element} has no instruction")
        if scalars.SCALAR_OPS[name].arity == 1:
            source = self.tensor(self.emit(node.operands[0]))
            return self.step("activation", self.target(into, node.type, source.support), (source.operand,), ops=(name,))
        return self.binary(name, node, into)

    def type_of(self, number: int) -> ir.Type:
        """Element type of a node as instructions see it: indices are i32."""
        type_ = self.nest.nodes[number].type
        return ir.IntegerType.get_signless(32) if isinstance(type_, ir.IndexType) else type_

    def computed(self, number: int) -> bool:
        node = self.nest.nodes[number]
        return isinstance(node, Scalar) and node.name not in WIDENING and number not in self.done

    def retyped(self, number: int, type_: ir.Type, into: _Value | None) -> _Value:
        """Emit a scalar node straight into a narrower float type: one rounding, as the two operations would do."""
        node = self.nest.nodes[number]
        assert isinstance(node, Scalar)
        return self.scalar(number, replace(node, type=type_), into)

    def select(self, node: Scalar, into: _Value | None) -> _Value:
        values = [self.tensor(self.emit(operand)) for operand in node.operands]
        support = frozenset[int]().union(*(value.support for value in values))
        return self.step("select", self.target(into, node.type, support), [value.operand for value in values])

    def binary(self, name: str, node: Scalar, into: _Value | None) -> _Value:
        a, b = self.fused_operand(node, 0), self.fused_operand(node, 1)
        if a is not None and b is None:
            return self.finish_fused(name, node, 0, a, into)
        if b is not None and name in COMMUTATIVE:
            return self.finish_fused(name, node, 1, b, into)
        left, right = self.emit(node.operands[0]), self.emit(node.operands[1])
        mixed = is_float(left.type) != is_float(right.type)  # a float to an integer power
        if isinstance(left.operand, Immediate) and (mixed or isinstance(right.operand, Immediate)):
            left = self.tensor(left)
        target = self.target(into, node.type, left.support | right.support)
        for source, other, reverse in ((left, right, False), (right, left, True)):
            if (
                self.is_scalar(other)
                and not (mixed and reverse)
                and not isinstance(source.operand, Immediate)
                and (self.free(source.support) or not self.free(other.support))
            ):
                number = other.operand.value if isinstance(other.operand, Immediate) else None
                number = None if number is None else _number(number, source.type)
                sources = (source.operand,) if number is not None else (source.operand, other.operand)
                return self.step("tensor_scalar", target, sources, scalars=((name, number, reverse),))
        return self.step("tensor_tensor", target, (left.operand, right.operand), ops=(name,))

    def is_scalar(self, value: _Value) -> bool:
        """Whether an instruction takes the value as one number per lane."""
        return not self.free(value.support) and not isinstance(value.operand, Result)

    def fused_operand(self, node: Scalar, side: int) -> Scalar | None:
        """Operand ``side`` when it can become the first half of a two-operation instruction: used once, float, with a
        factor that is one number per lane.
        """
        number = node.operands[side]
        inner = self.nest.nodes[number]
        if not isinstance(inner, Scalar) or len(inner.operands) != 2 or self.uses[number] != 1 or number in self.done:
            return None
        if self.instruction(inner) is None or not is_float(inner.type) or inner.type != node.type:
            return None
        first, second = (self.emit(operand) for operand in inner.operands)
        usable = self.is_scalar(second) and not isinstance(first.operand, Immediate) and bool(self.free(first.support))
        return inner if usable else None

    def instruction(self, node: Scalar) -> str | None:
        return scalars.instruction_op(node.name, node.predicate, str(self.type_of(node.operands[0])))

    def finish_fused(self, name: str, node: Scalar, side: int, inner: Scalar, into: _Value | None) -> _Value:
        first, scalar = (self.emit(operand) for operand in inner.operands)
        other = self.emit(node.operands[1 - side])
        first_op = self.instruction(inner)
        assert first_op is not None
        target = self.target(into, node.type, first.support | other.support)
        steps, sources = list[Scalarstep](), [first.operand]
        for op, value, reverse in ((first_op, scalar, False), (name, other, side == 1)):
            if isinstance(value.operand, Immediate):
                steps.append((op, _number(value.operand.value, inner.type), reverse))
            else:
                steps.append((op, None, reverse))
                sources.append(value.operand)
        if self.is_scalar(other):
            return self.step("tensor_scalar", target, sources, scalars=tuple(steps))
        scalar = self.tensor(scalar)
        sources = (first.operand, scalar.operand, other.operand)
        return self.step("scalar_tensor_tensor", target, sources, ops=(first_op, name))


def is_float(type_: ir.Type) -> bool:
    """Whether the engines compute on such elements in fp32."""
    return isinstance(type_, ir.F32Type | ir.BF16Type | ir.F16Type)


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
