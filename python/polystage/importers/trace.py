"""torch.export of a live module, on real or ``meta`` tensors."""

import logging
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch._subclasses import FakeTensorMode
from torch.export import ExportedProgram

from polystage.importers.errors import from_exception
from polystage.importers.torch_edge import export, map_tensors, shape_only, substituted, tensors_of


def trace(model: torch.nn.Module, inputs: Sequence[Any]) -> tuple[ExportedProgram, dict[str, torch.Tensor]]:
    """The exported program, and the model's own tensor for each parameter, buffer and constant name."""
    own: dict[str, torch.Tensor] = dict(model.named_parameters(remove_duplicate=False))
    own |= dict(model.named_buffers(remove_duplicate=False))
    on_meta = any(tensor.is_meta for tensor in own.values())
    with quiet(), torch.no_grad():
        try:
            program = _export_shapes(model, inputs, own) if on_meta else export(model, inputs)
        except Exception as error:
            raise from_exception(error, "torch.export refuses the model") from error
    return program, {**tensors_of(program), **own}


def _export_shapes(model: torch.nn.Module, inputs: Sequence[Any], own: dict[str, torch.Tensor]) -> ExportedProgram:
    """Export with shape-only CPU tensors, so that tensors the model makes on the CPU mix with its own."""
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    shapes: dict[int, torch.Tensor] = {}
    for tensor in own.values():
        shapes.setdefault(id(tensor), shape_only(mode, tensor))
    state = {name: shapes[id(tensor)] for name, tensor in own.items()}
    leaves = map_tensors(lambda tensor: shape_only(mode, tensor), tuple(inputs))
    with substituted(model, state):
        return export(model, leaves)


@contextmanager
def quiet() -> Generator[None]:
    """Keep torch's loggers and warnings from printing; what matters arrives as an exception."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
