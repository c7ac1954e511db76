from dataclasses import dataclass
from typing import ClassVar

from torch_mlir import ir

from polystage.pipeline import Pass, PassContext


@dataclass(frozen=True)
class BreakIR(Pass):
    """Leave a function whose type does not fit its body, as a bug would."""

    anchor: ClassVar[str] = "func.func"

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        op.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get([], []))
