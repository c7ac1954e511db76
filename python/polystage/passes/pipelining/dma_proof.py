"""Has the transfers of a module proved and reports what is refused (``verify-dma``, ``--verify-each``)."""

from typing import TYPE_CHECKING

from torch_mlir import ir

from polystage.analysis.nests import main_function
from polystage.pipeline import PassContext

if TYPE_CHECKING:
    from polystage.certify.dma import Verdict

MAX_OPERATIONS = 1_000_000


def prove(
    module: ir.Operation, ctx: PassContext, *, addresses: bool, max_operations: int = MAX_OPERATIONS
) -> "Verdict":
    """Prove the transfers of the function, by addresses or (before `allocate`) by buffers."""
    from polystage.certify.dma import check  # islpy

    verdict = check(main_function(module), addresses=addresses, max_operations=max_operations)
    for refusal in verdict.refusals:
        notes = [(refusal.start, "the transfer starts here")] if refusal.start != refusal.op else []
        ctx.error(refusal.op, refusal.message, notes)
    return verdict
