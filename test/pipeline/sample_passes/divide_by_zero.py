from dataclasses import dataclass

from torch_mlir import ir

from polystage.pipeline import Pass, PassContext


@dataclass(frozen=True)
class DivideByZero(Pass):
    """Raise, as a bug would."""

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        ctx.statistic("never", 1 // len([]))
