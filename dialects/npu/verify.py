"""What makes an npu instruction well formed, and legal on the module's machine."""

from torch_mlir import ir


def verify(operation: ir.Operation) -> str | None:
    """What is wrong with ``operation``, or None."""
    return None
