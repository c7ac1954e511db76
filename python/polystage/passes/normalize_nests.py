"""normalize-nests: every store in a perfect nest of its own, index arithmetic in its accesses."""

from dataclasses import dataclass

from torch_mlir import ir

from polystage.analysis.nests import main_function
from polystage.passes.nests.conditions import without_predicate
from polystage.passes.nests.distribute import Part, check_distributable
from polystage.passes.nests.io import Reader, Writer
from polystage.passes.nests.ir import NotSupportedError, reported, splat_globals, walk
from polystage.passes.nests.tree import STORES, is_scalar, statements_of
from polystage.passes.nests.views import VIEWS, base_of
from polystage.pipeline import Pass, PassContext

BETWEEN_NESTS = frozenset(("memref.alloc", "memref.get_global", "arith.constant", "affine.for", "func.return"))
"""What stays in the function's own block."""


@dataclass(frozen=True)
class NormalizeNests(Pass):
    """Give every store its own perfect nest with a canonical body.

    Loops are shifted to run from 0 with step 1, loops of one trip go away, loops of no trip take their body along.
    Accesses through views (slices, reshapes) become accesses of the array. Code between loops, and scalar code
    between nests, moves into the nests that use it. Inside a body equal operations are one, unused ones disappear,
    and integer arithmetic on induction variables becomes part of the access maps, simplified by the loop bounds.
    A nest with several stores is distributed into one nest per store. A store under a condition on induction
    variables gets the boxes where it holds, under any other condition it writes back what was there. Values of
    conditionals are computed on both sides and selected. Run-time assertions are dropped. A nest with an index that
    is not quasi-affine gets the attribute ``polystage.indirect``.

    Before:
    ```mlir
    affine.for %i = 0 to 8 {
      affine.for %j = 0 to 1 {
        %0 = affine.load %a[%i floordiv 8, %i mod 16] : memref<1x16xf32>
        affine.store %0, %b[%i, %j] : memref<8x1xf32>
      }
    }
    ```
    After:
    ```mlir
    affine.for %i = 0 to 8 {
      %0 = affine.load %a[0, %i] : memref<1x16xf32>
      affine.store %0, %b[%i, 0] : memref<8x1xf32>
    }
    ```

    Requires: one function @main on memrefs; loops with constant bounds.
    Refuses: loop bounds that are not constant, values carried by loops, slices at places that depend on data, other
    operations in or between nests, stores of one nest that depend on each other.
    Statistics: nests (written), distributed (nests with several stores).
    """

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Rewrite every nest of @main."""
        with op.context, ir.Location.unknown(), reported(ctx):
            block = main_function(op).regions[0].blocks[0]
            _check_scalars(block)
            reader, writer = Reader(splat_globals(op)), Writer(block)
            for view in list(block.operations):
                tree = view.operation
                if tree.name == "affine.for" or tree.name in STORES:
                    _rewrite(tree, reader, writer, ctx)
            _erase_scalars(block)


def _rewrite(tree: ir.Operation, reader: Reader, writer: Writer, ctx: PassContext) -> None:
    """Replace a loop, or a store at function level, by nests in normal form."""
    parts = [Part(reader.read(statement), statement) for statement in statements_of(tree)]
    if len(parts) > 1:
        check_distributable(tree, parts)
        ctx.statistic("distributed")
    with ir.InsertionPoint(tree):
        for part in parts:
            for body in without_predicate(part.body):
                writer.write(body, tree.location)
                ctx.statistic("nests")
    tree.erase()


def _check_scalars(block: ir.Block) -> None:
    """Refuse loads between nests that would move over a store to their array."""
    operations = [view.operation for view in block.operations]
    loads = [(k, op) for k, op in enumerate(operations) if op.name in ("affine.load", "memref.load")]
    if not loads:
        return
    inside = [[op, *walk(op)] for op in operations]
    stores = [(k, base_of(op.operands[1])) for k, ops in enumerate(inside) for op in ops if op.name in STORES]
    for position, load in loads:
        users = {use.owner.operation for use in load.results[0].uses}
        last = max((k for k, ops in enumerate(inside) if not users.isdisjoint(ops)), default=position)
        if any(position < k < last and array == base_of(load.operands[0]) for k, array in stores):
            raise NotSupportedError(load.location, "a load between nests cannot move over a store to its array")


def _erase_scalars(block: ir.Block) -> None:
    """Remove the scalar code between nests, which the nests have taken over."""
    for view in reversed(list(block.operations)):
        op = view.operation
        unused = all(not any(True for _ in result.uses) for result in op.results)
        if op.name in BETWEEN_NESTS and not (op.name == "arith.constant" and unused):
            continue
        if not unused or not (is_scalar(op) or op.name in VIEWS):
            raise NotSupportedError(op.location, f"'{op.name}' between nests is not supported")
        op.erase()
