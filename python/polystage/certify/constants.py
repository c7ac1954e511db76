"""Iterations whose operands are all constants, and what they compute.

A pass may put the result in place of the computation, so such a value is named by its number, not by its nest. Integer
arithmetic only, two's complement; what is not evaluated here keeps its nest's name in both programs.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import product

from polystage.poly.relation import Relation, Relations

from .program import Base, Leaf, Node
from .sources import Sources
from .trace import Computation

_EVALUATE: Mapping[str, Callable[[int, int], int]] = {
    "arith.addi": lambda a, b: a + b,
    "arith.subi": lambda a, b: a - b,
    "arith.muli": lambda a, b: a * b,
    "arith.maxsi": lambda a, b: max(a, b),
    "arith.minsi": lambda a, b: min(a, b),
    "arith.andi": lambda a, b: a & b,
    "arith.ori": lambda a, b: a | b,
    "arith.xori": lambda a, b: a ^ b,
}


def constant_results(algebra: Relations, done: Computation) -> Sources:
    """For the iterations of a nest whose operands are all constants: the constant that each computes."""
    if done.accumulates or done.nest.indices or done.chain:
        return {}
    leaves = list(_leaves(done.core))
    choices: list[list[tuple[Base, Relation]]] = []
    for leaf in leaves:
        sources = done.readings[leaf].sources
        choices.append([(base, each) for (chain, base), each in sources.items() if base[0] == "constant" and not chain])
        if leaf.indices or done.readings[leaf].own == "any" or not choices[-1]:
            return {}
    found: dict[tuple[tuple[()], Base], Relation] = {}
    for chosen in product(*choices):
        here = algebra.unit(algebra.identity(done.nest.domain))
        for _, relation in chosen:
            here = algebra.intersection(here, relation)
        if here.empty:
            continue
        value = _evaluated(done.core, dict(zip(leaves, (base for base, _ in chosen), strict=True)))
        if value is not None:
            found[((), value)] = algebra.union(found[((), value)], here) if ((), value) in found else here
    return found


def _leaves(node: Node) -> Iterator[Leaf]:
    if isinstance(node, Leaf):
        yield node
    else:
        yield from dict.fromkeys(leaf for each in node.operands for leaf in _leaves(each))


def _evaluated(node: Node, values: Mapping[Leaf, Base]) -> Base | None:
    """The constant that an expression is, None if it is not evaluated."""
    if isinstance(node, Leaf):
        return values[node]
    if node.kind[0] not in _EVALUATE or not node.kind[1].startswith("i") or len(node.operands) != 2:
        return None
    first, second = (_evaluated(each, values) for each in node.operands)
    if first is None or second is None or not node.kind[1][1:].isdigit():
        return None
    width = int(node.kind[1][1:])
    number = _EVALUATE[node.kind[0]](int(first[1]), int(second[1])) & ((1 << width) - 1)
    signed = number - (1 << width) if number >> (width - 1) and width > 1 else number
    return ("constant", repr(signed), node.kind[1])
