from dataclasses import dataclass

from torch_mlir import ir

from polystage.errors import UserError
from polystage.pipeline import Pass, PassContext, PassFailure, option


@dataclass(frozen=True)
class RefuseDivision(Pass):
    """Refuse modules with divisions."""

    how: str = option("report", help="the way to refuse", choices=("report", "stop", "raise"))

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        found: list[ir.Operation] = []

        def visit(inner: ir.Operation) -> ir.WalkResult:
            if inner.name == "arith.divf":
                found.append(inner)
            return ir.WalkResult.ADVANCE

        op.walk(visit)
        for division in found:
            if self.how == "raise":
                raise UserError("there is no divider", notes=["multiply by the reciprocal"])
            ctx.error(division, "there is no divider", [(division.operands[0], "the dividend"), "multiply"])
            if self.how == "stop":
                raise PassFailure
