"""The dialects that polystage defines itself; everything else it uses is upstream MLIR."""

from torch_mlir import ir

from polystage.dialects import _ext


def register(context: ir.Context) -> None:
    """Make every dialect of polystage known to ``context``; a second call on the same context does nothing.

    Threads go: MLIR verifies functions in parallel while the caller holds Python's lock, which our verifiers wait for.
    """
    from polystage.dialects.npu.ops import Npu

    context.enable_multithreading(False)
    _ext.load(Npu, context)
