"""Choose, for every nest, the loop that lies across the lanes and the engine of its reduction."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch_mlir import ir

from polystage.analysis.costs import engine_ns, factor_accesses, nest_ns
from polystage.analysis.implementation import ATTRIBUTE, Implementation
from polystage.analysis.nest_reader import read_nest
from polystage.analysis.nests import Nest, NotANestError, NotLinearError, main_function, top_nests
from polystage.analysis.reductions import Product, product_of, reduction_of, sequential
from polystage.analysis.selection import NotSelectableError
from polystage.analysis.tiling import tiling_of
from polystage.analysis.values import check_arguments
from polystage.machine import Machine, of_module
from polystage.pipeline import Pass, PassContext, option


@dataclass(frozen=True)
class MapBanks(Pass):
    """Choose, for every nest, the loop that lies across the lanes and the engine of its reduction.

    Each nest gets one implementation, written on its outermost loop as `npu.implementation`. A contraction is
    recognised by its access functions: a loop that is reduced and indexes both factors can be contracted on the lanes;
    a loop that indexes one factor and the result becomes the rows of the stationary operand; all loops of the other
    factor are moved.

    Before:

    ```mlir
    affine.for %m = 0 to 64 { affine.for %n = 0 to 32 { affine.for %k = 0 to 128 {
      ... %c[%m, %n] += %a[%m, %k] * %b[%k, %n]
    ```

    After: the same nest with
    `npu.implementation = {kind = "contraction", lane = 2 : i64, rows = 0 : i64, stationary = 0 : i64}`.

    Requires: affine normal form with linear accesses (`refine-domains`), `polystage.target`.

    Refuses: a nest that is not in normal form.

    Statistics:
        elementwise: nests run iteration by iteration
        fold: nests folded step by step on the vector engine
        reduce: nests reduced along the free axis or across lanes
        contraction: nests on the matrix engine
    """

    strategy: str = option(
        "local",
        choices=("local",),
        help="local: every nest takes the engine and the lanes that are fastest for itself; ties: the outermost loop",
    )

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Annotate every nest."""
        machine = of_module(op)
        function = main_function(op)
        check_arguments(function)
        for loop in top_nests(function):
            try:
                nest = read_nest(loop)
                chosen = choose(nest, machine)
            except (NotANestError, NotLinearError) as problem:
                ctx.error(
                    loop, f"nest cannot be mapped to lanes: {problem}; run lower-to-affine and refine-domains first"
                )
                continue
            except NotSelectableError as problem:
                ctx.error(loop, f"no instruction covers this nest: {problem}")
                continue
            loop.attributes[ATTRIBUTE] = chosen.to_attribute()
            ctx.statistic(chosen.kind, 1)


def choose(nest: Nest, machine: Machine) -> Implementation:
    """The implementation of a nest taken by itself: the engine by engine time, then the lanes by the time of it all."""
    on_matrix, elsewhere = list[Implementation](), list[Implementation]()
    for each in [each for each in candidates(nest) if takes(machine, nest, each)]:
        (on_matrix if each.kind == "contraction" else elsewhere).append(each)
    groups = [group for group in (on_matrix, elsewhere) if group]
    fastest = min(groups, key=lambda group: min(engine_ns(nest, each, nest.extents, machine) for each in group))
    return min(fastest, key=lambda each: cost(nest, each, machine))


def takes(machine: Machine, nest: Nest, implementation: Implementation) -> bool:
    """Whether the matrix engine takes the element type that an implementation gives it; sums across lanes are fp32."""
    if implementation.kind == "contraction":
        (element,) = {str(nest.nodes[node].type) for node in _factors(nest)}
        return element in machine.matrix.cycle_factor
    return implementation.lane not in nest.reduced or "f32" in machine.matrix.cycle_factor


def _factors(nest: Nest) -> tuple[int, ...]:
    """The two nodes that a contraction multiplies, none for another nest."""
    reduction = reduction_of(nest)
    product = product_of(nest, reduction) if reduction is not None else None
    return () if product is None else (product.lhs, product.rhs)


def candidates(nest: Nest) -> Iterator[Implementation]:
    """All implementations that are legal for the nest, outermost lane loop first."""
    lanes = [d for d in sorted(nest.parallel - sequential(nest)) if nest.extents[d] > 1] or [None]
    reduction = reduction_of(nest)
    if not nest.reduced:
        yield from (Implementation("elementwise", lane) for lane in lanes)
        return
    yield from (Implementation("fold", lane) for lane in lanes)
    if reduction is None:
        return
    yield from (Implementation("reduce", lane) for lane in lanes)
    if reduction.combine == "arith.addf":
        yield from (Implementation("reduce", lane) for lane in nest.reduced)
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
