"""torch.export of a live module, on real or ``meta`` tensors."""

import logging
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch._subclasses import FakeTensorMode
from torch.export import ExportedProgram
from torch.nn.utils.stateless import _reparametrize_module

from polystage.importers.errors import from_exception


def trace(model: torch.nn.Module, inputs: Sequence[Any]) -> tuple[ExportedProgram, dict[str, torch.Tensor]]:
    """The exported program, and the model's own tensor for each parameter, buffer and constant name."""
    own = {**dict(model.named_parameters(remove_duplicate=False)), **dict(model.named_buffers(remove_duplicate=False))}
    on_meta = any(tensor.device.type == "meta" for tensor in own.values())
    with warnings.catch_warnings(), torch.no_grad(), _quiet():
        warnings.simplefilter("ignore")
        try:
            program = _export_fake(model, inputs, own) if on_meta else _export(model, inputs)
        except Exception as error:
            raise from_exception(error, "torch.export refuses the model") from error
    return program, {**program.state_dict, **program.constants, **own}


def _export(model: torch.nn.Module, inputs: Sequence[Any]) -> ExportedProgram:
    return torch.export.export(model, tuple(inputs), strict=False)


def _export_fake(model: torch.nn.Module, inputs: Sequence[Any], own: dict[str, torch.Tensor]) -> ExportedProgram:
    """Export with shape-only CPU tensors, so that tensors the model makes on the CPU mix with its own."""
    mode = FakeTensorMode(allow_non_fake_inputs=True)

    def fake(tensor: torch.Tensor) -> torch.Tensor:
        with mode:
            shadow = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype)
        if isinstance(tensor, torch.nn.Parameter):
            return torch.nn.Parameter(shadow, requires_grad=False)
        return shadow

    shadows: dict[int, torch.Tensor] = {}
    state = {name: shadows.setdefault(id(tensor), fake(tensor)) for name, tensor in own.items()}
    leaves = torch.utils._pytree.tree_map_only(torch.Tensor, fake, tuple(inputs))
    with _reparametrize_module(model, state):
        return _export(model, leaves)


class _quiet:  # noqa: N801
    """Keep torch's loggers from printing while a model is traced; what matters arrives as an exception."""

    def __enter__(self) -> None:
        self._before = logging.root.manager.disable
        logging.disable(logging.CRITICAL)

    def __exit__(self, *_: object) -> None:
        logging.disable(self._before)
