"""The implementations that a nest may have, and the one that it would take by itself (legality of ``map-banks``)."""

from collections.abc import Iterator

from polystage.analysis.costs import engine_ns, factor_accesses, nest_ns
from polystage.analysis.implementation import Implementation
from polystage.analysis.nests import Gather, Nest
from polystage.analysis.reductions import Product, product_of, reduction_of, sequential
from polystage.analysis.tiling import tiling_of
from polystage.machine import Machine


def legal(nest: Nest, machine: Machine) -> list[Implementation]:
    """All implementations that run the nest on this machine."""
    return [each for each in candidates(nest) if takes(machine, nest, each)]


def choose(nest: Nest, machine: Machine) -> Implementation:
    """The implementation of a nest taken by itself: the engine by engine time, then the lanes by the time of it all.

    By itself no nest runs in one lane where it has another choice. Raises NotSelectableError where an operation has no
    instruction.
    """
    on_matrix, elsewhere = list[Implementation](), list[Implementation]()
    able = legal(nest, machine)
    for each in [each for each in able if each.lane is not None] or able:
        (on_matrix if each.kind == "contraction" else elsewhere).append(each)
    groups = [group for group in (on_matrix, elsewhere) if group]
    fastest = min(groups, key=lambda group: min(engine_ns(nest, each, nest.extents, machine) for each in group))
    return min(fastest, key=lambda each: cost(nest, each, machine))


def takes(machine: Machine, nest: Nest, implementation: Implementation) -> bool:
    """Whether the matrix engine takes the element type that an implementation gives it; sums across lanes are fp32."""
    if implementation.kind == "contraction":
        (element,) = {str(nest.nodes[node].type) for node in _factors(nest)}
        return element in machine.matrix.cycle_factor
    if implementation.lane not in nest.reduced:
        return True
    rows = machine.lanes if implementation.replicated else 1
    return "f32" in machine.matrix.cycle_factor and rows <= min(machine.matrix.columns, machine.psum.lanes)


def _factors(nest: Nest) -> tuple[int, ...]:
    """The two nodes that a contraction multiplies, none for another nest."""
    reduction = reduction_of(nest)
    product = product_of(nest, reduction) if reduction is not None else None
    return () if product is None else (product.lhs, product.rhs)


def candidates(nest: Nest) -> Iterator[Implementation]:
    """All implementations that are legal for the nest, outermost lane loop first, one lane and every lane last."""
    lanes = [*(d for d in sorted(nest.parallel - sequential(nest)) if nest.extents[d] > 1), None]
    reduction = reduction_of(nest)
    if not nest.reduced:
        yield from (Implementation("elementwise", lane) for lane in lanes)
        if not nest.self_loads and not nest.store.indirect and not any(isinstance(each, Gather) for each in nest.nodes):
            yield Implementation("elementwise", None, replicated=True)
        return
    yield from (Implementation("fold", lane) for lane in lanes)
    if reduction is None:
        return
    yield from (Implementation("reduce", lane) for lane in lanes)
    if reduction.combine == "arith.addf":
        yield from (Implementation("reduce", lane) for lane in nest.reduced)
        yield from (Implementation("reduce", lane, replicated=True) for lane in nest.reduced)
    if (product := product_of(nest, reduction)) is not None:
        yield from _contractions(nest, product)


def _contractions(nest: Nest, product: Product) -> Iterator[Implementation]:
    factors = factor_accesses(nest, product)
    if len({str(nest.nodes[number].type) for number in (product.lhs, product.rhs)}) > 1:
        return
    for lane in nest.reduced:
        if all(lane in factor.support for factor in factors):
            for stationary, moving in ((0, 1), (1, 0)):
                own = (factors[stationary].support - factors[moving].support) & nest.parallel
                for rows in [d for d in sorted(own) if nest.extents[d] > 1] or [None]:
                    yield Implementation("contraction", lane, rows, stationary)


def cost(nest: Nest, chosen: Implementation, machine: Machine) -> float:
    """Modelled time of the nest staged as one tile, in ns."""
    tiling = tiling_of(nest, chosen, machine)
    return nest_ns(tiling, nest.extents, (), machine)
