"""The dialects that polystage defines itself; everything else it uses is upstream MLIR."""

from torch_mlir import ir

from polystage.dialects import _ext


def register(context: ir.Context) -> None:
    """Make every dialect of polystage known to ``context``; a second call on the same context does nothing."""
    from polystage.dialects.npu.ops import Npu

    _ext.load(Npu, context)
