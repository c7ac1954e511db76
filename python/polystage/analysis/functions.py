"""Activation functions that models spell out in arithmetic, and that the scalar engine has: found in a nest's body.

=================  ============================================================
``sigmoid``        ``1 / (1 + exp(-x))``
``silu``           ``x * sigmoid(x)``, ``x / (1 + exp(-x))``
``gelu``           ``x / 2 * (1 + erf(x / sqrt 2))``
``gelu_tanh``      ``x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))``
=================  ============================================================

Source of the set: the activation functions of NKI's ``nki.isa.activation`` (there ``gelu_apprx_tanh``). Factors and
terms may come in any order, and constants with them: the engine computes the function in fp32, not these steps.
Rounding to a narrow type on the way is not kept, as inside of any one instruction.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from polystage.analysis.nests import Constant, Node, Scalar

_CASTS = ("arith.extf", "arith.truncf")
_NEAR = 1e-6
"""How far a constant may be from the one that the function has; a rounding to fp32 is 6e-8."""
_DEPTH = 4
"""Products inside of products that are looked at."""


@dataclass(frozen=True)
class Function:
    """``name`` of node ``operand``."""

    name: str
    operand: int


def function_of(nodes: Sequence[Node], number: int) -> Function | None:
    """The function that a float node computes."""
    return _Reading(nodes).function(number)


@dataclass(frozen=True)
class _Product:
    """A product as its constant, the nodes that are multiplied and those it is divided by."""

    constant: float
    factors: tuple[int, ...]
    divisors: tuple[int, ...]


class _Reading:
    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes

    def function(self, number: int) -> Function | None:
        product = self.product(number)
        if _near(product.constant, 1.0) and len(product.divisors) == 1:
            return self.logistic(product)
        if not product.divisors and len(product.factors) == 2:
            for value, other in (product.factors, product.factors[::-1]):
                found = self.gated(product.constant, value, other)
                if found is not None:
                    return found
        return None

    def logistic(self, product: _Product) -> Function | None:
        """``1 / (1 + exp(-x))``, or ``x`` over that."""
        exponent = self.one_plus(product.divisors[0], "math.exp")
        if exponent is None or len(product.factors) > 1:
            return None
        x = self.negated(exponent)
        if x is None:
            return None
        if not product.factors:
            return Function("sigmoid", x)
        return Function("silu", product.factors[0]) if self.same(product.factors[0], x) else None

    def negated(self, number: int) -> int | None:
        """What a node is the negative of."""
        node = self.scalar(number)
        if node is not None and node.name == "arith.negf":
            return node.operands[0]
        product = self.product(number)
        negative = product.constant == -1 and len(product.factors) == 1 and not product.divisors
        return product.factors[0] if negative else None

    def gated(self, constant: float, x: int, gate: int) -> Function | None:
        """``x / 2`` times one of the factors above."""
        if not _near(constant, 0.5):
            return None
        argument = self.one_plus(gate, "math.erf")
        if argument is not None:
            inner = self.product(argument)
            found = _near(inner.constant, math.sqrt(0.5)) and not inner.divisors and len(inner.factors) == 1
            return Function("gelu", x) if found and self.same(inner.factors[0], x) else None
        argument = self.one_plus(gate, "math.tanh")
        if argument is not None:
            inner = self.product(argument)
            found = _near(inner.constant, math.sqrt(2 / math.pi)) and not inner.divisors and len(inner.factors) == 1
            return Function("gelu_tanh", x) if found and self.cubic(inner.factors[0], x) else None
        return None

    def cubic(self, number: int, x: int) -> bool:
        """Whether a node is ``x + 0.044715 * x^3``."""
        node = self.scalar(number)
        if node is None or node.name != "arith.addf":
            return False
        for first, second in (node.operands, node.operands[::-1]):
            product = self.product(second)
            factors = [self.bare(each) for factor in product.factors for each in self.powers(factor)]
            cube = len(factors) == 3 and all(factor == self.bare(x) for factor in factors)
            if self.same(first, x) and cube and not product.divisors and _near(product.constant, 0.044715):
                return True
        return False

    def powers(self, number: int) -> list[int]:
        """A node, or as many times what it is a small power of."""
        node = self.scalar(number)
        if node is not None and node.name in ("math.powf", "math.fpowi"):
            exponent = self.constant(node.operands[1])
            if exponent in (2, 3):
                return [node.operands[0]] * int(exponent)
        return [number]

    def one_plus(self, number: int, name: str) -> int | None:
        """The operand of operation ``name`` where a node is one more than that."""
        node = self.scalar(number)
        if node is None or node.name != "arith.addf":
            return None
        for first, second in (node.operands, node.operands[::-1]):
            inner = self.scalar(second)
            if self.constant(first) == 1 and inner is not None and inner.name == name:
                return inner.operands[0]
        return None

    def product(self, number: int, depth: int = _DEPTH) -> _Product:
        """A node as a product, those it is made of resolved."""
        constant = self.constant(number)
        if constant is not None:
            return _Product(constant, (), ())
        node = self.scalar(number) if depth else None
        if node is not None and node.name == "arith.negf":
            inner = self.product(node.operands[0], depth - 1)
            return _Product(-inner.constant, inner.factors, inner.divisors)
        if node is not None and node.name == "arith.mulf":
            a, b = (self.product(operand, depth - 1) for operand in node.operands)
            return _Product(a.constant * b.constant, a.factors + b.factors, a.divisors + b.divisors)
        if node is not None and node.name == "arith.divf":
            a, b = (self.product(operand, depth - 1) for operand in node.operands)
            if b.constant:
                return _Product(a.constant / b.constant, a.factors + b.divisors, a.divisors + b.factors)
        return _Product(1.0, (number,), ())

    def scalar(self, number: int) -> Scalar | None:
        node = self.nodes[self.bare(number)]
        return node if isinstance(node, Scalar) else None

    def constant(self, number: int) -> float | None:
        node = self.nodes[self.bare(number)]
        return float(node.value) if isinstance(node, Constant) else None

    def bare(self, number: int) -> int:
        """A node without the casts between floats around it."""
        node = self.nodes[number]
        while isinstance(node, Scalar) and node.name in _CASTS:
            number = node.operands[0]
            node = self.nodes[number]
        return number

    def same(self, a: int, b: int) -> bool:
        return self.bare(a) == self.bare(b)


def _near(constant: float, wanted: float) -> bool:
    return math.isclose(constant, wanted, rel_tol=_NEAR)
