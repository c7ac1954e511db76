"""Decide what is on chip when: tile loops, tile buffers and the transfers between memories."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

from torch_mlir import ir

from polystage.alloc import Infeasible
from polystage.analysis.compulsory import padding
from polystage.analysis.implementation import ATTRIBUTE, RELAYOUT, Implementation, MalformedImplementationError
from polystage.analysis.layouts import Layout
from polystage.analysis.nest_reader import read_nest
from polystage.analysis.nests import (
    Constant,
    Nest,
    NotANestError,
    NotLinearError,
    main_function,
    top_nests,
)
from polystage.analysis.selection import NotSelectableError
from polystage.analysis.values import array_name, check_arguments
from polystage.machine import Machine, of_module
from polystage.passes.banks.candidates import candidates, takes
from polystage.passes.nests.relayouts import drop_relayout, is_relayout
from polystage.passes.staging.folding import Wait, waiting
from polystage.passes.staging.order import advance_last_uses, cluster_initialisations
from polystage.passes.staging.plan import Plan, Segment
from polystage.passes.staging.plan_emission import Decided, PlanWriter
from polystage.passes.staging.planning import NEAR, Freedom, plan_of
from polystage.passes.staging.recomputing import Remake, moving, products, remakes, rewrite, sliding
from polystage.passes.staging.schedule import Step, demand
from polystage.pipeline import Pass, PassContext, option

SHARES = (1.0, 0.9, 0.75)  # of the capacity, for plans that are tried one after the other


@dataclass(frozen=True)
class Stage(Pass):
    """Decide what is on chip when: tile loops, tile buffers and the transfers between memories.

    With `strategy=local` every nest is staged by itself: its operands are brought in tile by tile, the point nest works
    on tile buffers in SBUF, the result is written back. Tile sizes and the order of tile loops are those of least
    modelled time, found by local search, for which buffers, alignment and the temporaries of instruction selection
    fit. A transfer is placed outside of every tile loop that it does not depend on.

    Before:

    ```mlir
    affine.for %i = 0 to 128 { affine.for %j = 0 to 4096 {   // npu.implementation = {kind = "elementwise", lane = 0}
      %0 = affine.load %a[%i, %j]
      affine.store %0, %b[%j, %i]
    ```

    After:

    ```mlir
    affine.for %t = 0 to 2 {
      affine.for ... { %tile[%p, %f] = %a[%p, 2048 * %t + %f] }   // npu.nest = "transfer"
      affine.for ... { %out[%p, %f] = %tile[%p, %f] }             // npu.nest = "compute"
      affine.for ... { %b[2048 * %t + %f, %p] = %out[%p, %f] }    // npu.nest = "transfer"
    }
    ```

    Requires: `map-banks`.

    Refuses: a nest that does not fit with the smallest tile (the error names the capacity that would work); a body
    operation without an instruction; an implementation that does not run its nest.

    Statistics:
        resident: arrays that stay on chip between nests
        partly-resident: arrays of which a part does, and the rest goes to DRAM and comes back
        folded: arrays that wait on more lanes than those on which nests use them
        recomputed: arrays of which a part is made again where it is read, as there is no room for it until then
        staged: nests staged
        grouped: groups of nests under shared tile loops
    """

    strategy: str = option(
        "global",
        choices=("local", "global"),
        help="local: every nest is staged by itself; global: one plan for all nests",
    )
    effort: int = option(
        2,
        choices=(0, 1, 2, 3),
        help="states kept and nests in a group while plans are searched; 0: no groups, arrays whole or not at all",
    )
    residency: str = option(
        "partial",
        choices=("off", "whole", "partial"),
        help="off: no array stays on chip from one nest or group to the next; whole: all of it does, or nothing; "
        "partial: parts of it may, and borders of one value do not move",
    )
    windows: str = option(
        "sliding",
        choices=("apart", "sliding"),
        help="apart: the steps of a group share no elements, or the nests are no group; sliding: what the next step "
        "needs again stays on chip",
    )
    sums: str = option(
        "psum",
        choices=("sbuf", "psum"),
        help="psum: sums of a group lie in PSUM until elementwise nests have used them, where SBUF has no room",
    )
    folding: str = option(
        "idle",
        choices=("off", "idle"),
        help="idle: arrays of few lanes wait on all lanes, or are made again, where plans get better; off: neither",
    )
    recompute: float = option(0.02, help="most products made again or with zeros, as part of those of the model")

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Rewrite every nest of the function."""
        machine = of_module(op)
        function = main_function(op)
        check_arguments(function)
        if self.strategy == "local":
            for loop in [loop for loop in top_nests(function) if is_relayout(loop)]:
                drop_relayout(loop)
        cluster_initialisations([step.nest for step in _schedule(function, machine, ctx)])
        if ctx.failed:
            return
        advance_last_uses([step.nest for step in _schedule(function, machine, ctx)])
        writer, decided = self._decided(op, machine, ctx)
        writer.write(decided, _Constants(main_function(op)))
        _remove_unused(main_function(op))
        ctx.statistic("resident", len(writer.plan.residents))
        ctx.statistic("partly-resident", len({each.array for each in writer.plan.slices}))
        ctx.statistic("staged", len(writer.steps))
        ctx.statistic("grouped", sum(unit.group is not None for unit in decided.units))

    def _decided(self, module: ir.Operation, machine: Machine, ctx: PassContext) -> tuple[PlanWriter, Decided]:
        """A plan whose arrays are in their places, and its tiles; plans are for less room where no packing is found."""
        for most in () if self.strategy == "local" else SHARES:
            original = main_function(module).clone().operation
            trial = self._planned(main_function(module), machine, ctx, most)
            plan = trial.plan or _every_nest_alone(trial.steps)
            writer = PlanWriter(plan, trial.steps, machine)
            decided = writer.decide()
            if not isinstance(decided, Infeasible):
                ctx.statistic("folded", trial.folded)
                ctx.statistic("recomputed", trial.recomputed)
                return writer, decided
            original.clone(ip=ir.InsertionPoint(trial.function))
            trial.function.erase()
        steps = list(_schedule(main_function(module), machine, ctx))
        writer = PlanWriter(_every_nest_alone(steps), steps, machine)
        decided = writer.decide()
        assert not isinstance(decided, Infeasible), decided  # the smallest tiles of one nest fit: `_schedule` asked
        return writer, decided

    def _planned(self, function: ir.Operation, machine: Machine, ctx: PassContext, most: float) -> "_Trial":
        """The best plan found in that part of the capacity, and the function that it is for; the others are erased.

        Where the program as it is moves too much, one is tried whose waiting arrays are folded, and where these still
        move, one that makes parts of them again.
        """
        freedom = Freedom(
            self.residency != "off", self.residency == "partial", self.windows == "sliding", self.sums == "psum"
        )
        steps = list(_schedule(function, machine, ctx))
        plan = plan_of(steps, machine, self.effort, freedom, most)
        trials = [_Trial(function, steps, plan)]
        for recompute in (False, True)[: 0 if self.folding == "off" else 1 + bool(self.recompute)]:
            best = min(trials, key=_Trial.cost)
            if plan is None or best.plan is None or best.plan.cost <= NEAR * best.plan.least or not freedom.parts:
                break
            copy = function.clone(ip=ir.InsertionPoint(function)).operation
            own = list(_schedule(copy, machine, ctx))
            waits = list(waiting(plan, own, machine))
            again = self._again(moving(waits, best.plan), own, best, machine) if recompute else []
            if not waits or (recompute and not again):
                copy.erase()
                break
            rewrite(waits, again, own)
            own = list(_schedule(copy, machine, ctx))
            trials.append(_Trial(copy, own, plan_of(own, machine, self.effort, freedom, most), len(waits), len(again)))
        best = min(trials, key=_Trial.cost)
        for each in trials:
            if each is not best:
                each.function.erase()
        return best

    def _again(self, waits: Sequence[Wait], steps: Sequence[Step], best: "_Trial", machine: Machine) -> list[Remake]:
        """What of waits is made again, as the best plan so far moves it."""
        assert best.plan is not None
        zeros = padding(best.function)  # products with zeros count as well
        budget = max(0, int(self.recompute * (products(steps) - zeros)) - zeros)
        slides = sliding(waits, best.plan, best.steps, machine)
        return list(remakes(waits, steps, budget, machine, slides))


@dataclass(frozen=True)
class _Trial:
    """A function, its nests and a plan for them; how many arrays wait folded in it, and how many are made again."""

    function: ir.Operation
    steps: Sequence[Step]
    plan: Plan | None
    folded: int = 0
    recomputed: int = 0

    def cost(self) -> float:
        """DRAM bytes of the plan."""
        return inf if self.plan is None else self.plan.cost


def _every_nest_alone(steps: Sequence[Step]) -> Plan:
    return Plan(tuple(Segment(k, k, None) for k in range(len(steps))), (), 0)


def _remove_unused(function: ir.Operation) -> None:
    """Arrays that live in windows only."""
    for op in [each.operation for each in function.regions[0].blocks[0].operations]:
        if op.name == "memref.alloc" and not any(True for _ in op.results[0].uses):
            op.erase()


def _schedule(function: ir.Operation, machine: Machine, ctx: PassContext) -> Iterator[Step]:
    """The nests that can be staged, in program order; errors for the others."""
    worst: tuple[int, ir.Operation] | None = None
    for loop in top_nests(function):
        try:
            nest = read_nest(loop)
            step = _step(nest, machine)
            least = demand(step, machine)
        except (NotANestError, NotLinearError, NotSelectableError) as problem:
            ctx.error(loop, f"no instruction covers this nest: {problem}")
            continue
        except MalformedImplementationError as problem:
            ctx.error(loop, str(problem))
            continue
        if least > machine.usable_bytes_per_lane:
            worst = max(worst or (0, loop), (least, loop), key=lambda each: each[0])
            continue
        yield step
    if worst is not None:
        ctx.error(worst[1], _too_small(worst[0], worst[1], machine))


def _step(nest: Nest, machine: Machine) -> Step:
    chosen = _implementation(nest, machine)
    if chosen != RELAYOUT:
        return Step(nest, chosen)
    layout = Layout.of(ir.MemRefType(nest.store.array.type), machine.lanes)
    loops = frozenset[int]() if layout.dim is None else nest.store.access.indices[layout.dim].support
    how = Implementation("elementwise", next(iter(loops), None), replicated=layout.replicated)
    return Step(nest, how, relayout=True)


def _implementation(nest: Nest, machine: Machine) -> Implementation:
    """The implementation that the nest carries; MalformedImplementationError where there is no legal one."""
    if ATTRIBUTE not in nest.op.attributes:
        raise MalformedImplementationError(f"nest has no {ATTRIBUTE}; run map-banks first")
    chosen = Implementation.from_attribute(nest.op.attributes[ATTRIBUTE])
    legal = [each for each in candidates(nest) if takes(machine, nest, each)]
    if chosen == RELAYOUT and len(nest.nodes) == 1 and nest.loads:
        return chosen
    if chosen not in legal:
        raise MalformedImplementationError(
            f"{ATTRIBUTE} = {chosen.to_attribute()} does not run this nest; "
            f"legal is {' or '.join(str(each.to_attribute()) for each in legal)}"
        )
    return chosen


class _Constants:
    """Scalar constants at the top of the function, one operation each."""

    def __init__(self, function: ir.Operation) -> None:
        self.block = function.regions[0].blocks[0]
        self.values: dict[ir.Attribute, ir.Value] = {}
        for op in self.block.operations:
            if op.operation.name == "arith.constant":
                self.values.setdefault(op.operation.attributes["value"], op.operation.result)

    def __call__(self, node: Constant) -> ir.Value:
        """The value of a constant node."""
        attribute: ir.Attribute
        if isinstance(node.type, ir.IntegerType | ir.IndexType):
            attribute = ir.IntegerAttr.get(node.type, int(node.value))
        else:
            attribute = ir.FloatAttr.get(node.type, float(node.value))
        if attribute not in self.values:
            with ir.InsertionPoint.at_block_begin(self.block):
                op = ir.Operation.create("arith.constant", [node.type], [], {"value": attribute})
            self.values[attribute] = op.result
        return self.values[attribute]


def _too_small(least: int, loop: ir.Operation, machine: Machine) -> str:
    name = array_name(read_nest(loop).store.array)
    total = (least + machine.reserved_bytes_per_lane) * machine.lanes
    return (
        f"nest that stores '{name}' needs {least:,} bytes of SBUF per lane with its smallest tile, "
        f"{machine.name} has {machine.usable_bytes_per_lane:,}; choose --sbuf {total} or more"
    )
