"""What a nest folds over its reduced loops, and whether that is a sum of products.

``C[f(i)] = combine(C[f(i)], g(i))`` with an associative ``combine`` is a *reduction* of ``g``; when ``combine``
adds and ``g`` is a product of two loads (casts stripped) it is a *contraction*. A nest that reads its own array
elsewhere is a *recurrence*: the loops along which source and target differ are carried.

Not handled: folds whose body is no single combining operation stay general folds, run one step after another.
"""

from dataclasses import dataclass

from polystage.analysis.nests import Load, Nest, Scalar

ADDITIVE = frozenset({"arith.addf", "arith.addi"})
COMBINING = ADDITIVE | {
    "arith.mulf", "arith.maximumf", "arith.minimumf", "arith.maxnumf", "arith.minnumf",
    "arith.muli", "arith.maxsi", "arith.minsi", "arith.maxui", "arith.minui", "arith.andi", "arith.ori", "arith.xori",
}  # fmt: skip
WIDENING = frozenset({"arith.extf"})


@dataclass(frozen=True)
class Reduction:
    """``combine`` is the MLIR operation; ``accumulator`` and ``operand`` are node numbers of its two sides."""

    combine: str
    accumulator: int
    operand: int

    @property
    def additive(self) -> bool:
        """Whether partial results may be formed anywhere and added."""
        return self.combine in ADDITIVE


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


def carried(nest: Nest) -> frozenset[int]:
    """Loops along which a recurrence reads what an earlier iteration wrote."""
    if nest.store.indirect:
        return frozenset()
    target = nest.store.access.indices
    loops = set[int]()
    for number in nest.self_loads:
        node = nest.nodes[number]
        assert isinstance(node, Load)
        for source, written in zip(node.access.indices, target, strict=True):
            if source != written:
                loops |= source.support | written.support
    return frozenset(loops)
