"""What a nest folds over its reduced loops, and whether that is a sum of products.

``C[f(i)] = combine(C[f(i)], g(i))`` with an associative ``combine`` is a *reduction* of ``g``; when ``combine``
adds and ``g`` is a product of two loads (casts stripped) it is a *contraction*. Every other fold depends on the order
of its steps. A nest that reads its own array elsewhere is a *recurrence*.

Not handled: folds whose body is no single combining operation stay general folds, run one step after another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from polystage.analysis.nests import Gather, Load, Nest, Scalar

COMBINING = frozenset({
    "arith.addf", "arith.addi", "arith.mulf", "arith.maximumf", "arith.minimumf", "arith.maxnumf", "arith.minnumf",
    "arith.muli", "arith.maxsi", "arith.minsi", "arith.maxui", "arith.minui", "arith.andi", "arith.ori", "arith.xori",
})  # fmt: skip
WIDENING = frozenset({"arith.extf"})


@dataclass(frozen=True)
class Reduction:
    """``combine`` is the MLIR operation; ``accumulator`` and ``operand`` are node numbers of its two sides."""

    combine: str
    accumulator: int
    operand: int


@dataclass(frozen=True)
class Product:
    """Two loads that are multiplied: node numbers."""

    lhs: int
    rhs: int


def reduction_of(nest: Nest) -> Reduction | None:
    """The nest as a reduction, or None."""
    root = nest.nodes[nest.store.value]
    if nest.store.indirect or not isinstance(root, Scalar) or root.name not in COMBINING or len(nest.self_loads) != 1:
        return None
    (accumulator,) = nest.self_loads
    if accumulator not in root.operands or root.operands[0] == root.operands[1]:
        return None
    node = nest.nodes[accumulator]
    if not isinstance(node, Load) or node.access.indices != nest.store.access.indices:
        return None
    operand = root.operands[1 - root.operands.index(accumulator)]
    return None if accumulator in cone(nest, operand) else Reduction(root.name, accumulator, operand)


def product_of(nest: Nest, reduction: Reduction) -> Product | None:
    """The two loads whose products are summed, or None; float only (the matrix engine has no integers)."""
    product = nest.nodes[strip_casts(nest, reduction.operand)]
    if reduction.combine != "arith.addf" or not isinstance(product, Scalar) or product.name != "arith.mulf":
        return None
    lhs, rhs = (strip_casts(nest, operand) for operand in product.operands)
    if isinstance(nest.nodes[lhs], Load) and isinstance(nest.nodes[rhs], Load):
        return Product(lhs, rhs)
    return None


def strip_casts(nest: Nest, number: int) -> int:
    """The node behind value-preserving casts."""
    node = nest.nodes[number]
    while isinstance(node, Scalar) and node.name in WIDENING:
        number = node.operands[0]
        node = nest.nodes[number]
    return number


def cone(nest: Nest, number: int) -> frozenset[int]:
    """All nodes that ``number`` is computed from, itself included."""
    seen, pending = set[int](), [number]
    while pending:
        current = pending.pop()
        if current not in seen:
            seen.add(current)
            node = nest.nodes[current]
            if isinstance(node, Scalar):
                pending.extend(node.operands)
    return frozenset(seen)


def sequential(nest: Nest) -> frozenset[int]:
    """Loops that take one iteration at a time, all of them in program order, so that the others may take any order.

    Those are the loops along which a recurrence reads what an earlier iteration wrote; all but the innermost reduced
    loop of a fold whose steps do not commute; and loops whose iterations store the same element.
    """
    if recurs := recurrence(nest):
        return recurs | frozenset(nest.reduced)
    if nest.store.indirect:
        return frozenset()
    if reduction_of(nest) is None:
        shared = _sharing(nest, frozenset())
        return shared | frozenset(nest.reduced) if shared else frozenset(nest.reduced[:-1])
    loops = frozenset[int]()
    while shared := _sharing(nest, loops):
        loops |= {min(shared, key=lambda loop: nest.extents[loop])}
    return loops


def recurrence(nest: Nest) -> frozenset[int]:
    """Loops along which a recurrence reads what an earlier iteration wrote; empty where the nest is none."""
    everything = frozenset(range(len(nest.extents)))
    if any(isinstance(node, Gather) and node.array == nest.store.array for node in nest.nodes):
        return everything
    if nest.store.indirect:
        return everything if nest.self_loads else frozenset()
    target = nest.store.access.indices
    sources = [node.access.indices for node in map(nest.nodes.__getitem__, nest.self_loads) if isinstance(node, Load)]
    pairs = [pair for source in sources for pair in zip(source, target, strict=True)]
    loops = frozenset[int]().union(*(a.support | b.support for a, b in pairs if a != b))
    while met := [index.support for index in target if index.support & loops and not index.support <= loops]:
        loops = loops.union(*met)
    return everything if loops and _sharing(nest, loops) else loops


def _sharing(nest: Nest, fixed: frozenset[int]) -> frozenset[int]:
    """Loops besides ``fixed`` of which it cannot be told that their iterations store different elements."""
    loops = {loop for loop in nest.parallel - fixed if nest.extents[loop] > 1}
    count = len(loops) + 1
    while len(loops) < count:
        count = len(loops)
        for index in nest.store.access.indices:
            factors = {loop: index.dims[loop] for loop in loops & index.support}
            if _apart(factors, nest.extents):
                loops -= factors.keys()
    return frozenset(loops)


def _apart(factors: Mapping[int, int], extents: Sequence[int]) -> bool:
    """Whether an index differs for all iterations, because each factor exceeds what the smaller ones add up to."""
    reach = 0
    for loop, factor in sorted(factors.items(), key=lambda item: abs(item[1])):
        if abs(factor) <= reach:
            return False
        reach += abs(factor) * (extents[loop] - 1)
    return True
