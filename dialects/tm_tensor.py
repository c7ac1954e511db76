"""torch-mlir's dialect of scans and scatters on tensors, made known to contexts that read IR from text.

Importing a model loads it by the way, as a dialect that passes of the import depend on. The bindings of torch-mlir have
no function for it alone.
"""

from torch_mlir import ir


def register(context: ir.Context) -> None:
    """Make ``tm_tensor`` and ``torch`` known to ``context``: 0.3 ms, the first time with an import of 60 ms."""
    from torch_mlir.dialects import torch as torch_dialect  # numpy
    from torch_mlir.passmanager import PassManager

    torch_dialect.register_dialect(context)
    with context, ir.Location.unknown():
        # running a pass loads what it depends on
        PassManager.parse("builtin.module(func.func(convert-torch-to-tmtensor))").run(ir.Module.create().operation)
