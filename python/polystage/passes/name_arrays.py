"""name-arrays: every array of the function has a name, every argument a kind."""

from dataclasses import dataclass

from torch_mlir import ir

from polystage.analysis.nests import main_function
from polystage.passes.nests.ir import defining_op, reported, walk
from polystage.pipeline import Pass, PassContext

RESULT = "bufferize.result"


@dataclass(frozen=True)
class NameArrays(Pass):
    """Name the results ``output0``, ``output1`` ... and the allocated arrays ``t0``, ``t1`` ... in program order.

    An allocation moves to its first use. Results are the arguments that ``buffer-results-to-out-params`` marked
    ``bufferize.result``.

    Before:
    ```mlir
    func.func @main(%x: memref<8xf32> {...}, %y: memref<8xf32> {bufferize.result}) {
      %a = memref.alloc() {alignment = 64 : i64} : memref<8xf32>
    ```
    After:
    ```mlir
    func.func @main(%x: memref<8xf32> {...},
                    %y: memref<8xf32> {polystage.kind = "output", polystage.name = "output0"}) {
      %a = memref.alloc() {polystage.name = "t0"} : memref<8xf32>
    ```

    Requires: one function @main on memrefs. Arguments without a kind are inputs, without a name get one by position.
    Statistics: arrays (allocated).
    """

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Name everything."""
        with op.context, reported(ctx):
            func = main_function(op)
            _name_arguments(func)
            for count, alloc in enumerate(_in_order_of_use(func)):
                if "alignment" in alloc.attributes:
                    del alloc.attributes["alignment"]
                alloc.attributes["polystage.name"] = ir.StringAttr.get(f"t{count}")
                ctx.statistic("arrays")


def _in_order_of_use(func: ir.Operation) -> list[ir.Operation]:
    """The allocations, each moved in front of the first nest that uses it."""
    ordered: list[ir.Operation] = []
    pending = {op for op in _operations(func) if op.name == "memref.alloc"}
    for nest in _operations(func):
        if nest.name != "affine.for" or not pending:
            continue
        for inner in walk(nest):
            for operand in inner.operands:
                alloc = defining_op(operand)
                if alloc in pending:
                    alloc.move_before(nest)
                    pending.discard(alloc)
                    ordered.append(alloc)
    return ordered


def _operations(func: ir.Operation) -> list[ir.Operation]:
    return [view.operation for view in func.regions[0].blocks[0].operations]


def _name_arguments(func: ir.Operation) -> None:
    count = len(func.regions[0].blocks[0].arguments)
    given = (
        list(ir.ArrayAttr(func.attributes["arg_attrs"]))
        if "arg_attrs" in func.attributes
        else [ir.DictAttr.get()] * count
    )
    entries: list[ir.Attribute] = []
    results = 0
    for position, old in enumerate(given):
        entry = {a.name: a.attr for a in ir.DictAttr(old)}
        if entry.pop(RESULT, None) is not None:
            entry |= _described(f"output{results}", "output")
            results += 1
        else:
            entry = {**_described(f"arg{position}", "input"), **entry}
        entries.append(ir.DictAttr.get(entry))
    func.attributes["arg_attrs"] = ir.ArrayAttr.get(entries)


def _described(name: str, kind: str) -> dict[str, ir.Attribute]:
    return {"polystage.name": ir.StringAttr.get(name), "polystage.kind": ir.StringAttr.get(kind)}
