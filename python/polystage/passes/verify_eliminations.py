"""verify-eliminations: a program without copies computes what the program with them computed."""

from dataclasses import dataclass
from pathlib import Path

from torch_mlir import ir

from polystage.errors import UserError
from polystage.pipeline import Pass, PassContext, option


@dataclass(frozen=True)
class VerifyEliminations(Pass):
    """Check the module against the one it was made from by `eliminate-copies`, without the code that made it.

    Every nest that computes must be one of the earlier module, or a piece of one (`polystage.origin`), with operands
    from the same ultimate sources: the same iteration of the same nest, element of an argument, or constant. So must
    every element of every output. Each certificate in `polystage.certificates` is proved by itself. Floating-point
    reductions may be taken apart and reordered.

    Accepts, where the earlier module copies `%x` to `%t` and reads `%t` here:
    ```mlir
    affine.for %i = 0 to 8 {
      %0 = affine.load %x[%i] : memref<8xf32>
      %1 = math.exp %0 : f32
      affine.store %1, %y[%i] : memref<8xf32>
    } {polystage.origin = "output0#0"}
    ```

    Requires: both modules in the affine normal form.
    Refuses: everything else; reports all breaches, each with an iteration or element that shows it.
    Statistics: certificates, nests (proved).
    """

    before: str = option(help="file that holds the module before eliminate-copies")
    max_operations: int = option(20_000_000, help="isl operations spent on one nest, output or certificate")

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Check the module; changes nothing."""
        from polystage.certify.eliminations import check  # islpy

        verdict = check(_parse(self.before, op.context), op, self.max_operations)
        for refusal in verdict.refusals:
            ctx.error(refusal.op, str(refusal))
        ctx.statistic("certificates", len(verdict.proved))
        ctx.statistic("nests", verdict.nests if verdict.holds else 0)


def _parse(path: str, context: ir.Context) -> ir.Operation:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the module before: {error}", path) from error
    try:
        return ir.Operation.parse(text, source_name=path, context=context).operation
    except ir.MLIRError as error:
        raise UserError("the module before does not parse", path, [str(error)]) from error
