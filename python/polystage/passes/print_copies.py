"""Say of every nest that only moves data what it moves, as remarks."""

from dataclasses import dataclass

from torch_mlir import ir

from polystage.analysis.copies import data_movement
from polystage.analysis.nests import main_function
from polystage.pipeline import Pass, PassContext


@dataclass(frozen=True)
class PrintCopies(Pass):
    """Say of every nest that only moves data what it moves, as remarks.

    A test pass: it shows what the analysis that copy elimination starts from finds, and changes nothing. Copies name
    their kind (identity, permutation, slice, pad, broadcast, general); nests that also change the element type are
    casts, and nests that store a constant are fills.

    Before and after:

    ```mlir
    affine.for %i = 0 to 4 {                    // remark: pad copy of 16 bytes from 'a' to 'b'
      %0 = affine.load %a[%i] : memref<4xf32>
      affine.store %0, %b[%i + 1] : memref<6xf32>
    }
    ```

    Requires: affine normal form.

    Refuses: nothing.

    Statistics:
        copies: copy nests
        copy-bytes: bytes that they store
        casts: nests that move data to another element type
        fills: nests that store a constant
    """

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Report every copy, cast and fill."""
        moved = data_movement(main_function(op))
        for copy in moved.copies:
            ctx.remark(copy.op, f"{copy.kind} copy of {copy.bytes:,} bytes from '{copy.source}' to '{copy.target}'")
        for cast in moved.casts:
            ctx.remark(cast.op, f"{cast.kind} cast of {cast.bytes:,} bytes from '{cast.source}' to '{cast.target}'")
        for fill in moved.fills:
            ctx.remark(fill.op, f"fill of {fill.bytes:,} bytes of '{fill.target}'")
        ctx.statistic("copies", len(moved.copies))
        ctx.statistic("copy-bytes", sum(copy.bytes for copy in moved.copies))
        ctx.statistic("casts", len(moved.casts))
        ctx.statistic("fills", len(moved.fills))
