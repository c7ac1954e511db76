"""What makes an npu instruction well formed, and legal on the module's machine.

Structure is always checked: operands, box, linear maps, memories, element types, lanes, accesses inside their memrefs.
Limits of the machine are checked where the module carries ``polystage.target``. Index operands that are no linear form
of induction variables with constant bounds leave bounds and start lanes to the executor.
"""

from torch_mlir import ir

from polystage.dialects.npu import limits, rules
from polystage.dialects.npu.instruction import Illegal, Parsed, View, parse
from polystage.dialects.npu.signatures import SIGNATURES
from polystage.errors import UserError

_TARGET = "polystage.target"


def verify(operation: ir.Operation) -> str | None:
    """What is wrong with ``operation``, or None."""
    signature = SIGNATURES[operation.name]
    if signature.name == "dma_wait":
        return None
    try:
        instruction = parse(operation, signature)
        rules.check(instruction)
        _check_bounds(instruction)
        _check_machine(instruction)
    except Illegal as problem:
        return str(problem)
    return None


def _check_bounds(instruction: Parsed) -> None:
    """Every access stays inside its memref, for all points of the box and all iterations of the loops around."""
    ranges = instruction.indices.range
    for view in instruction.views:
        for axis, (row, extent) in enumerate(zip(view.rows, view.memref.shape, strict=True)):
            low, high = row.low, row.high
            if row.symbols:
                shift = ranges(row.symbols)
                if shift is None:
                    continue
                low, high = low + shift[0], high + shift[1]
            if (low < 0 or high >= extent) and not row.indirect:
                raise Illegal(_outside(view, axis, low, high))


def _outside(view: View, axis: int, low: int, high: int) -> str:
    extent = view.memref.shape[axis]
    return (
        f"{view.role}: index {axis} runs over [{low}, {high}], {view.memref.type} has [0, {extent - 1}] there; "
        "shrink the box or correct the map"
    )


def _check_machine(instruction: Parsed) -> None:
    module = instruction.operation
    while module.name != "builtin.module":
        parent = module.parent
        if parent is None:
            return
        module = parent.operation
    target = module.attributes.get(_TARGET)
    if target is None:
        return
    from polystage.machine import from_attribute

    try:
        machine = from_attribute(target)
    except UserError as problem:
        raise Illegal(f"cannot be checked, the module's target is wrong: {problem}") from None
    limits.check(instruction, machine)
