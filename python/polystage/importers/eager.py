"""Running a model in PyTorch itself: the reference that compiled programs are compared with."""

import copy
import time
from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np
import torch
from torch.export import ExportedProgram

from polystage.errors import UserError
from polystage.importers.imported import DTYPES, tensor_to_numpy
from polystage.importers.torch_edge import leaves, map_tensors

Array = np.ndarray[Any, np.dtype[Any]]
_TORCH = {name: dtype for dtype, name in DTYPES.items()}


def cast(model: Any, inputs: Sequence[Any], dtype: str) -> tuple[Any, tuple[Any, ...]]:
    """A copy of ``model`` and ``inputs`` with every floating-point tensor in ``dtype`` ("f32", "bf16", "f16")."""
    if not isinstance(model, torch.nn.Module):
        raise UserError(f"only a torch.nn.Module can be cast to {dtype}; export the model in {dtype} instead")
    target = _TORCH[dtype]
    moved = map_tensors(lambda leaf: leaf.to(target) if leaf.is_floating_point() else leaf, tuple(inputs))
    return copy.deepcopy(model).to(target), moved


def evaluate(model: Any, inputs: Sequence[Any]) -> tuple[tuple[Array, ...], float]:
    """The model's output tensors, flattened, as numpy; and the seconds that PyTorch eager took."""
    run = model.module() if isinstance(model, ExportedProgram) else model
    with torch.no_grad():
        begin = time.perf_counter()
        outputs = run(*inputs)
        seconds = time.perf_counter() - begin
    return tuple(tensor_to_numpy(leaf) for leaf in leaves(outputs) if isinstance(leaf, torch.Tensor)), seconds


def to_tensor(array: Array) -> torch.Tensor:
    """A tensor on the memory of ``array``."""
    if array.dtype == ml_dtypes.bfloat16:
        return torch.as_tensor(array.view(np.uint16)).view(torch.bfloat16)
    return torch.as_tensor(array)
