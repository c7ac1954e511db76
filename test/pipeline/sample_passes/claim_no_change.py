from dataclasses import dataclass

from torch_mlir import ir

from polystage.pipeline import Pass, PassContext, option


@dataclass(frozen=True)
class ClaimNoChange(Pass):
    """Claim to change nothing, which is a lie where there is something to mark."""

    mark: bool = option(False, help="set an attribute")

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        if self.mark:
            op.attributes["marked"] = ir.UnitAttr.get()

    def prove(self, before: ir.Operation, after: ir.Operation, ctx: PassContext) -> None:
        if str(before) != str(after):
            ctx.error(after, "something changed")
