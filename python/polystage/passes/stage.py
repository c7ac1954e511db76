"""Decide what is on chip when: tile loops, tile buffers and the transfers between memories."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from torch_mlir import ir

from polystage.analysis.costs import nest_ns
from polystage.analysis.implementation import ATTRIBUTE, Implementation
from polystage.analysis.nests import Constant, NotANestError, main_function, read_nest, top_nests
from polystage.analysis.selection import NotSelectableError
from polystage.analysis.tiling import NestTiling, tiling_of
from polystage.machine import Machine, of_module
from polystage.passes._staging import StagedNest, tensor_name
from polystage.pipeline import Pass, PassContext, option


@dataclass(frozen=True)
class Stage(Pass):
    """Decide what is on chip when: tile loops, tile buffers and the transfers between memories.

    With `strategy=local` every nest is staged by itself: its operands are brought in tile by tile, the point nest works
    on tile buffers in SBUF, the result is written back. Tiles start as the whole nest and shrink until buffers,
    alignment and the temporaries of instruction selection fit; each step halves the loop that costs least extra
    modelled time for what it frees. A transfer is placed outside of every tile loop that it does not depend on.

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
    operation without an instruction.

    Statistics:
        staged: nests staged
        tiled: nests with at least one tile loop
    """

    strategy: str = option("local", choices=("local",), help="local: every nest is staged by itself")

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Rewrite every nest of the function."""
        machine = of_module(op)
        function = main_function(op)
        constants = _Constants(function)
        worst: tuple[int, ir.Operation] | None = None
        for loop in list(top_nests(function)):
            try:
                nest = read_nest(loop)
                tiling = tiling_of(nest, Implementation.from_attribute(loop.attributes[ATTRIBUTE]), machine)
            except (NotANestError, NotSelectableError) as problem:
                ctx.error(loop, f"no instruction covers this nest: {problem}")
                continue
            except KeyError:
                ctx.error(loop, f"nest has no {ATTRIBUTE}; run map-banks first")
                continue
            least = tiling.demand(smallest(tiling))
            if least > machine.usable_bytes_per_lane:
                worst = max(worst or (0, loop), (least, loop), key=lambda each: each[0])
                continue
            sizes = choose_sizes(tiling, machine)
            order = choose_order(tiling, sizes, machine)
            with ir.InsertionPoint(loop), loop.location:
                staged = StagedNest(tiling, sizes, order, constants)
                staged.write()
            ctx.statistic("staged", 1)
            ctx.statistic("tiled", int(bool(staged.order)))
            loop.erase()
        if worst is not None:
            ctx.error(worst[1], _too_small(worst[0], worst[1], machine))


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


def smallest(tiling: NestTiling) -> list[int]:
    """The smallest tile: one iteration, one block of lanes."""
    return [min(extent, tiling.blocks.get(loop, 1)) for loop, extent in enumerate(tiling.nest.extents)]


def choose_sizes(tiling: NestTiling, machine: Machine) -> list[int]:
    """Tile sizes that fit; from the whole nest downwards, each step the one that costs least time per byte freed."""
    capacity = machine.usable_bytes_per_lane
    sizes = [1 if loop in tiling.single else extent for loop, extent in enumerate(tiling.nest.extents)]
    demand = tiling.demand(sizes)
    while demand > capacity:
        before = _least_time(tiling, sizes, machine)
        steps: list[tuple[float, int, list[int]]] = []
        for loop in range(len(sizes)):
            smaller = sizes.copy()
            smaller[loop] = next_smaller(tiling, loop, sizes[loop])
            freed = demand - tiling.demand(smaller)
            if freed > 0:
                steps.append(((_least_time(tiling, smaller, machine) - before) / freed, loop, smaller))
        if not steps:
            return smallest(tiling)
        sizes = min(steps)[2]
        demand = tiling.demand(sizes)
    return sizes


def next_smaller(tiling: NestTiling, loop: int, size: int) -> int:
    """About half of a tile size: whole blocks of lanes, else a divisor of the extent when one is near."""
    block = tiling.blocks.get(loop, 1)
    if size > block > 1:
        return ceil(ceil(size / block) / 2) * block if size > 2 * block else block
    if size <= 1 or block > 1:
        return size if block > 1 else 1
    half = ceil(size / 2)
    extent = tiling.nest.extents[loop]
    return next((d for d in range(half, max(1, half // 2), -1) if extent % d == 0), half)


def orders(tiling: NestTiling) -> Iterator[list[int]]:
    """Orders of tile loops worth trying: reductions innermost, and for each buffer the loops that keep it in place."""
    nest = tiling.nest
    reduced = [loop for loop in range(len(nest.extents)) if loop not in nest.parallel]
    parallel = [loop for loop in range(len(nest.extents)) if loop in nest.parallel]
    seen = set[tuple[int, ...]]()
    for buffer in (None, *tiling.buffers):
        held = frozenset[int]() if buffer is None else buffer.loops
        fixed = [loop for loop in parallel if loop in tiling.single]
        outer = [loop for loop in parallel if loop in held and loop not in tiling.single]
        inner = [loop for loop in parallel if loop not in held and loop not in tiling.single]
        order = (*outer, *inner, *fixed, *reduced)
        if order not in seen:
            seen.add(order)
            yield list(order)


def choose_order(tiling: NestTiling, sizes: Sequence[int], machine: Machine) -> list[int]:
    """The fastest order of tile loops, the first of equals."""
    return min(orders(tiling), key=lambda order: nest_ns(tiling, sizes, order, machine))


def _least_time(tiling: NestTiling, sizes: Sequence[int], machine: Machine) -> float:
    return min(nest_ns(tiling, sizes, order, machine) for order in orders(tiling))


def _too_small(least: int, loop: ir.Operation, machine: Machine) -> str:
    name = tensor_name(read_nest(loop).store.array)
    total = (least + machine.reserved_bytes_per_lane) * machine.lanes
    return (
        f"nest that stores '{name}' needs {least:,} bytes of SBUF per lane with its smallest tile, "
        f"{machine.name} has {machine.usable_bytes_per_lane:,}; choose --sbuf {total} or more"
    )
