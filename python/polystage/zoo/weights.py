"""Random weights under which activations stay of order one, in f32 and bf16."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

_LINEAR = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def randomise(model: nn.Module, generator: torch.Generator) -> None:
    """Make every vector of weights and statistics non-trivial, so that a wrong folding or a lost bias shows.

    Batch normalisations get means in 0..0.2 and variances in 0.5..1.5; constant vectors (biases at 0, scales at 1)
    are spread by 0.1. Matrices keep the initialisation of their constructor.
    """
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
                _fill(module.running_mean, generator, 0.0, 0.2)
                _fill(module.running_var, generator, 0.5, 1.5)
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.rand(parameter.shape, generator=generator) * 0.2 - 0.1)


def _fill(tensor: torch.Tensor | None, generator: torch.Generator, low: float, high: float) -> None:
    if tensor is not None:
        tensor.uniform_(low, high, generator=generator)


def he_init(model: nn.Module) -> None:
    """He initialisation (fan in) of convolutions and linear layers, small uniform biases."""
    for module in model.modules():
        if isinstance(module, _LINEAR):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
            if module.bias is not None:
                nn.init.uniform_(module.bias, -0.05, 0.05)


@contextmanager
def on_meta() -> Generator[None]:
    """Build modules with parameters and float buffers on the meta device, integer buffers with their values."""
    register_parameter = nn.Module.register_parameter
    register_buffer = nn.Module.register_buffer

    def parameter(self: nn.Module, name: str, param: nn.Parameter | None) -> None:
        register_parameter(self, name, param if param is None or param.is_meta else _shadow(param))

    def buffer(self: nn.Module, name: str, tensor: torch.Tensor | None, *args: Any, **kwargs: Any) -> None:
        shadow = tensor.to("meta") if tensor is not None and tensor.is_floating_point() else tensor
        register_buffer(self, name, shadow, *args, **kwargs)

    nn.Module.register_parameter, nn.Module.register_buffer = parameter, buffer
    try:
        yield
    finally:
        nn.Module.register_parameter, nn.Module.register_buffer = register_parameter, register_buffer


def _shadow(param: nn.Parameter) -> nn.Parameter:
    return nn.Parameter(param.to("meta"), requires_grad=False)


@contextmanager
def seeded(seed: int) -> Generator[None]:
    """The global random generator seeded, and given back as it was."""
    before = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(before)
