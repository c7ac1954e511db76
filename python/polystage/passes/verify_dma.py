"""verify-dma: transfers race with nothing, and every wait ends."""

from dataclasses import dataclass

from torch_mlir import ir

from polystage.passes.pipelining.dma_proof import MAX_OPERATIONS, prove
from polystage.pipeline import Pass, PassContext, option


@dataclass(frozen=True)
class VerifyDma(Pass):
    """Prove that no transfer races with an instruction or another transfer, and that every wait ends.

    Each token is used once, in the block that defines it. Between its start and its wait nothing touches the bytes
    that a transfer writes, and nothing writes the bytes that it reads; in loops for all iterations, across iterations
    where a loop carries the token. Addresses are compared, not buffers, and nothing is taken from `pipeline-dma`.

    Accepts:
    ```mlir
    %0 = "npu.dma_start"(%x, %a) ...
    "npu.memset"(%b) ...
    "npu.dma_wait"(%0)
    "npu.activation"(%c, %a) ...
    ```

    Requires: `allocate`.

    Refuses: everything else; reports each transfer that breaks a law, with the instruction that it meets. A question
    that takes too long is a refusal too.

    Statistics:
        transfers: transfers proved
        accesses: pairs of accesses compared
        sets: integer sets that were needed for it
    """

    max_operations: int = option(MAX_OPERATIONS, help="isl operations spent on one pair of accesses")

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Check the module; changes nothing."""
        verdict = prove(op, ctx, addresses=True, max_operations=self.max_operations)
        ctx.statistic("transfers", verdict.transfers)
        ctx.statistic("accesses", verdict.pairs)
        ctx.statistic("sets", verdict.sets)
