"""remove-dead-nests: no nest writes what nobody reads."""

from dataclasses import dataclass

from torch_mlir import ir

from polystage.passes.nests.ir import functions, nest_of, walk
from polystage.pipeline import Pass, PassContext

STORES = {"affine.store": 1, "memref.store": 1}


@dataclass(frozen=True)
class RemoveDeadNests(Pass):
    """Remove arrays that nobody reads, the nests that write them, and globals that nobody uses.

    Before:
    ```mlir
    %a = memref.alloc() : memref<8xf32>
    affine.for %i = 0 to 8 { affine.store %zero, %a[%i] : memref<8xf32> }
    ```
    After: nothing.

    Requires: nests with one store each.
    Statistics: nests, arrays (removed).
    """

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Remove until nothing is left to remove."""
        for func in functions(op):
            while _remove_once(func, ctx):
                pass
        _remove_globals(op)


def _remove_once(func: ir.Operation, ctx: PassContext) -> bool:
    """Remove what is dead now; whether anything was. Readers are visited before writers, so one round mostly does."""
    changed = False
    for view in reversed(list(func.regions[0].blocks[0].operations)):
        op = view.operation
        if op.name == "memref.get_global" and not any(True for _ in op.results[0].uses):
            op.erase()
        elif op.name == "memref.alloc":
            writers = _only_writers(op.results[0])
            if writers is not None:
                for writer in writers:
                    writer.erase()
                    ctx.statistic("nests")
                op.erase()
                ctx.statistic("arrays")
                changed = True
    return changed


def _only_writers(array: ir.Value) -> list[ir.Operation] | None:
    """The nests that write ``array``, if nothing reads it but they themselves."""
    nests: dict[ir.Operation, bool] = {}
    for use in array.uses:
        op = use.owner.operation
        nest = nest_of(op)
        if nest is None:
            return None
        stores = op.name in STORES and use.operand_number == STORES[op.name]
        nests[nest] = nests.get(nest, False) or stores
    return list(nests) if all(nests.values()) else None


def _remove_globals(module: ir.Operation) -> None:
    used = {ir.FlatSymbolRefAttr(op.attributes["name"]).value for op in walk(module) if op.name == "memref.get_global"}
    for view in list(module.regions[0].blocks[0].operations):
        op = view.operation
        if op.name == "memref.global" and ir.StringAttr(op.attributes["sym_name"]).value not in used:
            op.erase()
