"""Sums in PSUM: which arrays may lie there, and how many banks they take.

A contraction makes its sums in PSUM. An array of sums may stay there from the nest that fills it to the elementwise
nests that use it: products then add to it where it lies, and SBUF has nothing of it. A product writes into one bank, so
that the columns that it writes at once must not cross from one bank to the next: they fill one bank, or several of such
runs do.
"""

from collections.abc import Iterable, Sequence
from math import ceil, prod

from torch_mlir import ir

from polystage.analysis.implementation import Implementation
from polystage.analysis.layouts import Layout
from polystage.analysis.nests import Load, Nest
from polystage.analysis.reductions import product_of, reduction_of
from polystage.machine import Machine

BYTES = 4  # of a sum, which is f32


def columns_of(nest: Nest, implementation: Implementation) -> frozenset[int]:
    """The loops of a contraction along which its moving operand runs past the stationary one; none of other nests."""
    reduction = reduction_of(nest) if implementation.kind == "contraction" else None
    product = product_of(nest, reduction) if reduction is not None else None
    if product is None:
        return frozenset()
    factors = [node.access for node in (nest.nodes[product.lhs], nest.nodes[product.rhs]) if isinstance(node, Load)]
    stationary, moving = factors[implementation.stationary], factors[1 - implementation.stationary]
    across = {implementation.lane, implementation.rows}
    return (moving.support & nest.parallel) - stationary.support - across


def makes_or_takes(array: ir.Value, nest: Nest, implementation: Implementation) -> bool:
    """Whether a nest does with sums what can be done with them in PSUM: fill them, add products, use them."""
    if nest.store.indirect or implementation.replicated:
        return False
    if nest.store.array != array:
        return implementation.kind == "elementwise" and not nest.reduced
    if implementation.kind == "contraction":
        return all(access == nest.store.access for access in nest.loads if access.array == array)
    return implementation.kind == "elementwise" and not nest.loads


def column_dims(array: ir.Value, nest: Nest, implementation: Implementation) -> frozenset[int]:
    """The dimensions of its sums along the columns of a contraction."""
    columns = columns_of(nest, implementation)
    return frozenset(d for d, index in enumerate(nest.store.access.indices) if index.support & columns)


def banks_of(shape: Sequence[int], layout: Layout, columns: Iterable[frozenset[int]], machine: Machine) -> int | None:
    """Banks that sums of this shape take, if each of the contractions that make them writes into one bank at a time.

    ``columns`` are the dimensions of the sums along the columns of each of them.
    """
    if layout.dim is None:
        return None
    free = [d for d, extent in enumerate(shape) if d != layout.dim and extent > 1]
    bank = machine.psum.bytes_per_bank // BYTES
    for dims in columns:
        own = [d for d in free if d in dims]
        run = prod(shape[d] for d in own)
        if own != free[len(free) - len(own) :] or len(own) > machine.matrix.max_free_dims:
            return None
        by_parts = len(own) == 1 and machine.max_moving_f32 == bank and run % bank == 0
        if not by_parts and (run > machine.max_moving_f32 or bank % run):
            return None
    return ceil(prod(layout.physical_shape(shape)[1:]) / bank)
