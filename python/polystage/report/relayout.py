"""Relayouts of an npu program: copies from SBUF to SBUF that change nothing but where the elements lie.

Those are transfers by DMA with both ends in SBUF, and the moves that engines make instead: transposes and broadcasts by
the matrix engine, copies between lanes. The last instruction of such a move, which writes what has been moved, is a
``tensor_copy`` with the cause "relayout". Any other ``tensor_copy`` is a copy of the model (a reshape, a slice) that
nobody eliminated, and is counted there.
"""

from math import prod

from torch_mlir import ir

from polystage.analysis.nests import main_function
from polystage.analysis.traffic import instructions
from polystage.dialects import npu
from polystage.report.report import Relayout

CAUSE = "relayout"


def relayouts(module: ir.Operation) -> Relayout:
    """How many relayouts one execution makes, and the bytes they write."""
    count = size = 0
    for op, trips in instructions(main_function(module).regions[0].blocks[0], 1):
        if op.name not in ("npu.dma_start", "npu.tensor_copy"):
            continue
        instruction = npu.decode(op)
        if _is_relayout(instruction):
            target = ir.MemRefType(instruction.memrefs[1 if instruction.op == "dma_start" else 0].type)
            count += trips
            size += trips * prod(instruction.sizes) * npu.element_bytes(target.element_type)
    return Relayout(count, size)


def _is_relayout(instruction: npu.Instruction) -> bool:
    if instruction.op == "tensor_copy":
        return instruction.cause == CAUSE
    return all(npu.memory_of(value.type) == "sbuf" for value in instruction.memrefs)
