"""Loops of instructions written out, iteration by iteration (mechanism of ``order-instructions``)."""

from math import prod

from torch_mlir import ir

from polystage.dialects import npu
from polystage.passes.pipelining.accesses import counts_of
from polystage.passes.pipelining.iterations import Place, Values

_INSIDE = frozenset({"affine.apply", "affine.for", "affine.yield"})


def trips(loop: ir.Operation) -> int | None:
    """How many instructions a loop executes; None where it holds more than instructions of compute engines."""
    total = 0
    for view in loop.regions[0].blocks[0].operations:
        op = view.operation
        inner = trips(op) if op.name == "affine.for" else int(_computes(op))
        if inner is None or not (op.name in _INSIDE or _computes(op)) or (op.name == "affine.for" and op.results):
            return None
        total += inner
    return prod((len(counts_of(loop)), total))


def _computes(op: ir.Operation) -> bool:
    return npu.is_instruction(op) and npu.ENGINE[op.name.removeprefix("npu.")] != "dma"


def unroll(loop: ir.Operation, constants: dict[int, ir.Value]) -> None:
    """Write the iterations of a loop before it, inner loops unrolled too, and erase it.

    ``constants`` holds the indices that were made so far in this block, before the loop.
    """
    body = loop.regions[0].blocks[0]
    kept = [view.operation for view in body.operations if view.operation.name not in ("affine.apply", "affine.yield")]
    for count in counts_of(loop):
        with ir.InsertionPoint(loop), loop.location:
            values = Values(body.arguments[0], Place(None, count), constants)
            for op in kept:
                made = values.copy(op)
                if made.name == "affine.for":
                    unroll(made, constants)
    loop.erase()
