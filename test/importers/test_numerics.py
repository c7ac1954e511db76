"""Imported operators compute what eager PyTorch computes, in f32 and in bf16, and nothing is f64."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from polystage.importers import import_model
from polystage.importers.imported import tensor_to_numpy
from polystage.interp import jit

vector_norm: Any = vars(torch.linalg)["vector_norm"]  # torch leaves it untyped
Function = Callable[[Tensor], tuple[Tensor, ...]]


def activations(x: Tensor) -> tuple[Tensor, ...]:
    return (
        torch.relu(x),
        F.relu6(x * 4),
        F.gelu(x),
        F.gelu(x, approximate="tanh"),
        F.silu(x),
        F.elu(x),
        F.hardswish(x),
        F.leaky_relu(x, 0.2),
        F.softplus(x),
        F.logsigmoid(x),
        torch.sigmoid(x),
        x.clamp(-0.3, 0.4),
        x**3,
        x.abs() ** 0.5,
        1.0 / (x.abs() + 1.0),
        torch.where(x > 0.25, x, 0.125),
    )


def reductions(x: Tensor) -> tuple[Tensor, ...]:
    return (
        x.sum((1, 2)),
        x.mean(),
        x.var(-1),
        x.var((0, 2), correction=0),
        x.std(-1),
        torch.softmax(x, 1),
        F.log_softmax(x, -1),
        torch.logsumexp(x, -1),
        x.amax(-1),
        x.argmax(-1),
        vector_norm(x, dim=-1),
        F.normalize(x, dim=-1),
        (x > 0).sum(-1),
        x.cumsum(-1),
    )


def normalisations(x: Tensor) -> tuple[Tensor, ...]:
    scale, shift = torch.linspace(0.5, 1.5, 8).to(x.dtype), torch.linspace(-1, 1, 8).to(x.dtype)
    return (
        F.layer_norm(x, (8,), scale, shift),
        F.layer_norm(x, (8, 8), None, None, 1e-3),
        F.group_norm(x, 2),
        F.instance_norm(x),
        F.rms_norm(x, (8,), scale),
        F.batch_norm(x.transpose(1, 3), shift, scale, scale, shift),
        # a large mean shows a one-pass variance
        F.layer_norm(x + 64.0, (8,)),
    )


def pooling(x: Tensor) -> tuple[Tensor, ...]:
    return (
        F.max_pool2d(x, 3, 2, 1),
        F.max_pool1d(x[0], 2),
        F.avg_pool2d(x, 2),
        F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        F.avg_pool1d(x[0], 2),
        F.adaptive_avg_pool2d(x, 1),
        F.adaptive_avg_pool2d(x, (4, 2)),
        F.interpolate(x, scale_factor=2),
        F.interpolate(x, size=(8, 24)),
        F.pad(x, (1, 2, 0, 1), value=0.5),
        x.flip(-1),
        x.roll(3, -1),
        F.pixel_shuffle(x, 2),
    )


def weights(*shape: int) -> Tensor:
    count = int(np.prod(shape))
    return (torch.arange(count).remainder(7).float() / 7 - 0.4).reshape(shape)


def contractions(x: Tensor) -> tuple[Tensor, ...]:
    def w(*shape: int) -> Tensor:
        return weights(*shape).to(x.dtype)

    return (
        F.linear(x, w(5, 8), w(5)),
        x @ x.transpose(-1, -2),
        torch.einsum("abij,abkj->abik", x, x),
        F.conv2d(x, w(6, 4, 3, 3), w(6), stride=2, padding=1, dilation=2),
        F.conv2d(x, w(8, 1, 3, 3), groups=4),
        F.conv2d(x, w(4, 1, 3, 3), padding=1, groups=4),
        F.conv1d(x[0], w(6, 4, 3), groups=2),
        F.conv3d(x[None], w(3, 2, 1, 3, 3)),
        F.conv_transpose2d(x, w(4, 3, 2, 2), w(3), stride=2),
        F.conv_transpose2d(x, w(4, 3, 5, 3), stride=(3, 2), padding=(1, 1), output_padding=(1, 0)),
        F.conv_transpose2d(x, w(4, 1, 3, 3), stride=2, groups=2),
        F.conv_transpose1d(x[0], w(8, 3, 6), stride=4, padding=2),
    )


def attention(x: Tensor) -> tuple[Tensor, ...]:
    causal = torch.ones(8, 8, dtype=torch.bool).tril()
    return (
        F.scaled_dot_product_attention(x, x, x),
        F.scaled_dot_product_attention(x, x, x, is_causal=True),
        F.scaled_dot_product_attention(x, x, x, attn_mask=causal, scale=0.3),
        F.scaled_dot_product_attention(x, x[:, :2], x[:, :2], enable_gqa=True),
    )


class Apply(nn.Module):
    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return self.function(x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["f32", "bf16"])
@pytest.mark.parametrize(
    "function",
    [activations, reductions, normalisations, pooling, contractions, attention],
    ids=lambda function: function.__name__,
)
def test_matches_eager(function: Function, dtype: torch.dtype) -> None:
    x = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1)).to(dtype)
    imported = import_model(Apply(function), (x,))
    assert "f64" not in str(imported.module)
    arrays = [a.numpy() for a in imported.arguments if a.kind != "input"]
    results = jit.run_linalg(imported.module, [*arrays, tensor_to_numpy(x)])
    # one rounding of the result, and of inputs that eager rounds between operators
    tolerance = 2e-5 if dtype == torch.float32 else 2**-6
    for position, (result, expected) in enumerate(zip(results, function(x), strict=True)):
        wanted = tensor_to_numpy(expected)
        assert result.dtype == wanted.dtype
        np.testing.assert_allclose(
            result.astype(np.float32), wanted.astype(np.float32), tolerance, tolerance, err_msg=f"output {position}"
        )
