"""split-domains: an index that is affine in pieces gets a nest for each piece."""

from dataclasses import dataclass

from torch_mlir import ir

from polystage.analysis.nests import main_function
from polystage.passes.nests.body import Body, loads_of
from polystage.passes.nests.evaluate import Tables
from polystage.passes.nests.io import Reader, Writer
from polystage.passes.nests.ir import reported, splat_globals, tables_of
from polystage.passes.nests.pieces import Piecewise, piecewise, split
from polystage.passes.nests.tree import statements_of
from polystage.pipeline import Pass, PassContext


@dataclass(frozen=True)
class SplitDomains(Pass):
    """Make indices affine that are computed from one induction variable by anything but affine arithmetic.

    Such an index (clamped, reflected, scaled in floating point, selected, read from a constant table) is tabulated
    over its loop and covered by pieces ``(a * i + b) floordiv c``; the domain of the nest is cut where pieces meet.

    Before (replication padding):
    ```mlir
    affine.for %i = 0 to 10 {
      %0 = arith.subi %i, %c1 ; %1 = arith.maxsi %0, %c0 ; %2 = arith.minsi %1, %c7
      %3 = memref.load %x[%2]
      affine.store %3, %y[%i]
    } {polystage.indirect}
    ```
    After:
    ```mlir
    affine.for %i = 0 to 9 { %0 = affine.load %x[max(%i - 1, 0)] ... }   // in pieces: 0 to 1 and 1 to 9
    affine.for %i = 0 to 1 { %0 = affine.load %x[7] ; affine.store %0, %y[9] }
    ```

    Requires: nests as normalize-nests leaves them.
    Statistics: indices (made affine), nests (written for those that were cut).
    """

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Rewrite the nests marked ``polystage.indirect``."""
        with op.context, ir.Location.unknown(), reported(ctx):
            block = main_function(op).regions[0].blocks[0]
            nests = [v.operation for v in block.operations if "polystage.indirect" in v.operation.attributes]
            if not nests:
                return
            reader, writer, tables = Reader(splat_globals(op)), Writer(block), tables_of(op)
            for nest in nests:
                body = reader.read(next(statements_of(nest)))
                functions = _functions(body, tables)
                boxes = split(body, functions) if functions else None
                if boxes is not None:
                    with ir.InsertionPoint(nest):
                        for box in boxes:
                            writer.write(box, nest.location)
                    nest.erase()
                    ctx.statistic("indices", len(functions))
                    ctx.statistic("nests", len(boxes))


def _functions(body: Body, tables: Tables) -> dict[int, Piecewise]:
    """The indices that are functions of one induction variable."""
    indices = [i for load in loads_of(body) for i in load.indices] + list(body.result().indices)
    found = {i: piecewise(body, i, tables) for i in indices if isinstance(i, int)}
    return {number: function for number, function in found.items() if function is not None}
