"""Names -> builders, weights and inputs from a seed, device and dtype."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch

from polystage.errors import UserError
from polystage.zoo.inputs import Inputs, MakeInputs
from polystage.zoo.weights import on_meta, randomise, seeded


@dataclass(frozen=True)
class Entry:
    """Where a model is built: ``module.function(**sizes)`` returns ``(model, make_inputs)``.

    ``kind`` is "whole", "small" (for the ``tiny`` target) or "part" of a whole model. Sizes have defaults.
    """

    module: str
    function: str
    kind: Literal["whole", "small", "part"] = "whole"


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
    "basic_block": Entry("resnet", "basic_block", "part"),
    "bert_layer": Entry("transformer", "bert_layer", "part"),
    "speech_encoder_layer": Entry("transformer", "speech_encoder_layer", "part"),
    "tiny_mlp": Entry("tiny", "mlp", "small"),
    "tiny_cnn": Entry("tiny", "cnn", "small"),
    "tiny_attention": Entry("tiny", "attention", "small"),
}


def names(*, small: bool = False) -> tuple[str, ...]:
    """The twelve models, or with ``small`` the three for the ``tiny`` target."""
    return _of_kind("small" if small else "whole")


def parts() -> tuple[str, ...]:
    """Blocks and layers of models, to be studied by themselves."""
    return _of_kind("part")


def _of_kind(kind: str) -> tuple[str, ...]:
    return tuple(name for name, entry in _ENTRIES.items() if entry.kind == kind)


def load(
    name: str, *, seed: int = 0, dtype: torch.dtype = torch.float32, device: str | None = None
) -> tuple[torch.nn.Module, Inputs]:
    """The model in inference mode and its example inputs.

    Sizes follow the name: ``unet:side=512``, ``bert_base:layers=48,tokens=256``. Weights and inputs are functions of
    ``seed``. ``dtype`` applies to every floating point tensor. On the ``meta`` device parameters and float buffers
    have no data; integer buffers (index tables) keep theirs.

    Raises UserError for an unknown name, sizes that the model does not have, or when a model needs a package that is
    not installed.
    """
    builder = _builder(name)
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


def _builder(text: str) -> Callable[[], tuple[torch.nn.Module, MakeInputs]]:
    """What builds ``NAME`` or ``NAME:SIZE=NUMBER,...``."""
    name, colon, words = text.partition(":")
    if name not in _ENTRIES:
        raise UserError(f"unknown model '{name}'; the zoo has {', '.join(_ENTRIES)}")
    entry = _ENTRIES[name]
    function = getattr(importlib.import_module(f"polystage.zoo.{entry.module}"), entry.function)
    defaults = {size: given.default for size, given in inspect.signature(function).parameters.items()}
    return partial(function, **dict(_size(name, word, defaults) for word in words.split(",") if colon))


def _size(name: str, word: str, defaults: Mapping[str, int]) -> tuple[str, int]:
    size, _, number = word.partition("=")
    if size not in defaults:
        known = ", ".join(f"{size}={default}" for size, default in defaults.items())
        raise UserError(f"model '{name}' has no size '{size}'; " + (f"it has {known}" if known else "it has none"))
    if not number.isdecimal() or int(number) == 0:
        raise UserError(f"{size} of model '{name}' takes a number from 1, got '{number}', as in {name}:{size}=64")
    return size, int(number)


def _cast(value: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return value.to(dtype) if value.is_floating_point() else value
