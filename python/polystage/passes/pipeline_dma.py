"""Overlap transfers with computation: early starts, late waits, several copies of the tiles of loops."""

from dataclasses import dataclass

from torch_mlir import ir

from polystage.analysis.nests import main_function
from polystage.machine import of_module
from polystage.passes.allocate import limits_of, packs
from polystage.passes.pipelining.accesses import Reader
from polystage.passes.pipelining.blocks import read_block
from polystage.passes.pipelining.dma_proof import prove
from polystage.passes.pipelining.loops import LoopPlan, plan_loops
from polystage.passes.pipelining.rewrite import rewrite
from polystage.passes.pipelining.schedule import Bounds, schedule, write
from polystage.pipeline import Pass, PassContext, option

_TRIES = ((1.0, 4), (15 / 16, 0), (7 / 8, 0), (3 / 4, 0), (0.0, 0))
"""Part of the scratchpad that longer lives may fill, and items by which a life may begin early, tried one by one."""


@dataclass(frozen=True)
class PipelineDma(Pass):
    """Overlap transfers with computation: early starts, late waits, several copies of the tiles of loops.

    Before:

    ```mlir
    %0 = "npu.dma_start"(%x, %a) ...
    "npu.dma_wait"(%0)
    "npu.activation"(%b, %a) ...
    %1 = "npu.dma_start"(%w, %c) ...
    "npu.dma_wait"(%1)
    ```

    After:

    ```mlir
    %0 = "npu.dma_start"(%x, %a) ...
    %1 = "npu.dma_start"(%w, %c) ...
    "npu.dma_wait"(%0)
    "npu.activation"(%b, %a) ...
    "npu.dma_wait"(%1)
    ```

    Requires: `lower-to-npu`.

    Refuses: a `lookahead` below 1. What would need more scratchpad than there is stays as it is, so that `allocate`
    does not fail where it would not have failed before.

    Statistics:
        loops: loops whose transfers cross iterations
        moved: transfers that start earlier than they did
    """

    strategy: str = option("overlap", choices=("off", "overlap"), help="off: every start is waited for at once")
    buffers: int = option(2, choices=(1, 2, 3), help="copies of a tile that loops transfer", unit="copies")
    lookahead: int = option(256, help="most transfers that a start or a wait moves past", unit="transfers")

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Try with ever less scratchpad for longer lives, until the buffers can be packed."""
        if self.strategy == "off":
            return
        if self.lookahead < 1:
            off = "strategy=off leaves all transfers where they are"
            ctx.error(op, f"lookahead must be at least 1 transfer, got {self.lookahead}; {off}")
            return
        machine = of_module(op)
        original = main_function(op).clone().operation
        limits = limits_of(machine)
        for filled, apart in _TRIES:
            function = main_function(op)
            with op.context, ir.Location.unknown():
                bounds = Bounds(int(limits["sbuf"].capacity * filled), self.lookahead, machine, apart)
                statistics = self._overlap(function.regions[0].blocks[0], limits["sbuf"].alignment, bounds)
            if packs(function, limits):
                for name, count in statistics.items():
                    ctx.statistic(name, count)
                return
            original.clone(ip=ir.InsertionPoint(function))
            function.erase()

    def prove(self, before: ir.Operation, after: ir.Operation, ctx: PassContext) -> None:
        """Have the checker of `verify-dma` prove that nothing meets a transfer in flight."""
        prove(after, ctx, addresses=False)

    def _overlap(self, body: ir.Block, alignment: int, bounds: Bounds) -> dict[str, int]:
        plans: list[LoopPlan] = []
        if self.buffers > 1:
            reader = Reader()
            plans = plan_loops(read_block(body, reader, alignment), reader, bounds.limit, self.buffers)
            rewrite(plans)
        reader = Reader()
        block = read_block(body, reader, alignment)
        moved = schedule(block, reader, bounds)
        write(block, reader)
        return {"moved": moved, "loops": len(plans)}
