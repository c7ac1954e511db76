"""What an import returns: the module and the live tensors behind its arguments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import ml_dtypes
import numpy as np
import torch
from torch_mlir import ir

from polystage.importers.torch_edge import leaves

Kind = Literal["parameter", "buffer", "constant", "input"]

# The element types polystage compiles, by their MLIR names.
DTYPES: Mapping[torch.dtype, str] = {
    torch.float32: "f32",
    torch.float16: "f16",
    torch.bfloat16: "bf16",
    torch.int64: "i64",
    torch.int32: "i32",
    torch.int8: "i8",
    torch.bool: "i1",
}


@dataclass(frozen=True)
class Argument:
    """One argument of ``@main``.

    ``tensor`` is the live PyTorch tensor of a parameter, buffer or constant (on the ``meta`` device when the model
    is), and None for an input. ``dtype`` is the MLIR element type as text.
    """

    name: str
    kind: Kind
    dtype: str
    shape: tuple[int, ...]
    tensor: torch.Tensor | None = field(default=None, repr=False, compare=False)

    def numpy(self) -> np.ndarray[Any, Any]:
        """A numpy view of the tensor: no copy when it is contiguous on the CPU. bf16 is ``ml_dtypes.bfloat16``.

        Raises ValueError for an input and for a tensor without data (``meta`` device).
        """
        if self.tensor is None:
            raise ValueError(f"argument {self.name} is an input and holds no tensor")
        return tensor_to_numpy(self.tensor)


@dataclass(frozen=True)
class Imported:
    """A model as linalg on tensors.

    ``module`` has one public function ``@main``; ``arguments`` are its arguments in order: parameters, buffers,
    constants, then inputs. ``seconds`` holds ``torch_export`` (tracing and decomposing) and ``import`` (the rest).
    ``structure`` is the pytree of the model's outputs, None when the source was a file of IR.
    """

    module: ir.Module
    arguments: tuple[Argument, ...]
    seconds: Mapping[str, float]
    structure: Any = field(default=None, repr=False)

    @property
    def inputs(self) -> tuple[Argument, ...]:
        """The arguments a caller has to supply, in order."""
        return tuple(argument for argument in self.arguments if argument.kind == "input")

    def flatten(self, *inputs: Any) -> tuple[torch.Tensor, ...]:
        """The tensors among a model's positional inputs, in the order of ``self.inputs``."""
        return tuple(leaf for leaf in leaves(inputs) if isinstance(leaf, torch.Tensor))


def tensor_to_numpy(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    """A view of the tensor's memory as numpy (a copy only when it is not contiguous)."""
    if tensor.device.type == "meta":
        raise ValueError("a tensor on the meta device has no data")
    dense = tensor.detach().cpu().contiguous()
    if dense.dtype == torch.bfloat16:
        return dense.view(torch.uint16).numpy().view(ml_dtypes.bfloat16)
    return dense.numpy()
