"""The factors of a contraction, on bodies of nests; its two loads may lie under casts that widen them."""

from polystage.analysis.reductions import WIDENING
from polystage.passes.nests.body import Body, Load, Scalar


def factors(body: Body, combine: str, number: int) -> tuple[Load, Load] | None:
    """The two loads whose products node ``number`` is, if ``combine`` sums them."""
    product = body.nodes[_stripped(body, number)]
    if combine != "arith.addf" or not isinstance(product, Scalar) or product.name != "arith.mulf":
        return None
    lhs, rhs = (body.nodes[_stripped(body, operand)] for operand in product.operands)
    return (lhs, rhs) if isinstance(lhs, Load) and isinstance(rhs, Load) else None


def summed_factors(body: Body) -> tuple[Load, Load] | None:
    """The two loads whose products the body adds to the element that it stores; None for another body."""
    store = body.result()
    root = body.nodes[store.value]
    if not isinstance(root, Scalar) or len(root.operands) != 2:
        return None
    for own, value in (root.operands, root.operands[::-1]):
        before = body.nodes[own]
        if isinstance(before, Load) and (before.array, before.indices) == (store.array, store.indices):
            return factors(body, root.name, value)
    return None


def _stripped(body: Body, number: int) -> int:
    node = body.nodes[number]
    while isinstance(node, Scalar) and node.name in WIDENING:
        number = node.operands[0]
        node = body.nodes[number]
    return number
