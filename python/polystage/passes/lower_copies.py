"""lower-copies: memref.copy becomes a structured operation, which becomes a copy nest."""

from dataclasses import dataclass

from torch_mlir import ir

from polystage.passes.nests.ir import walk
from polystage.passes.nests.linalg import generic, parallel
from polystage.pipeline import Pass, PassContext


@dataclass(frozen=True)
class LowerCopies(Pass):
    """Write ``memref.copy`` as ``linalg.generic``.

    Before:
    ```mlir
    memref.copy %a, %b : memref<8xf32> to memref<8xf32>
    ```
    After:
    ```mlir
    linalg.generic {maps = [#id, #id], iterator_types = ["parallel"]} ins(%a) outs(%b) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    }
    ```

    Requires: static shapes.
    Statistics: copies.
    """

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Rewrite every copy."""
        with op.context:
            for inner in walk(op):
                if inner.name == "memref.copy":
                    source, target = inner.operands
                    rank = ir.MemRefType(source.type).rank
                    identity = ir.AffineMap.get_identity(rank)
                    with ir.InsertionPoint(inner), inner.location:
                        generic(([source], [target]), [identity, identity], parallel(rank), lambda values: values[:1])
                    inner.erase()
                    ctx.statistic("copies")
