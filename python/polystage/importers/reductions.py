"""Sums, means, variances, normalisations and softmax, accumulated in f32 whatever the tensors' precision."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from polystage.importers.precision import NARROW, reciprocal, wide


def _dims(x: Tensor, dim: Sequence[int] | int | None) -> list[int]:
    if dim is None or (not isinstance(dim, int) and len(dim) == 0):
        return list(range(x.dim()))
    return [dim] if isinstance(dim, int) else list(dim)


def _count(x: Tensor, dims: list[int]) -> int:
    count = 1
    for d in dims:
        count *= x.shape[d]
    return count


def _mean(x: Tensor, dims: list[int], keepdim: bool) -> Tensor:
    """Mean in the tensor's own dtype; callers widen first."""
    if not dims:
        return x
    return x.sum(dims, keepdim) / float(_count(x, dims))


def sum_dims(x: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Any:
    """aten.sum.dim_IntList for bf16/f16: accumulate in f32, round once."""
    out = dtype or x.dtype
    if out not in NARROW:
        return NotImplemented
    return wide(x).sum(_dims(x, dim), keepdim).to(out)


def sum_all(x: Tensor, *, dtype: torch.dtype | None = None) -> Any:
    """aten.sum.default."""
    return sum_dims(x, None, False, dtype=dtype)


def mean_dims(x: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Tensor:
    """aten.mean.dim as a sum and a division."""
    x32 = wide(x if dtype is None else x.to(dtype))
    return _mean(x32, _dims(x, dim), keepdim).to(dtype or x.dtype)


def mean_all(x: Tensor, *, dtype: torch.dtype | None = None) -> Tensor:
    """aten.mean.default."""
    return mean_dims(x, None, False, dtype=dtype)


def _moments(x: Tensor, dims: list[int], correction: float, keepdim: bool) -> tuple[Tensor, Tensor]:
    """Two-pass variance and mean of a tensor already widened."""
    mean = _mean(x, dims, True)
    centred = x - mean
    squares = (centred * centred).sum(dims, keepdim)
    variance = squares / max(float(_count(x, dims)) - correction, 0.0)
    return variance, mean if keepdim else mean.squeeze(list(dims))


def vector_norm(
    x: Tensor, order: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Any:
    """aten.linalg_vector_norm of order 1 and 2 without powers."""
    if order not in (1, 2):
        return NotImplemented
    x32 = wide(x if dtype is None else x.to(dtype))
    terms = x32 * x32 if order == 2 else x32.abs()
    total = terms.sum(_dims(x, dim), keepdim)
    return (torch.sqrt(total) if order == 2 else total).to(dtype or x.dtype)


def var_correction(x: Tensor, dim: Any = None, *, correction: float | None = None, keepdim: bool = False) -> Tensor:
    """aten.var.correction."""
    return var_mean_correction(x, dim, correction=correction, keepdim=keepdim)[0]


def var_mean_correction(
    x: Tensor, dim: Any = None, *, correction: float | None = None, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    """aten.var_mean.correction, two-pass."""
    variance, mean = _moments(wide(x), _dims(x, dim), 1.0 if correction is None else float(correction), keepdim)
    return variance.to(x.dtype), mean.to(x.dtype)


def native_layer_norm(
    x: Tensor, shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """aten.native_layer_norm: normalise in f32, scale, shift, round once."""
    dims = list(range(x.dim() - len(shape), x.dim()))
    x32 = wide(x)
    mean = _mean(x32, dims, True)
    centred = x32 - mean
    rstd = torch.rsqrt(_mean(centred * centred, dims, True) + eps)
    out = centred * rstd
    if weight is not None:
        out = out * wide(weight)
    if bias is not None:
        out = out + wide(bias)
    return out.to(x.dtype), mean, rstd


def native_group_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, n: int, c: int, hw: int, groups: int, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """aten.native_group_norm: as layer norm over each group of channels."""
    x32 = wide(x).reshape(n, groups, c // groups, hw)
    mean = _mean(x32, [2, 3], True)
    centred = x32 - mean
    rstd = torch.rsqrt(_mean(centred * centred, [2, 3], True) + eps)
    out = (centred * rstd).reshape(x.shape)
    per_channel = [1, c] + [1] * (x.dim() - 2)
    if weight is not None:
        out = out * wide(weight).reshape(per_channel)
    if bias is not None:
        out = out + wide(bias).reshape(per_channel)
    return out.to(x.dtype), mean.reshape(n, groups), rstd.reshape(n, groups)


def batch_norm_inference(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor,
    running_var: Tensor,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """aten._native_batch_norm_legit_no_training as ``x * scale + shift``, the form of PyTorch's own CPU kernel."""
    scale = reciprocal(torch.sqrt(wide(running_var) + eps))
    if weight is not None:
        scale = scale * wide(weight)
    shift = -wide(running_mean) * scale
    if bias is not None:
        shift = shift + wide(bias)
    per_channel = [1, x.shape[1]] + [1] * (x.dim() - 2)
    out = wide(x) * scale.reshape(per_channel) + shift.reshape(per_channel)
    empty = x.new_empty((0,))
    return out.to(x.dtype), empty, empty


def softmax(x: Tensor, dim: int, half_to_float: bool = False) -> Tensor:
    """aten._softmax: shifted by the maximum, in f32."""
    x32 = wide(x)
    exponent = torch.exp(x32 - x32.amax(dim, True))
    out = exponent / exponent.sum(dim, True)
    return out if half_to_float else out.to(x.dtype)


def log_softmax(x: Tensor, dim: int, half_to_float: bool = False) -> Tensor:
    """aten._log_softmax: shifted by the maximum, in f32."""
    x32 = wide(x)
    shifted = x32 - x32.amax(dim, True)
    out = shifted - torch.log(torch.exp(shifted).sum(dim, True))
    return out if half_to_float else out.to(x.dtype)
