"""Choose, for the whole function, an implementation for every nest and the lanes of every array."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch_mlir import ir

from polystage.analysis.banks import ATTRIBUTE
from polystage.analysis.nest_reader import read_nest
from polystage.analysis.nests import Nest, NotANestError, NotLinearError, main_function, top_nests
from polystage.analysis.selection import NotSelectableError
from polystage.analysis.values import array_name, check_arguments, producer
from polystage.errors import UserError
from polystage.machine import Machine, of_module
from polystage.passes.banks.baselines import BASELINES, favourites
from polystage.passes.banks.candidates import choose
from polystage.passes.banks.explain import decisions
from polystage.passes.banks.graph import Graph, UnmetPinError, build, nest_names
from polystage.passes.banks.problem import summary
from polystage.passes.banks.solve import Solution, solve
from polystage.passes.banks.strategy import Pins, read_pins
from polystage.passes.banks.write import write_implementations, write_layouts
from polystage.pipeline import Pass, PassContext, option


@dataclass(frozen=True)
class MapBanks(Pass):
    """Choose, for the whole function, an implementation for every nest and the lanes of every array.

    An implementation puts loops across the lanes. A contraction is recognised by its access functions: a loop that is
    reduced and indexes both factors can be contracted on the lanes; a loop that indexes one factor and the result
    becomes the rows of the stationary operand; all loops of the other factor are moved. Either factor may be the
    stationary one. Reductions run along the free axis or, for sums, across lanes by a product with ones; everything
    else along any parallel loop, or in one lane. What readers need on each of their lanes may be *replicated*: computed
    on all lanes, which takes no longer than on one, a sum across lanes by a product with a square of ones.

    An implementation wants its operands and its result with certain dimensions across the lanes. Every array gets one
    layout, its home; where a nest wants another one, a *relayout* copies what it reads, once for all nests that want
    the same (`strategy=local`: for each). What no layout serves (a kernel window across lanes), and what every lane
    needs of an array that is not replicated, is copied by the nest itself. All strategies have one cost: engine time,
    transfers of arguments, relayouts and private copies with a price for each byte, and a small price for lanes left
    idle.

    The module gets `npu.banks`: strategy, objective and bound in ns, relayouts and their bytes, and for every array its
    layout, who asked for it and what the alternatives would cost.

    Before:

    ```mlir
    %c = memref.alloc() : memref<64x512xf32>
    affine.for %m = 0 to 64 { affine.for %n = 0 to 512 { affine.for %k = 0 to 128 {
      ... %c[%m, %n] += %a[%m, %k] * %b[%k, %n]
    affine.for %m = 0 to 64 { affine.for %n = 0 to 512 { ... exp(%c[%m, %n]) ...
    ```

    After: the same nests with `npu.implementation = {kind = "contraction", lane = 2, rows = 1, stationary = 1}`, and
    the array with its layout:

    ```mlir
    %c = memref.alloc() : memref<64x512xf32, affine_map<(m, n) -> (n mod 128, n floordiv 128, m)>>
    ```

    A replicated array has a constant lane below zero, `affine_map<(m) -> (-128, m)>` on 128 lanes, and its nests have
    `npu.implementation = {kind = "reduce", lane = 1, replicated}`. A relayout is a nest with `npu.implementation =
    {kind = "relayout"}` that stores to an array `<name>.relayout<k>`.

    Requires: affine normal form with linear accesses (`refine-domains`), `polystage.target`.

    Refuses: a nest that is not in normal form; a pin that cannot be met.

    Statistics:
        elementwise: nests run iteration by iteration
        fold: nests folded step by step on the vector engine
        reduce: nests reduced along the free axis or across lanes
        contraction: nests on the matrix engine
        relayouts: relayout nests written
        relayout-bytes: bytes that relayouts and private copies write
        gap-ppm: how far the cost may be from the optimum, in millionths of it (global)
        milliseconds: time of the solver (global)
    """

    strategy: str = option(
        "global",
        choices=("off", "local", "greedy", "propagate", "global"),
        help="off: every nest takes the engine and the lanes that are fastest for itself (ties: the outermost loop), "
        "arrays get no layouts; local: the same, with layouts and a relayout at every mismatch; greedy: in program "
        "order, operands as they lie; propagate: requirements pushed from the largest contractions; global: least cost "
        "of the whole function",
    )
    price: float = option(0.1, help="price of a byte that a relayout writes", unit="ns")
    seed: int = option(0, help="seed of the solver")
    time_limit: float = option(20.0, help="most time of the solver", unit="s")
    strategy_file: str = option("", help="JSON file with layouts and implementations that are given")

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Annotate every nest, give arrays their layouts and write relayouts."""
        machine = of_module(op)
        function = main_function(op)
        check_arguments(function)
        nests = _read(function, machine, ctx)
        if ctx.failed:
            return
        pins = read_pins(self.strategy_file) if self.strategy_file else Pins()
        _check_names(nests, pins, self.strategy_file)
        try:
            graph = build(nests, machine, self.price, pins)
        except UnmetPinError as problem:
            ctx.error(problem.where, str(problem))
            return
        solution = self._decide(graph)
        write_implementations(graph, solution.assignment)
        for implementations, choice in zip(graph.implementations, solution.assignment.choices, strict=True):
            ctx.statistic(implementations[choice].kind, 1)
        if self.strategy != "off":
            self._write(op, graph, solution, ctx)

    def _decide(self, graph: Graph) -> Solution:
        if self.strategy == "global":
            return solve(graph.problem, seed=self.seed, time_limit=self.time_limit)
        if self.strategy == "off":
            return Solution(favourites(graph.problem), 0.0, 0.0, 0.0)
        assignment = BASELINES[self.strategy](graph.problem)
        return Solution(assignment, graph.problem.cost(assignment, shared=self.strategy != "local"), 0.0, 0.0)

    def _write(self, op: ir.Operation, graph: Graph, solution: Solution, ctx: PassContext) -> None:
        shared = self.strategy != "local"
        figures = summary(graph.problem, solution.assignment, shared=shared)
        op.attributes[ATTRIBUTE] = decisions(self.strategy, graph, solution, figures, of_module(op)).to_attribute()
        ctx.statistic("relayouts", write_layouts(graph, solution.assignment, of_module(op), shared=shared))
        ctx.statistic("relayout-bytes", figures.relayout_bytes)
        if self.strategy == "global":
            ctx.statistic("gap-ppm", round(solution.gap * 1e6))
            ctx.statistic("milliseconds", round(solution.seconds * 1e3))


def _read(function: ir.Operation, machine: Machine, ctx: PassContext) -> list[Nest]:
    """The nests of the function; errors for those that cannot be mapped."""
    nests: list[Nest] = []
    for loop in top_nests(function):
        try:
            nest = read_nest(loop)
            choose(nest, machine)
        except (NotANestError, NotLinearError) as problem:
            ctx.error(loop, f"nest cannot be mapped to lanes: {problem}; run lower-to-affine and refine-domains first")
        except NotSelectableError as problem:
            ctx.error(loop, f"no instruction covers this nest: {problem}")
        else:
            nests.append(nest)
    return nests


def _check_names(nests: Sequence[Nest], pins: Pins, file: str) -> None:
    """Raise UserError for a pin of something that the function does not have."""
    arrays = {nest.store.array for nest in nests}
    own = {array_name(array) for array in arrays if producer(array) is not None}
    known = set(nest_names(nests))
    for kind, names, able in (("nest", pins.implementations, known), ("array", pins.layouts, own)):
        for name in names:
            if name not in able:
                why = "; arguments stay row-major" if kind == "array" else "; nests are named array#number"
                raise UserError(f"'{name}' is pinned, but the function stores no such {kind}{why}", file)
