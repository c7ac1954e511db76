"""Turn point nests into machine instructions and copies between memories into DMA."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from torch_mlir import ir

from polystage.analysis.covering import EngineCosts
from polystage.analysis.implementation import Implementation, MalformedImplementationError, implementation_of
from polystage.analysis.nest_reader import read_nest
from polystage.analysis.nests import Access, Load, Nest, NotANestError, NotLinearError, main_function
from polystage.analysis.selection import NotSelectableError, Selection
from polystage.analysis.tiling import selection_of
from polystage.analysis.values import check_arguments
from polystage.dialects import npu
from polystage.machine import Machine, of_module
from polystage.passes.allocate import limits_of, packs
from polystage.passes.lowering.composition import Physical
from polystage.passes.lowering.contraction import Accumulators, copy_to_result, write_contraction
from polystage.passes.lowering.emission import (
    Emitter,
    Part,
    Turns,
    cause_of,
    chunked,
    fit,
    foreign_operations,
    most_elements,
)
from polystage.passes.lowering.epilogues import Finished, Paired, epilogue_on, finished_in
from polystage.passes.lowering.layouts import physical_arrays, physical_nests
from polystage.passes.lowering.on_chip_moves import write_on_chip
from polystage.passes.lowering.physical_arguments import physical_arguments, physical_results
from polystage.passes.lowering.reduction import write_reduction
from polystage.passes.nests.load_function import erase_unused
from polystage.passes.staging.tiled_nests import KIND
from polystage.pipeline import Pass, PassContext, option


@dataclass(frozen=True)
class LowerToNpu(Pass):
    """Turn point nests into machine instructions and copies between memories into DMA.

    A nest marked `npu.nest = "transfer"` becomes a `dma_start` and its `dma_wait`; between arrays in SBUF it becomes a
    copy, transposes or a broadcast by the engines where that is faster. One marked `"compute"` becomes
    instructions over boxes as large as the machine takes, with loops around them where they do not suffice: a
    contraction accumulates in PSUM and is added to its result tile; a body is covered by `analysis/selection`.

    Before:

    ```mlir
    affine.for %p = 0 to 128 { affine.for %f = 0 to 256 {  // npu.nest = "compute", {kind = "elementwise", lane = 0}
      %0 = affine.load %x[%p, %f]; %1 = math.exp %0; affine.store %1, %y[%p, %f]
    ```

    After:

    ```mlir
    "npu.activation"(%y, %x) {func = "exp", sizes = array<i64: 128, 256>, maps = [...]}
    ```

    Requires: `stage`.

    Refuses: a body operation without an instruction; a marked nest that is no copy or has no implementation that runs
    it; what is left of the function that is not part of an npu program.

    Statistics:
        transfers: transfers lowered, on chip or to and from DRAM
        nests: point nests lowered
        epilogues: those of them that take the result of a contraction from PSUM
    """

    strategy: str = option(
        "psum",
        choices=("sbuf", "psum"),
        help="psum: elementwise nests take results of contractions from PSUM; sbuf: results are copied first",
    )

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Lower every marked nest of the function."""
        machine = of_module(op)
        physical_results(op, machine)
        counts = Counter[str]()
        *ways, last = self._ways(machine)
        for way in ways:
            original = main_function(op).clone().operation
            counts = self._lower(op, machine, ctx, way)
            function = main_function(op)
            if ctx.failed or packs(function, limits_of(machine)):
                break
            original.clone(ip=ir.InsertionPoint(function))
            function.erase()
        else:
            counts = self._lower(op, machine, ctx, last)
        for name, count in counts.items():
            ctx.statistic(name, count)

    def _ways(self, machine: Machine) -> Sequence["Way"]:
        """How to use PSUM, the fastest first; those that follow take less room."""
        banks = machine.psum.banks
        most, least = max(min(2, banks), banks // 2), min(2, banks)
        if self.strategy == "sbuf":
            return [Way(turns, epilogues=False) for turns in dict.fromkeys((most, least))]
        return [*(Way(turns, epilogues=True) for turns in dict.fromkeys((most, least))), Way(least, epilogues=False)]

    def _lower(self, module: ir.Operation, machine: Machine, ctx: PassContext, way: "Way") -> Counter[str]:
        check_arguments(main_function(module))
        physical = physical_arrays(main_function(module).regions[0].blocks[0], machine)
        physical |= physical_arguments(main_function(module), machine)
        body = main_function(module).regions[0].blocks[0]
        target = Target(machine, physical, way, Counter())
        self._block(body, (), target, ctx)
        if ctx.failed:
            return target.counts
        for array in physical:
            ir.OpResult(array).owner.erase()
        erase_unused(body)
        for foreign in foreign_operations(body):
            ctx.error(foreign, f"'{foreign.name}' is not part of an npu program; run lower-to-affine and stage first")
        return target.counts

    def _block(self, block: ir.Block, ivs: Sequence[ir.Value], target: "Target", ctx: PassContext) -> None:
        plan = finished_in(block, ivs, target.physical, target.machine, epilogues=target.way.epilogues)
        for op in [each.operation for each in block.operations]:
            if op.name != "affine.for":
                continue
            if op in plan.elsewhere:
                target.counts["nests"] += 1
                continue
            if KIND not in op.attributes:
                body = op.regions[0].blocks[0]
                self._block(body, (*ivs, body.arguments[0]), target, ctx)
                continue
            try:
                with ir.InsertionPoint(op), op.location:
                    statistic = lower_nest(op, ivs, target, plan.finished.get(op))
            except (NotANestError, NotLinearError, NotSelectableError) as problem:
                ctx.error(op, f"no instruction covers this nest: {problem}")
                continue
            except MalformedImplementationError as problem:
                ctx.error(op, str(problem))
                continue
            target.counts[statistic] += 1
            op.erase()
        for op in plan.elsewhere if not ctx.failed else ():
            op.erase()


@dataclass(frozen=True)
class Way:
    """How PSUM is used: tiles of products take so many banks in turn, ``epilogues`` use the sums there."""

    turns: int
    epilogues: bool


@dataclass(frozen=True)
class Target:
    """The machine, the physical array of every array with a layout, how PSUM is used, the statistics."""

    machine: Machine
    physical: Physical
    way: Way
    counts: Counter[str]


def lower_nest(op: ir.Operation, ivs: Sequence[ir.Value], target: Target, finished: Finished | None) -> str:
    """Write the instructions of one marked nest before it; returns the statistic that it adds to.

    ``finished`` is the contraction that is written here, if one finds zeros in its result.
    """
    if finished is not None:
        _finished(finished, target)
        target.counts["epilogues"] += finished.epilogue is not None
        return "nests"
    nest = read_nest(op, ivs)
    kind = op.attributes[KIND]
    if kind == ir.StringAttr.get("transfer"):
        for piece, _ in physical_nests(nest, None, target.physical, target.machine):
            if not (_on_chip(piece) and write_on_chip(piece, target.machine)):
                _transfer(piece)
        return "transfers"
    if kind != ir.StringAttr.get("compute"):
        raise NotSelectableError(f'{KIND} is "transfer" or "compute", not {kind}')
    implementation = implementation_of(nest, "map-banks and stage")
    for piece, moved in physical_nests(nest, implementation, target.physical, target.machine):
        assert moved is not None
        _compute(piece, moved, target)
    return "nests"


def _compute(nest: Nest, implementation: Implementation, target: Target) -> None:
    match implementation.kind:
        case "contraction":
            write_contraction(nest, implementation, target.machine, target.way.turns)
        case "reduce":
            write_reduction(nest, implementation, target.machine)
        case _:
            _elementwise(nest, implementation, target.machine)


def _finished(plan: Finished, target: Target) -> None:
    """A contraction whose sums are copied, or used by its epilogue."""
    machine = target.machine
    for nest, implementation in plan.pieces if plan.epilogue is None else ():
        if implementation.kind == "reduce":
            write_reduction(nest, implementation, machine, starts=True)
        else:
            write_contraction(nest, implementation, machine, target.way.turns, copy_to_result)
    for pair in plan.pairs:

        def drain(emitter: Emitter, psum: Accumulators, pair: Paired = pair) -> None:
            _elementwise(*epilogue_on(pair, emitter, psum), machine, psum.turns)

        write_contraction(*pair.contraction, machine, target.way.turns, drain)


def _ends(nest: Nest) -> tuple[Access, Access]:
    """Source and target of a transfer."""
    value = nest.nodes[nest.store.value]
    if len(nest.nodes) != 1 or not isinstance(value, Load) or nest.store.indirect:
        raise NotSelectableError("a transfer is one affine load and its affine store")
    return value.access, nest.store.access


def _on_chip(nest: Nest) -> bool:
    return all(npu.memory_of(end.array.type) == "sbuf" for end in _ends(nest))


def _transfer(nest: Nest) -> None:
    source, target = _ends(nest)
    emitter = Emitter(nest, None)
    emitter.parts = {loop: Part(0, extent) for loop, extent in enumerate(nest.extents)}
    box = {loop: k for k, loop in enumerate(d for d, extent in enumerate(nest.extents) if extent > 1)}
    rank = max(1, len(box))
    maps = [emitter.access_map(access, box, rank) for access in (source, target)]
    sizes = [nest.extents[loop] for loop in box] or [1]
    on_chip = npu.memory_of(source.array.type) != "dram"
    cause = cause_of(target.array if on_chip else source.array)
    npu.dma_wait(npu.dma_start(source.array, target.array, emitter.symbols(), sizes=sizes, maps=maps, cause=cause))


def _elementwise(nest: Nest, implementation: Implementation, machine: Machine, turns: Turns | None = None) -> None:
    """Every iteration by itself; reduced loops of a fold run one after another around the instructions.

    Temporaries take ``turns`` where the loops around are given.
    """
    selection = selection_of(nest, implementation, EngineCosts.of(machine))
    assert selection is not None
    free = [d for d in range(len(nest.extents)) if d != implementation.lane]
    stepped = [d for d in free if d in nest.reduced]
    boxed = [d for d in free if d not in nest.reduced]
    whole, cut, size = fit(nest, boxed, most_elements(nest, machine), machine.vector.max_free_dims)
    around = [d for d in boxed if d not in whole and d != cut]
    emitter = Emitter(nest, implementation.lane)
    emitter.turns = turns

    def body() -> None:
        emitter.steps(selection)
        if nest.store.indirect:
            _scatter(nest, emitter, selection)

    chunked(emitter, around + stepped, whole, (cut, size), selection.slots, body)


def _scatter(nest: Nest, emitter: Emitter, selection: Selection) -> None:
    box = emitter.box(list(range(len(nest.extents))))
    value = emitter.operand(selection.value, selection.slots, box)
    tensors = [emitter.operand(each, selection.slots, box) for each in selection.indices if each is not None]
    position = iter(range(len(tensors)))
    indices = [next(position) if isinstance(index, int) else index for index in nest.store.indices]
    token = npu.scatter(
        value[0], nest.store.array, [memref for memref, _ in tensors], emitter.symbols(),
        sizes=emitter.sizes(box), maps=[value[1], emitter.indirect_map(indices, box), *(m for _, m in tensors)],
        cause=cause_of(nest.store.array),
    )  # fmt: skip
    npu.dma_wait(token)
