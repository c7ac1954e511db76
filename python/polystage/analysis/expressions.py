"""The body of a nest as instructions see it: a graph of engine operations, and what is known of its values.

Casts to wider floats are no operations: engines read narrow elements. Some operations get the engines' own name: a
product with itself is a ``square``, one divided by a value its ``reciprocal``, a choice between two compared values,
one of them a number, their extremum, arithmetic that spells out an activation function that function (``functions``).
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from torch_mlir import ir

from polystage.analysis.functions import function_of
from polystage.analysis.nests import Constant, Gather, Index, Load, Nest, Scalar
from polystage.analysis.reductions import WIDENING
from polystage.dialects.npu import scalars

DECIDED = {scalars.CMPF_PREDICATES.index("false"): 0, scalars.CMPF_PREDICATES.index("true"): 1}
"""Comparisons that are constants."""


class NotSelectableError(Exception):
    """An operation that no instruction performs."""


@dataclass(frozen=True)
class Term:
    """A node as instructions see it: ``op`` is an operation of the engines, or ``select``, ``cast``, ``widen``,
    ``narrow``; "" is a value that no arithmetic makes.
    """

    op: str
    operands: tuple[int, ...]
    type: ir.Type


class Graph:
    """The nodes that ``roots`` need; ``lane`` is the loop across the lanes."""

    def __init__(self, nest: Nest, roots: Sequence[int], lane: int | None) -> None:
        self.nest, self.roots, self.lane = nest, tuple(roots), lane
        self._terms: dict[int, Term] = {}
        self._supports: dict[int, frozenset[int]] = {}

    @cached_property
    def uses(self) -> Counter[int]:
        """How many nodes use each node, counting only what is needed."""
        counts, seen, pending = Counter(self.roots), set[int](), list(self.roots)
        while pending:
            number = pending.pop()
            if number in seen:
                continue
            seen.add(number)
            operands = list(dict.fromkeys(self.operands(number)))
            counts.update(operands)
            pending.extend(operands)
        return counts

    def operands(self, number: int) -> tuple[int, ...]:
        """Nodes that a node is computed from."""
        node = self.nest.nodes[number]
        if isinstance(node, Gather):
            return tuple(index for index in node.indices if isinstance(index, int))
        return self.term(number).operands

    def term(self, number: int) -> Term:
        """What instructions see of a node."""
        if number not in self._terms:
            node = self.nest.nodes[number]
            self._terms[number] = self._term(node, number) if isinstance(node, Scalar) else Term("", (), node.type)
        return self._terms[number]

    def _term(self, node: Scalar, number: int) -> Term:
        if node.name == "arith.cmpf" and node.predicate in DECIDED:
            return Term("", (), node.type)
        if node.name in WIDENING:
            return Term("widen", (self._unrounded(node.operands[0], node.type),), node.type)
        if node.name == "arith.truncf":
            return Term("narrow", node.operands, node.type)
        if node.name == "arith.select":
            return self._extremum(node) or Term("select", node.operands, node.type)
        element = str(self.element(node.operands[0]))
        if scalars.cast_is_copy(node.name, element, str(node.type)):
            return Term("cast", node.operands, node.type)
        name = scalars.instruction_op(node.name, node.predicate, element)
        if name is None:
            raise NotSelectableError(f"{node.name} on {element} has no instruction")
        if is_float(node.type):
            function = function_of(self.nest.nodes, number) if name in ("multiply", "divide") else None
            if function is not None:
                return Term(function.name, (function.operand,), node.type)
            if name == "multiply" and node.operands[0] == node.operands[1]:
                return Term("square", node.operands[:1], node.type)
            if name == "divide" and self.number(node.operands[0]) == 1:
                return Term("reciprocal", node.operands[1:], node.type)
        return Term(name, node.operands, node.type)

    def _unrounded(self, number: int, type_: ir.Type) -> int:
        """What is widened: a value that is narrowed for that alone is taken as it was."""
        node = self.nest.nodes[number]
        if isinstance(node, Scalar) and node.name == "arith.truncf" and self._readers[number] == 1:
            source = node.operands[0]
            return source if self.nest.nodes[source].type == type_ else number
        return number

    @cached_property
    def _readers(self) -> Counter[int]:
        """How many nodes of the nest use each node, and the store."""
        nodes = [node.operands for node in self.nest.nodes if isinstance(node, Scalar)]
        gathers = [self.operands(k) for k, node in enumerate(self.nest.nodes) if isinstance(node, Gather)]
        indices = [index for index in self.nest.store.indices if isinstance(index, int)]
        return Counter([self.nest.store.value, *indices, *(k for each in (*nodes, *gathers) for k in each)])

    def _extremum(self, node: Scalar) -> Term | None:
        """``select(a > c, a, c)`` with a number c as the extremum of a and c that treats NaN alike."""
        test, *values = (self.nest.nodes[operand] for operand in node.operands)
        if not isinstance(test, Scalar) or test.name != "arith.cmpf" or test.predicate is None:
            return None
        _, taken, other = node.operands
        if {taken, other} != set(test.operands) or taken == other:
            return None
        numbers = [value.value for value in values if isinstance(value, Constant)]
        predicate = scalars.CMPF_PREDICATES[test.predicate]
        if len(numbers) != 1 or math.isnan(numbers[0]) or predicate[1:] not in ("gt", "ge", "lt", "le"):
            return None
        greater = predicate[1] == "g"
        if test.operands[0] == other:
            greater = not greater
        nan_taken = taken if predicate[0] == "u" else other
        propagates = not isinstance(self.nest.nodes[nan_taken], Constant)
        name = ("max" if greater else "min") + ("" if propagates else "num")
        return Term(name, (taken, other), node.type)

    def element(self, number: int) -> ir.Type:
        """Element type of a node as instructions see it: indices are i32."""
        type_ = self.nest.nodes[number].type
        return ir.IntegerType.get_signless(32) if isinstance(type_, ir.IndexType) else type_

    def number(self, node: int) -> float | int | None:
        """The value of a constant."""
        found = self.nest.nodes[node]
        if isinstance(found, Scalar) and found.name == "arith.cmpf" and found.predicate is not None:
            return DECIDED.get(found.predicate)
        return found.value if isinstance(found, Constant) else None

    def is_float(self, number: int) -> bool:
        """Whether the engines compute on such elements in fp32."""
        return is_float(self.nest.nodes[number].type)

    def support(self, number: int) -> frozenset[int]:
        """Loops that a value depends on."""
        if number not in self._supports:
            node = self.nest.nodes[number]
            match node:
                case Load():
                    found = node.access.support
                case Index():
                    found = node.value.support
                case Gather():
                    linear = [index.support for index in node.indices if not isinstance(index, int)]
                    found = frozenset[int]().union(*linear, *(self.support(k) for k in self.operands(number)))
                case _:
                    found = frozenset[int]().union(*(self.support(k) for k in self.operands(number)))
            self._supports[number] = found
        return self._supports[number]

    def per_lane(self, number: int) -> bool:
        """Whether a value is a number, or one number per lane."""
        return not self.support(number) - {self.lane}

    def inner(self, number: int, outer: ir.Type) -> Term | None:
        """A node that an instruction on floats may compute on the way: arithmetic, used once.

        Narrowing on the way rounds nothing: the instruction computes in fp32.
        """
        if not is_float(outer):
            return None
        while self.term(number).op in ("narrow", "widen") and number not in self.roots and self.uses[number] == 1:
            number = self.term(number).operands[0]
        term = self.term(number)
        known = term.op in scalars.SCALAR_OPS and number not in self.roots and self.uses[number] == 1
        return term if known and is_float(term.type) else None


def is_float(type_: ir.Type) -> bool:
    """Whether the engines compute on such elements in fp32."""
    return isinstance(type_, ir.F32Type | ir.BF16Type | ir.F16Type)
