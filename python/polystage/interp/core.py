"""Decoding of structured programs into closures: blocks, loops, index arithmetic; instructions are added by others.

A program is decoded once into a list of steps, which are closures without arguments. All that changes while they run
(loop counters, index values, tokens) lives in one list, the environment; decoding gives each SSA value a slot there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from torch_mlir import ir

from polystage.errors import UserError
from polystage.interp.access import Linear, Span, linear
from polystage.interp.memory import Array, Buffer, Fault

Step = Callable[[], object]
"""Runs one instruction or one loop; what it returns means nothing."""


@dataclass(frozen=True)
class Reach:
    """The bytes of each lane that an access may touch at one point of the loops.

    They are ``pieces``, pairs of first byte and end, moved by ``base`` plus the sum of ``factor * env[slot]`` over
    ``terms``, that sum modulo the pitch of the memory.
    """

    base: int
    terms: tuple[tuple[int, int], ...]
    pieces: tuple[tuple[int, int], ...]

    def apart(self) -> "list[Reach]":
        """Each piece alone."""
        return [Reach(self.base, self.terms, (piece,)) for piece in self.pieces]


@dataclass(frozen=True)
class Operand:
    """One access of an instruction, as listeners see it.

    ``tensor`` is empty for on-chip memory; ``element`` is the MLIR element type; ``kind`` is read or write; ``reach``
    is None in DRAM.
    """

    role: str
    memory: str
    tensor: str
    element: str
    kind: str
    buffer: Buffer
    reach: Reach | None = None


@dataclass(eq=False)
class Site:
    """One instruction of the program text. ``operands`` are in the order of the views that listeners get."""

    op: str
    engine: str
    cause: str
    sizes: tuple[int, ...]
    position: ir.Location
    env: list[Any]
    loops: tuple[int, ...]
    spans: Mapping[int, Span]
    operands: tuple[Operand, ...] = ()

    def fault(self, kind: str, text: str, with_loops: bool = True) -> Fault:
        """A fault of this instruction; ``with_loops`` adds the values of the loop counters, outermost first."""
        counters = ", ".join(f"iv{depth} = {self.env[slot]}" for depth, slot in enumerate(self.loops))
        tail = f" at {counters}" if with_loops and counters else ""
        return Fault(kind, f"npu.{self.op}: {text}{tail}", describe(self.position))


Listener = Callable[[Site, Sequence[Array], int], None]
"""Called after an instruction is executed, with the views it touched and, for a transfer, its number (else -1)."""


@dataclass(eq=False)
class Decoder:
    """State of decoding: what each SSA value stands for.

    ``handlers`` decode the ops that are not structure; ``following`` is the op behind the one being decoded.
    """

    handlers: "Mapping[str, Handler]"
    listeners: tuple[Listener, ...] = ()
    env: list[Any] = field(default_factory=list[Any])
    indices: dict[ir.Value, Linear] = field(default_factory=dict[ir.Value, Linear])
    slots: dict[ir.Value, int] = field(default_factory=dict[ir.Value, int])
    buffers: dict[ir.Value, Buffer] = field(default_factory=dict[ir.Value, Buffer])
    spans: dict[int, Span] = field(default_factory=dict[int, Span])
    loops: tuple[int, ...] = ()
    following: ir.Operation | None = None

    def block(self, block: ir.Block) -> tuple[Step, ...]:
        """The steps of a block; its terminator is left to whoever owns the block."""
        steps: list[Step] = []
        operations = [op.operation for op in block.operations][:-1]
        for position, op in enumerate(operations):
            handler = _STRUCTURE.get(op.name) or self.handlers.get(op.name)
            if handler is None:
                raise UserError(f"'{op.name}' is not part of an npu program", describe(op.location))
            self.following = operations[position + 1] if position + 1 < len(operations) else None
            decoded = handler(self, op)
            if decoded is not None:
                steps.append(decoded)
        return tuple(steps)

    def new_slot(self, span: Span | None = None) -> int:
        """A new place in the environment, which holds integers within ``span`` when it is given."""
        self.env.append(0)
        slot = len(self.env) - 1
        if span is not None:
            self.spans[slot] = span
        return slot

    def slot_of(self, value: ir.Value) -> int:
        """The slot of a token or of another value carried through the environment."""
        if value not in self.slots:
            self.slots[value] = self.new_slot()
        return self.slots[value]


Handler = Callable[[Decoder, ir.Operation], Step | None]


def describe(location: ir.Location) -> str:
    """``file:line:col`` of a location, or its text where it has none."""
    text = str(location).removeprefix("loc(").removesuffix(")")
    return text.replace('"', "")


def _loop(decoder: Decoder, op: ir.Operation) -> Step | None:
    if len(op.operands) != len(op.results):
        raise UserError("loop bounds must be constant in an npu program", describe(op.location))
    lower, upper = _constant(op, "lowerBoundMap"), _constant(op, "upperBoundMap")
    step = ir.IntegerAttr(op.attributes["step"]).value
    block = op.regions[0].blocks[0]
    counter, *carried = block.arguments
    for init, inside, outside in zip(op.operands, carried, op.results, strict=True):
        decoder.slots[outside] = decoder.slots[inside] = decoder.new_slot()
        decoder.slot_of(init)
    counts = range(lower, upper, step)
    moves = [(decoder.slots[inside], decoder.slots[init]) for init, inside in zip(op.operands, carried, strict=True)]
    if not counts:
        return _assign(decoder.env, moves) if moves else None
    slot = decoder.new_slot(Span(counts[0], counts[-1]))
    decoder.indices[counter] = Linear(slots={slot: 1})
    outer, decoder.loops = decoder.loops, (*decoder.loops, slot)
    body = decoder.block(block)
    decoder.loops = outer
    if not moves:
        return _repeat(decoder.env, slot, counts, body)
    last = list(block.operations)[-1].operation
    results = [
        (decoder.slots[inside], decoder.slot_of(value)) for inside, value in zip(carried, last.operands, strict=True)
    ]
    run = _repeat(decoder.env, slot, counts, (*body, _assign(decoder.env, results)))
    start = _assign(decoder.env, moves)

    def carry() -> None:
        start()
        run()

    return carry


def _repeat(env: list[Any], slot: int, counts: range, body: tuple[Step, ...]) -> Step:
    if len(body) == 1:
        (only,) = body

        def tight() -> None:
            for count in counts:
                env[slot] = count
                only()

        return tight

    def loop() -> None:
        for count in counts:
            env[slot] = count
            for step in body:
                step()

    return loop


def _assign(env: list[Any], moves: Sequence[tuple[int, int]]) -> Step:
    def assign() -> None:
        values = [env[source] for _, source in moves]
        for (target, _), value in zip(moves, values, strict=True):
            env[target] = value

    return assign


def _apply(decoder: Decoder, op: ir.Operation) -> Step | None:
    access = ir.AffineMapAttr(op.attributes["map"]).value
    operands = [index_of(decoder, value) for value in op.operands]
    dims, symbols = operands[: access.n_dims], operands[access.n_dims :]
    expr = access.results[0]
    value = linear(expr, dims, symbols)
    if value is not None:
        decoder.indices[op.results[0]] = value
        return None
    evaluate = evaluator(expr, [scalar_of(decoder, d) for d in dims], [scalar_of(decoder, s) for s in symbols])
    slot = decoder.new_slot(_span(decoder, evaluate, [*dims, *symbols]))
    decoder.indices[op.results[0]] = Linear(slots={slot: 1})
    env = decoder.env

    def apply() -> None:
        env[slot] = evaluate()

    return apply


def index_of(decoder: Decoder, value: ir.Value) -> Linear:
    """What an index value is, over the slots of the environment."""
    known = decoder.indices.get(value)
    if known is None:
        raise UserError(f"index {value.get_name()} is no loop counter and no affine.apply of some", None)
    return known


def scalar_of(decoder: Decoder, value: Linear) -> Callable[[], int]:
    """A closure for the present value of a linear index."""
    env, constant, terms = decoder.env, value.constant, tuple(value.slots.items())
    return lambda: constant + sum([scale * env[slot] for slot, scale in terms])


def evaluator(
    expr: ir.AffineExpr, dims: Sequence[Callable[[], Any]], symbols: Sequence[Callable[[], Any]]
) -> Callable[[], Any]:
    """A closure for ``expr`` over integers or integer arrays, nonlinear operations included."""
    if isinstance(expr, ir.AffineConstantExpr):
        value = expr.value
        return lambda: value
    if isinstance(expr, ir.AffineDimExpr):
        return dims[expr.position]
    if isinstance(expr, ir.AffineSymbolExpr):
        return symbols[expr.position]
    assert isinstance(expr, ir.AffineBinaryExpr)
    a, b = evaluator(expr.lhs, dims, symbols), evaluator(expr.rhs, dims, symbols)
    if isinstance(expr, ir.AffineAddExpr):
        return lambda: a() + b()
    if isinstance(expr, ir.AffineMulExpr):
        return lambda: a() * b()
    if isinstance(expr, ir.AffineModExpr):
        return lambda: a() % b()
    if isinstance(expr, ir.AffineFloorDivExpr):
        return lambda: a() // b()
    return lambda: -(-a() // b())


def _span(decoder: Decoder, evaluate: Callable[[], int], operands: Sequence[Linear]) -> Span:
    """The values of an index that is not linear: enumerated where that is cheap, else anything."""
    slots = sorted({slot for operand in operands for slot in operand.slots})
    spans = [decoder.spans[slot] for slot in slots]
    count = int(np.prod([span.high - span.low + 1 for span in spans], dtype=object))
    if count > _ENUMERATED:
        return Span(-(1 << 62), 1 << 62, exact=False)
    before = [decoder.env[slot] for slot in slots]
    low = high = None
    for point in product(*(range(span.low, span.high + 1) for span in spans)):
        for slot, value in zip(slots, point, strict=True):
            decoder.env[slot] = value
        value = evaluate()
        low = value if low is None else min(low, value)
        high = value if high is None else max(high, value)
    for slot, value in zip(slots, before, strict=True):
        decoder.env[slot] = value
    return Span(low or 0, high or 0, exact=False)


_ENUMERATED = 4096


def _index_constant(decoder: Decoder, op: ir.Operation) -> Step | None:
    if not isinstance(op.results[0].type, ir.IndexType):
        raise UserError("'arith.constant' of this type is not part of an npu program", describe(op.location))
    decoder.indices[op.results[0]] = Linear(ir.IntegerAttr(op.attributes["value"]).value)
    return None


def _constant(op: ir.Operation, name: str) -> int:
    access = ir.AffineMapAttr(op.attributes[name]).value
    expr = access.results[0]
    if len(access.results) != 1 or not isinstance(expr, ir.AffineConstantExpr):
        raise UserError("loop bounds must be constant in an npu program", describe(op.location))
    return expr.value


_STRUCTURE: Mapping[str, Handler] = {
    "affine.for": _loop,
    "affine.apply": _apply,
    "arith.constant": _index_constant,
}
