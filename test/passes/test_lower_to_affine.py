"""lower-to-affine end to end: PyTorch functions give the same numbers as eager PyTorch, from any printed level."""

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its customary name
from torch_mlir import ir

from polystage.importers import import_model
from polystage.interp import jit
from polystage.passes.pipelines import ALIASES
from polystage.pipeline import Registry, run_pipeline
from polystage.pipeline.plan import plan_pipeline

REGISTRY = Registry("polystage.passes")
ALIAS = "lower-to-affine"
Outputs = tuple[torch.Tensor, ...]
Model = Callable[..., Outputs]


class Wrapped(torch.nn.Module):
    """A function as a module."""

    def __init__(self, function: Model) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: torch.Tensor) -> Outputs:
        return self.function(*inputs)


def randn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(7))


def views(x: torch.Tensor) -> Outputs:
    windows = x.reshape(2, 2, 3, 2, 4).permute(0, 3, 2, 1, 4)
    return windows.reshape(4, 3, 8), x.flip(0, 2), torch.roll(x, (1, 3), (0, 2)), x.repeat(1, 2, 1), x[:, 1:5:2, ::3]


def pads(x: torch.Tensor) -> Outputs:
    y = F.pad(x, (1, 2, 0, 1), mode="reflect"), F.pad(x, (2, 1, 1, 0), mode="replicate")
    return (*y, F.pad(x, (1, 2), value=3.0), F.pad(x, (-1, 2)), F.interpolate(x, scale_factor=2, mode="nearest"))


def extrema(x: torch.Tensor) -> Outputs:
    tied = (x * 2).round()
    top = tied.max(1)
    return tied.argmax(1), tied.argmin(0), tied.argmax(), top.values, top.indices, tied.amin(0), x.any(1)


def scans(x: torch.Tensor) -> Outputs:
    return x.cumsum(0), x.cumsum(1), x.cumprod(1), torch.cumsum(x.round().to(torch.int64), 1)


def shared(x: torch.Tensor) -> Outputs:
    y = x + 1
    return y, x, y, x.view(12, 2), torch.zeros(3), torch.slice_scatter(y, x[:, :2], 1, 1, 5, 2)


def softmax(x: torch.Tensor) -> Outputs:
    return torch.softmax(x, -1), F.layer_norm(x, (6,)), F.gelu(x), torch.where(x > 0.3, x, 2 * x), x.clamp(-0.5, 0.5)


def convolutions(x: torch.Tensor, w: torch.Tensor, d: torch.Tensor) -> Outputs:
    pooled = F.max_pool2d(x, 3, 2, 1), F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
    strided, dilated = F.conv2d(x, w, stride=2, padding=1), F.conv2d(x, w, padding=2, dilation=2)
    grouped = F.conv2d(x, w[:, :2], groups=2), F.conv2d(x, d, padding=1, groups=4), F.pixel_shuffle(x, 2)
    return (*pooled, strided, dilated, *grouped, F.conv_transpose2d(x, w.transpose(0, 1), stride=2))


def indices(x: torch.Tensor, i: torch.Tensor) -> Outputs:
    gathered = x[i], torch.gather(x, 1, i[:, None].expand(4, 6)), F.embedding(i, x), x[:, i]
    return (*gathered, torch.index_put(x, (i,), 2 * x), F.one_hot(i, 5), i * 3 - 1, i.float() / 2, (i > 1).sum(0))


PERMUTATION = torch.tensor([2, 0, 3, 1])
CASES: dict[str, tuple[Model, tuple[torch.Tensor, ...]]] = {
    "views": (views, (randn(4, 6, 4),)),
    "pads": (pads, (randn(1, 2, 5, 6),)),
    "extrema": (extrema, (randn(4, 6),)),
    "scans": (scans, (randn(4, 6),)),
    "shared": (shared, (randn(4, 6),)),
    "softmax": (softmax, (randn(4, 6),)),
    "softmax-bf16": (softmax, (randn(4, 6).bfloat16(),)),
    "convolutions": (convolutions, (randn(1, 4, 7, 8), randn(6, 4, 3, 3), randn(4, 1, 3, 3))),
    "indices": (indices, (randn(4, 6), PERMUTATION)),
}
INDIRECT = {"indices": 5}
"""Nests that really depend on loaded indices; every other access is affine."""


@pytest.fixture(scope="module", name="imported")
def _imported() -> dict[str, Any]:
    return {name: import_model(Wrapped(function), inputs) for name, (function, inputs) in CASES.items()}


def lowered(module: ir.Module, pipeline: str = ALIAS) -> ir.Module:
    clone = ir.Module.parse(module.operation.get_asm(enable_debug_info=True), module.context)
    run_pipeline(clone.operation, pipeline, REGISTRY)
    return clone


def array(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    """As the compiled program holds it: i64 as i32."""
    if tensor.dtype == torch.bfloat16:
        return tensor.contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.to(torch.int32 if tensor.dtype == torch.int64 else tensor.dtype).contiguous().numpy()


@pytest.mark.parametrize("name", CASES)
def test_equals_eager(name: str, imported: dict[str, Any]):
    function, inputs = CASES[name]
    held = [a.tensor for a in imported[name].arguments if a.tensor is not None]
    expected = [array(output) for output in function(*inputs)]
    outputs = [np.full_like(value, 77) for value in expected]
    module = lowered(imported[name].module)
    jit.run(module, [*map(array, (*held, *inputs)), *outputs])
    tolerance = 2e-2 if inputs[0].dtype == torch.bfloat16 else 1e-5
    for position, (actual, wanted) in enumerate(zip(outputs, expected, strict=True)):
        actual, wanted = actual.astype(np.float64), wanted.astype(np.float64)
        np.testing.assert_allclose(actual, wanted, tolerance, tolerance, err_msg=f"output {position}")


@pytest.mark.parametrize("name", CASES)
def test_only_loaded_indices_are_indirect(name: str, imported: dict[str, Any]):
    text = str(lowered(imported[name].module))
    constants = [a.name for a in imported[name].arguments if a.kind == "constant"]
    if not constants:  # a table that was folded at export is data like any other
        assert text.count("polystage.indirect") == INDIRECT.get(name, 0)


@pytest.mark.parametrize("name", ["convolutions", "scans"])
def test_every_intermediate_text_continues_to_the_same_result(name: str, imported: dict[str, Any]):
    module = imported[name].module
    with module.context:
        steps = [str(step) for step in plan_pipeline(ALIASES[ALIAS], REGISTRY, apart=True).steps]
        wanted = str(lowered(module))
        current = module
        for step in steps:
            current = lowered(current, step)
    assert len(steps) > 15
    assert str(current) == wanted
