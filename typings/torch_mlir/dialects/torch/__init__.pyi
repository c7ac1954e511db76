"""Types of the part of `torch_mlir.dialects.torch` that a compiler needs."""

from torch_mlir.ir import Context

def register_dialect(context: Context, load: bool = True) -> None: ...
