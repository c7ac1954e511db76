"""Covers the expression tree of a nest's body with instructions of least engine time, by dynamic programming.

A body is a graph; values used more than once are computed once, so that what is between them are trees. Each node of a
tree may be the root of several *patterns*: one instruction that also computes some of the nodes below it. The cost of a
pattern is its instruction's time plus the cost of what remains below; the best pattern of every node follows from those
of its leaves (Aho and Johnson, "Optimal code generation for expression trees", 1976).

Patterns keep every rounding but those inside of one instruction, where the engines compute in fp32, and of values that
are narrowed only to be widened again. They use what holds exactly for floats: ``x - s = x + (-s)``,
``s - x = (-1) * x + s``, division by a power of two is a product, ``f(x) = f(-x)`` for even functions, a choice between
two compared values is their extremum (one of them a number that is not NaN). Instructions take as long as on a nominal
tile: a selection must not depend on tile sizes.

Not handled: reassociation, distribution, and values that two instructions would compute together.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch_mlir import ir

from polystage.analysis.expressions import Graph, Term, is_float
from polystage.dialects.npu import ENGINE, scalars
from polystage.machine import Machine

COMMUTATIVE = frozenset({"add", "multiply", "max", "min", "maxnum", "minnum"})
EVEN = frozenset({"square", "abs", "cos", "cosh"})
NOMINAL = 256
"""Iterations that every free loop counts for."""


@dataclass(frozen=True)
class EngineCosts:
    """Time of an instruction: ``fixed`` ns for each, ``element`` ns for each element per lane, by engine."""

    fixed: Mapping[str, float]
    element: Mapping[str, float]

    @classmethod
    def of(cls, machine: Machine) -> "EngineCosts":
        """The costs of a target."""
        engines = {name: machine.engine(name) for name in ("vector", "scalar", "gpsimd")}
        return cls(
            {name: engine.fixed_cycles / engine.clock_ghz for name, engine in engines.items()},
            {name: machine.lanes / engine.elements_per_cycle / engine.clock_ghz for name, engine in engines.items()},
        )

    def __call__(self, instruction: str, loops: int) -> float:
        """Time of an instruction over so many free loops."""
        engine = ENGINE[instruction]
        return self.fixed.get(engine, 0.0) + self.element.get(engine, 0.0) * NOMINAL**loops


EQUAL_ENGINES = EngineCosts(dict.fromkeys(("vector", "scalar"), 60.0), dict.fromkeys(("vector", "scalar"), 1.0))
"""For selections without a target: an instruction costs 60 elements."""


@dataclass(frozen=True)
class Activation:
    """``func(scale * source + bias)``; ``bias`` is a number, or a node with one value per lane, taken with ``sign``.

    Beside such a node the scale may be one too, ``scales``.
    """

    func: str
    source: int
    scale: float = 1.0
    bias: float = 0.0
    lanes: int | None = None
    sign: int = 1
    scales: int | None = None


@dataclass(frozen=True)
class Chain:
    """``tensor_scalar``: one or two steps (operation, scalar, whether the scalar comes first).

    A scalar is a node, or as a float a number.
    """

    source: int
    steps: tuple[tuple[str, int | float, bool], ...]


@dataclass(frozen=True)
class Pair:
    """``tensor_tensor``."""

    op: str
    left: int
    right: int


@dataclass(frozen=True)
class Triple:
    """``scalar_tensor_tensor``: ``(source op0 scalar) op1 other``."""

    ops: tuple[str, str]
    source: int
    scalar: int
    other: int


@dataclass(frozen=True)
class Choice:
    """``select``."""

    operands: tuple[int, int, int]


@dataclass(frozen=True)
class Cast:
    """``tensor_copy`` to another element type."""

    source: int


@dataclass(frozen=True)
class Narrowed:
    """The value of ``source``, rounded to the narrower type as it is written."""

    source: int


Pattern = Activation | Chain | Pair | Triple | Choice | Cast | Narrowed


class Covering:
    """The best pattern of every node of a graph."""

    def __init__(self, graph: Graph, costs: EngineCosts) -> None:
        self.graph, self.costs = graph, costs
        self._best: dict[int, tuple[float, Pattern]] = {}

    def best(self, number: int) -> Pattern:
        """The pattern that computes node ``number``."""
        if not self._best:
            for each in sorted(self.graph.uses):  # operands come first, so that no recursion goes deep
                self.graph.support(each)
                if self.graph.term(each).op not in ("", "widen"):
                    self._choose(each)
        return self._choose(number)[1]

    # choosing

    def _choose(self, number: int) -> tuple[float, Pattern]:
        if number not in self._best:
            patterns = list(self.patterns(number))
            self._best[number] = min(((self._cost(number, each), each) for each in patterns), key=lambda pair: pair[0])
        return self._best[number]

    def _below(self, number: int) -> float:
        """Cost of what is computed for one leaf alone."""
        term = self.graph.term(number)
        if self.graph.uses[number] > 1 or not term.op:
            return 0.0
        return self._below(term.operands[0]) if term.op == "widen" else self._choose(number)[0]

    def _cost(self, number: int, pattern: Pattern) -> float:
        loops = len(self.graph.support(number) - {self.graph.lane})
        match pattern:
            case Activation():
                extra = 0.0
                if pattern.lanes is not None:
                    extra = self._below(pattern.lanes) + (self.costs("activation", 0) if pattern.sign < 0 else 0.0)
                if pattern.scales is not None:
                    extra += self._below(pattern.scales)
                return self.costs("activation", loops) + self._below(pattern.source) + extra
            case Chain():
                leaves = [scalar for _, scalar, _ in pattern.steps if isinstance(scalar, int)]
                return self.costs("tensor_scalar", loops) + sum(map(self._below, (pattern.source, *leaves)))
            case Pair():
                return self.costs("tensor_tensor", loops) + sum(map(self._below, {pattern.left, pattern.right}))
            case Triple():
                set_ = self.costs("memset", 0) if self.graph.number(pattern.scalar) is not None else 0.0
                leaves = (pattern.source, pattern.scalar, pattern.other)
                return self.costs("scalar_tensor_tensor", loops) + set_ + sum(map(self._below, leaves))
            case Choice():
                return self.costs("select", loops) + sum(map(self._below, set(pattern.operands)))
            case Cast():
                return self.costs("tensor_copy", loops) + self._below(pattern.source)
            case Narrowed():
                return self._choose(pattern.source)[0]

    # patterns

    def patterns(self, number: int) -> Iterator[Pattern]:
        """All patterns whose root is an arithmetic node."""
        term = self.graph.term(number)
        match term.op:
            case "narrow":
                source = term.operands[0]
                made = self.graph.term(source).op
                if self.graph.uses[source] == 1 and made and made not in ("widen", "narrow", "cast"):
                    yield Narrowed(source)
                else:
                    yield Cast(source)
            case "cast":
                yield Cast(term.operands[0])
            case "select":
                a, b, c = term.operands
                yield Choice((a, b, c))
            case op if scalars.SCALAR_OPS[op].arity == 1:
                yield from self.activations(op, term.operands[0])
            case op:
                yield from self.binary(op, *term.operands)
                if is_float(term.type):
                    yield from self.linear("copy", term, term.type)

    def activations(self, func: str, operand: int) -> Iterator[Activation]:
        """``func`` of a node, with the scaling and the addition below it."""
        outer = self.graph.nest.nodes[operand].type
        yield Activation(func, operand)
        if is_float(outer):
            yield from self.linear(func, self.graph.inner(operand, outer), outer)

    def linear(self, func: str, term: Term | None, outer: ir.Type) -> Iterator[Activation]:
        """``func`` of a term that is a scaling or an addition of another node."""
        if term is None:
            return
        for source, scale in self.scalings(term):
            if scale != 1:
                yield Activation(func, source, scale)
        if term.op not in ("add", "subtract"):
            return
        for position in (0, 1):
            value, added = term.operands[position], term.operands[1 - position]
            if not self.graph.per_lane(added) or self.graph.number(value) is not None or not self.graph.is_float(added):
                continue
            first, sign = (1, 1) if term.op == "add" else (1, -1) if position == 0 else (-1, 1)
            if func in EVEN and sign < 0:
                first, sign = -first, 1
            constant = self.graph.number(added)
            for source, scale in self.scaled(value, outer):
                if constant is not None:
                    yield Activation(func, source, first * scale, sign * float(constant))
                else:
                    yield Activation(func, source, first * scale, lanes=added, sign=sign)
            if constant is None and first == 1:
                for source, scales in self.scaled_by_lane(value, outer):
                    yield Activation(func, source, lanes=added, sign=sign, scales=scales)

    def scaled_by_lane(self, number: int, outer: ir.Type) -> Iterator[tuple[int, int]]:
        """The node as another one times one value per lane."""
        term = self.graph.inner(number, outer)
        if term is None or term.op != "multiply":
            return
        for position in (0, 1):
            value, factor = term.operands[position], term.operands[1 - position]
            varies = self.graph.number(value) is None and not self.graph.per_lane(value)
            if varies and self.graph.per_lane(factor) and self.graph.number(factor) is None:
                yield value, factor

    def scaled(self, number: int, outer: ir.Type) -> Iterator[tuple[int, float]]:
        """The node as a number times another one."""
        yield number, 1.0
        term = self.graph.inner(number, outer)
        if term is not None:
            yield from self.scalings(term)

    def scalings(self, term: Term) -> Iterator[tuple[int, float]]:
        """A term as a number times a node."""
        if term.op == "negate":
            yield term.operands[0], -1.0
        elif term.op in ("multiply", "divide"):
            for position in (0, 1) if term.op == "multiply" else (0,):
                constant = self.graph.number(term.operands[1 - position])
                if constant is None or self.graph.number(term.operands[position]) is not None:
                    continue
                if term.op == "multiply":
                    yield term.operands[position], float(constant)
                elif is_power_of_two(float(constant)):
                    yield term.operands[position], 1.0 / float(constant)

    def binary(self, op: str, left: int, right: int) -> Iterator[Pattern]:
        """One operation on two nodes, and what is computed on the way to its first one."""
        if op == "max" and self.graph.is_float(left):
            for value, number in ((left, right), (right, left)):
                if self.graph.number(number) == 0 and self.graph.number(value) is None:
                    yield from self.activations("relu", value)
        mixed = self.graph.is_float(left) != is_float(self.graph.nest.nodes[right].type)  # float to integer power
        for value, other, reverse in ((left, right, False), (right, left, True)):
            if reverse if mixed else self.graph.number(value) is not None and self.graph.number(other) is None:
                continue
            before = list(self.first_steps(value)) if value != other else []
            if self.graph.per_lane(other):
                last = (op, other, reverse)
                if self.graph.support(value) - {self.graph.lane} or not self.graph.support(other) - {self.graph.lane}:
                    yield Chain(value, (last,))
                yield from (Chain(source, (step, last)) for source, step in before)
            elif not reverse or op in COMMUTATIVE:
                for source, (first, scalar, swapped) in before:
                    if isinstance(scalar, int) and (not swapped or first in COMMUTATIVE):
                        yield Triple((first, op), source, scalar, other)
        if mixed or (self.graph.number(left) is None and self.graph.number(right) is None):
            yield Pair(op, left, right)

    def first_steps(self, number: int) -> Iterator[tuple[int, tuple[str, int | float, bool]]]:
        """The node as an operation of another one and a scalar."""
        term = self.graph.inner(number, self.graph.nest.nodes[number].type)
        if term is None:
            return
        if term.op == "negate":
            yield term.operands[0], ("multiply", -1.0, False)
        elif term.op == "reciprocal":
            yield term.operands[0], ("divide", 1.0, True)
        elif len(term.operands) > 1:
            left, right = term.operands
            for value, other, reverse in ((left, right, False), (right, left, True)):
                same = self.graph.nest.nodes[value].type == term.type == self.graph.nest.nodes[other].type
                if same and self.graph.per_lane(other) and self.graph.number(value) is None:
                    yield value, (term.op, other, reverse)


def is_power_of_two(value: float) -> bool:
    """Whether division by ``value`` is exactly a product with its inverse, both being normal fp32 numbers."""
    return abs(math.frexp(value)[0]) == 0.5 and abs(math.frexp(value)[1]) < 120
