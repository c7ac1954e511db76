"""The decompositions used at export, where torch-mlir's own lowering is wrong, in f64, or in too low a precision.

Rules: variances are two-pass means in f32; sums, means, softmax, normalisations and composed functions of bf16/f16
tensors are computed in f32 and rounded once, as PyTorch's kernels do; nothing becomes f64.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch_mlir.extras.fx_decomp_util import get_decomposition_table

from polystage.importers.attention import scaled_dot_product_attention
from polystage.importers.convolutions import average_pool, convolution, upsample_nearest
from polystage.importers.precision import NARROW, reciprocal, wide
from polystage.importers.reductions import (
    batch_norm_inference,
    log_softmax,
    mean_all,
    mean_dims,
    native_group_norm,
    native_layer_norm,
    softmax,
    sum_all,
    sum_dims,
    var_correction,
    var_mean_correction,
    vector_norm,
)
from polystage.importers.torch_edge import aten


def table() -> dict[Any, Callable[..., Any]]:
    """torch-mlir's table with ours laid over it."""
    return {**get_decomposition_table(), **_OWN}


def addmm(bias: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """aten.addmm: product and bias in f32, rounded once."""
    product = torch.mm(wide(a), wide(b))
    if alpha != 1:
        product = product * alpha
    bias = wide(bias) if beta == 1 else wide(bias) * beta
    return (product + bias).to(a.dtype)


def power(x: Tensor, exponent: float) -> Any:
    """aten.pow.Tensor_Scalar for the exponents that PyTorch computes without pow."""
    if not x.is_floating_point():
        return NotImplemented
    x32 = wide(x)
    special = {0.5: torch.sqrt, -0.5: torch.rsqrt, -1.0: reciprocal, 1.0: torch.clone, 2.0: _square, 3.0: _cube}
    if exponent in special:
        return special[exponent](x32).to(x.dtype)
    return NotImplemented if x32 is x else torch.pow(x32, exponent).to(x.dtype)


def _square(x: Tensor) -> Tensor:
    return x * x


def _cube(x: Tensor) -> Tensor:
    return x * x * x


def gelu(x: Tensor, *, approximate: str = "none") -> Any:
    """aten.gelu: the tanh form without a power; both in f32."""
    x32 = wide(x)
    if approximate == "none":
        return NotImplemented if x32 is x else aten.gelu.default(x32).to(x.dtype)
    inner = math.sqrt(2.0 / math.pi) * (x32 + 0.044715 * _cube(x32))
    return (0.5 * x32 * (1.0 + torch.tanh(inner))).to(x.dtype)


def log_sigmoid(x: Tensor) -> tuple[Tensor, Tensor]:
    """aten.log_sigmoid_forward, stable for large ``|x|``."""
    x32 = wide(x)
    out = torch.clamp(x32, max=0.0) - torch.log1p(torch.exp(-x32.abs()))
    return out.to(x.dtype), x.new_empty((0,))


def _in_f32(function: Callable[..., Tensor]) -> Callable[..., Any]:
    """An elementwise function of several roundings, computed in f32 for bf16/f16 tensors."""

    def decomposed(x: Tensor, *args: Any, **kwargs: Any) -> Any:
        if x.dtype not in NARROW:
            return NotImplemented
        return function(x.to(torch.float32), *args, **kwargs).to(x.dtype)

    return decomposed


_COMPOSED = (
    aten.silu.default,
    aten.sigmoid.default,
    aten.elu.default,
    aten.hardsigmoid.default,
    aten.hardswish.default,
    aten.leaky_relu.default,
    aten.mish.default,
    aten.softplus.default,
    aten.rsqrt.default,
)

_OWN: dict[Any, Callable[..., Any]] = {
    aten.sum.dim_IntList: sum_dims,
    aten.sum.default: sum_all,
    aten.mean.dim: mean_dims,
    aten.mean.default: mean_all,
    aten.var.correction: var_correction,
    aten.var_mean.correction: var_mean_correction,
    aten.linalg_vector_norm.default: vector_norm,
    aten.native_layer_norm.default: native_layer_norm,
    aten.native_group_norm.default: native_group_norm,
    aten._native_batch_norm_legit_no_training.default: batch_norm_inference,
    aten._softmax.default: softmax,
    aten._log_softmax.default: log_softmax,
    aten.scaled_dot_product_attention.default: scaled_dot_product_attention,
    aten.addmm.default: addmm,
    aten.convolution.default: convolution,
    aten.avg_pool2d.default: average_pool,
    aten.upsample_nearest1d.vec: upsample_nearest,
    aten.upsample_nearest2d.vec: upsample_nearest,
    aten.upsample_nearest3d.vec: upsample_nearest,
    aten.reciprocal.default: reciprocal,
    aten.pow.Tensor_Scalar: power,
    aten.gelu.default: gelu,
    aten.log_sigmoid_forward.default: log_sigmoid,
    **{op: _in_f32(op) for op in _COMPOSED},
}
