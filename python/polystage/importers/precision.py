"""In which precision things are computed: bf16 and f16 in f32, rounded once, as PyTorch's kernels do."""

import torch
from torch import Tensor

NARROW = (torch.float16, torch.bfloat16)


def wide(x: Tensor) -> Tensor:
    """The tensor in the precision PyTorch's kernels accumulate in."""
    return x.to(torch.float32) if x.dtype in NARROW else x


def reciprocal(x: Tensor) -> Tensor:
    """aten.reciprocal: a division (torch-mlir's lowering asserts inside the loop body)."""
    return torch.div(torch.ones((), dtype=x.dtype), x)
