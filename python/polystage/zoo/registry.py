"""Names -> builders, weights and inputs from a seed, device and dtype."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from polystage.errors import UserError
from polystage.zoo.inputs import Inputs
from polystage.zoo.weights import on_meta, randomise, seeded


@dataclass(frozen=True)
class Entry:
    """Where a model is built: ``module.function()`` returns ``(model, make_inputs)``; is it a small one?"""

    module: str
    function: str
    small: bool = False


_ENTRIES: Mapping[str, Entry] = {
    "resnet18": Entry("resnet", "resnet18"),
    "resnet50": Entry("resnet", "resnet50"),
    "resnet101": Entry("resnet", "resnet101"),
    "mobilenet_v2": Entry("mobilenet", "mobilenet_v2"),
    "densenet121": Entry("densenet", "densenet121"),
    "unet": Entry("unet", "unet"),
    "vit_b16": Entry("transformer", "vit_b16"),
    "bert_base": Entry("transformer", "bert_base"),
    "gpt2": Entry("transformer", "gpt2"),
    "wavenet": Entry("wavenet", "wavenet"),
    "lstm": Entry("lstm", "lstm"),
    "dlrm": Entry("dlrm", "dlrm"),
    "tiny_mlp": Entry("tiny", "mlp", small=True),
    "tiny_cnn": Entry("tiny", "cnn", small=True),
    "tiny_attention": Entry("tiny", "attention", small=True),
}


def names(*, small: bool = False) -> tuple[str, ...]:
    """The twelve models, or with ``small`` the three for the ``tiny`` target."""
    return tuple(name for name, entry in _ENTRIES.items() if entry.small == small)


def load(
    name: str, *, seed: int = 0, dtype: torch.dtype = torch.float32, device: str | None = None
) -> tuple[torch.nn.Module, Inputs]:
    """The model in inference mode and its example inputs.

    Weights and inputs are functions of ``seed``. ``dtype`` applies to every floating point tensor. On the ``meta``
    device parameters and float buffers have no data; integer buffers (index tables) keep theirs.

    Raises UserError for an unknown name, or when a model needs a package that is not installed.
    """
    if name not in _ENTRIES:
        raise UserError(f"unknown model '{name}'; the zoo has {', '.join(_ENTRIES)}")
    entry = _ENTRIES[name]
    builder = getattr(importlib.import_module(f"polystage.zoo.{entry.module}"), entry.function)
    generator = torch.Generator().manual_seed(seed)
    if device == "meta":
        with on_meta():
            model, make_inputs = builder()
    else:
        with seeded(seed):
            model, make_inputs = builder()
        randomise(model, generator)
        model.to(device)
    inputs = tuple(_cast(x, dtype).to(device) for x in make_inputs(generator))
    return model.eval().to(dtype), inputs


def _cast(value: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return value.to(dtype) if value.is_floating_point() else value


def builders() -> Mapping[str, Any]:
    """The registry, for tools that list it."""
    return _ENTRIES
