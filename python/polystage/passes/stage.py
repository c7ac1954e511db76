"""Decide what is on chip when: tile loops, tile buffers and the transfers between memories."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch_mlir import ir

from polystage.alloc import Buffer, Infeasible, Problem, Solution, solve
from polystage.analysis.implementation import ATTRIBUTE, RELAYOUT, Implementation, MalformedImplementationError
from polystage.analysis.nest_reader import read_nest
from polystage.analysis.nests import (
    Constant,
    Nest,
    NotANestError,
    NotLinearError,
    main_function,
    signature,
    top_nests,
)
from polystage.analysis.selection import NotSelectableError
from polystage.analysis.tiling import NestTiling, tiling_of
from polystage.analysis.values import array_name, check_arguments
from polystage.errors import UserError
from polystage.machine import Machine, of_module
from polystage.passes._banks_candidates import candidates, takes
from polystage.passes._placing import moves_only, place, write_transfer
from polystage.passes._relayouts import drop_relayout
from polystage.passes._residency import Resident, Step, demand, residents
from polystage.passes._staging import StagedNest
from polystage.passes._tile_sizes import Choice, choose, smallest
from polystage.pipeline import Pass, PassContext, option


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
        staged: nests staged
        tiled: nests with at least one tile loop
    """

    strategy: str = option(
        "global",
        choices=("local", "global"),
        help="local: every nest is staged by itself; global: arrays stay on chip between nests",
    )

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Rewrite every nest of the function."""
        machine = of_module(op)
        function = main_function(op)
        check_arguments(function)
        steps, held = self._residents(function, machine, ctx)
        if ctx.failed:
            return
        ctx.statistic("resident", len(held))
        for each in held:
            place(each, [step.nest.op for step in steps])
        decided = _Stager(list(_reread(steps)), held, machine).decide()
        if isinstance(decided, Infeasible):
            raise UserError(f"no packing found: {decided}; choose a larger --sbuf")
        constants = _Constants(function)
        for each in decided:
            _write(each, constants, ctx)

    def _residents(
        self, function: ir.Operation, machine: Machine, ctx: PassContext
    ) -> tuple[list[Step], list[Resident]]:
        """The schedule and the arrays that stay on chip; relayouts into arrays that do not are dropped."""
        while True:
            steps = list(_schedule(function, machine, ctx))
            held = residents(steps, machine) if self.strategy == "global" and not ctx.failed else []
            arrays = {each.array for each in held}
            dropped = [step.nest for step in steps if step.relayout and step.nest.store.array not in arrays]
            for nest in dropped:
                drop_relayout(nest.op)
            if not dropped:
                return steps, held


def _write(decided: "_Decided", constants: "_Constants", ctx: PassContext) -> None:
    loop = decided.nest.op
    with ir.InsertionPoint(loop), loop.location:
        if decided.tiling is None or decided.choice is None:
            write_transfer(decided.nest)
        else:
            staged = StagedNest(decided.tiling, decided.choice.sizes, decided.choice.order, constants)
            staged.write()
            ctx.statistic("tiled", int(bool(staged.order)))
    ctx.statistic("staged", 1)
    loop.erase()


def _schedule(function: ir.Operation, machine: Machine, ctx: PassContext) -> Iterator[Step]:
    """The nests that can be staged, in program order; errors for the others."""
    worst: tuple[int, ir.Operation] | None = None
    for loop in top_nests(function):
        try:
            nest = read_nest(loop)
            step = Step(nest, _implementation(nest, machine))
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


def _reread(steps: Sequence[Step]) -> Iterator[Step]:
    """The steps on the arrays as they now lie."""
    for step in steps:
        yield Step(read_nest(step.nest.op), step.implementation)


@dataclass(frozen=True)
class _Decided:
    """A nest with its tiles; without a tiling it is one transfer."""

    nest: Nest
    tiling: NestTiling | None = None
    choice: Choice | None = None


class _Stager:
    """Decides on tiles for every nest so that all of it can be packed, and writes the nests."""

    def __init__(self, steps: Sequence[Step], held: Sequence[Resident], machine: Machine) -> None:
        self.steps, self.held, self.machine = steps, held, machine
        self.room = [machine.usable_bytes_per_lane] * len(steps)
        for each in held:
            for k in range(each.first, each.last + 1):
                self.room[k] -= each.bytes_per_lane
        self.chosen: dict[tuple[object, ...], Choice] = {}

    def decide(self) -> list[_Decided] | Infeasible:
        """Tiles of every nest; rooms shrink where the packing has gaps, until it succeeds or cannot."""
        while True:
            decided = [self.nest(step, room) for step, room in zip(self.steps, self.room, strict=True)]
            solution = solve(self.problem(decided))
            if isinstance(solution, Solution):
                return decided
            crowded = {int(buffer.name.split(".")[1]) for buffer in solution.section if buffer.name[0] == "t"}
            if not any([self.shrink(k) for k in crowded]):
                return solution

    def shrink(self, position: int) -> bool:
        """Give a nest less room; False where its smallest tile fills it."""
        step = self.steps[position]
        tiling = tiling_of(step.nest, step.implementation, self.machine)
        least, before = tiling.demand(smallest(tiling)), self.room[position]
        self.room[position] = max(least, before * 15 // 16)
        return self.room[position] < before

    def nest(self, step: Step, room: int) -> _Decided:
        """One nest with ``room`` bytes per lane for its tiles."""
        if step.relayout or moves_only(step.nest):
            return _Decided(step.nest)
        tiling = tiling_of(step.nest, step.implementation, self.machine)
        key = (tiling.implementation, room, *signature(step.nest))
        if key not in self.chosen:
            self.chosen[key] = choose(tiling, self.machine, room)
        return _Decided(step.nest, tiling, self.chosen[key])

    def problem(self, decided: Sequence[_Decided]) -> Problem:
        """The packing of what is held and of all tiles."""
        buffers = [
            Buffer(f"r.{k}", each.first, each.last + 1, each.bytes_per_lane, self.machine.alignment)
            for k, each in enumerate(self.held)
        ]
        for k, each in enumerate(decided):
            if each.tiling is not None and each.choice is not None:
                sizes = each.tiling.parts(each.choice.sizes)
                buffers += [
                    Buffer(f"t.{k}.{i}", k, k + 1, size, self.machine.alignment) for i, size in enumerate(sizes)
                ]
        return Problem(self.machine.usable_bytes_per_lane, tuple(buffers))


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
