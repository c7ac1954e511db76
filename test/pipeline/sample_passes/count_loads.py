from dataclasses import dataclass
from typing import ClassVar

from torch_mlir import ir

from polystage.pipeline import Pass, PassContext, option


@dataclass(frozen=True)
class CountLoads(Pass):
    """Count loads and say so
    at each function.

    The number lands in an attribute.

    ```mlir
    func.func @f()
    // After
    func.func @f() attributes {loads = 2 : i64}
    ```

    Requires: nothing.
    Refuses: nothing.
    Statistics:
      loads: loads that were seen,
        in all functions
      functions: functions that were seen
    """

    anchor: ClassVar[str] = "func.func"

    weight: int = option(1, help="what a load counts", unit="loads")
    attribute: str = option("loads", help="name of the attribute", choices=("loads", "count"))
    skip: tuple[str, ...] = option((), help="operations to leave out")

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        loads = 0

        def visit(inner: ir.Operation) -> ir.WalkResult:
            nonlocal loads
            if inner.name.endswith(".load") and inner.name not in self.skip:
                loads += self.weight
            return ir.WalkResult.ADVANCE

        op.walk(visit)
        op.attributes[self.attribute] = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), loads)
        ctx.statistic("loads", loads)
        ctx.statistic("functions")
        ctx.remark(op, f"{loads} loads")
