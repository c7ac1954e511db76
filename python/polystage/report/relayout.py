"""Relayouts of an npu program: copies from SBUF to SBUF that change nothing but where the elements lie.

Those are transfers by DMA with both ends in SBUF. A ``tensor_copy`` between SBUF tiles is a copy of the model (a
reshape, a slice) that nobody eliminated, and is counted there.
"""

from math import prod

from torch_mlir import ir

from polystage.analysis.nests import main_function
from polystage.analysis.traffic import instructions
from polystage.dialects import npu
from polystage.report.report import Relayout


def relayouts(module: ir.Operation) -> Relayout:
    """How many relayouts one execution makes, and the bytes they write."""
    count = size = 0
    for op, trips in instructions(main_function(module).regions[0].blocks[0], 1):
        if op.name != "npu.dma_start":
            continue
        instruction = npu.decode(op)
        source, target = (ir.MemRefType(value.type) for value in instruction.memrefs)
        if npu.memory_of(source) == npu.memory_of(target) == "sbuf":
            count += trips
            size += trips * prod(instruction.sizes) * npu.element_bytes(target.element_type)
    return Relayout(count, size)
