"""Decompositions used at export, where torch-mlir's own lowering is wrong, in f64, or in too low a precision.

Rules: variances are two-pass means in f32; sums, means, softmax and normalisations of bf16/f16 tensors are computed
in f32 and rounded once, as PyTorch's kernels do; nothing becomes f64.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch_mlir.extras.fx_decomp_util import get_decomposition_table

aten = torch.ops.aten


def table() -> dict[Any, Callable[..., Any]]:
    """torch-mlir's table with ours laid over it."""
    return {**get_decomposition_table(), **_OWN}


def _wide(x: Tensor) -> Tensor:
    """The tensor in the precision PyTorch's kernels accumulate in."""
    return x.to(torch.float32) if x.dtype in (torch.float16, torch.bfloat16) else x


def _dims(x: Tensor, dim: Sequence[int] | int | None) -> list[int]:
    if dim is None or (not isinstance(dim, int) and len(dim) == 0):
        return list(range(x.dim()))
    return [dim] if isinstance(dim, int) else list(dim)


def _count(x: Tensor, dims: Sequence[int]) -> int:
    count = 1
    for d in dims:
        count *= x.shape[d]
    return count


def _mean(x: Tensor, dims: Sequence[int], keepdim: bool) -> Tensor:
    """Mean in the tensor's own dtype; callers widen first."""
    if not dims:
        return x
    return x.sum(dims, keepdim) / float(_count(x, dims))


def sum_dims(x: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Any:
    """aten.sum.dim_IntList for bf16/f16: accumulate in f32, round once."""
    out = dtype or x.dtype
    if out not in (torch.float16, torch.bfloat16):
        return NotImplemented
    return _wide(x).sum(_dims(x, dim), keepdim).to(out)


def sum_all(x: Tensor, *, dtype: torch.dtype | None = None) -> Any:
    """aten.sum.default."""
    return sum_dims(x, None, False, dtype=dtype)


def mean_dims(x: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Tensor:
    """aten.mean.dim as a sum and a division."""
    wide = _wide(x if dtype is None else x.to(dtype))
    return _mean(wide, _dims(x, dim), keepdim).to(dtype or x.dtype)


def mean_all(x: Tensor, *, dtype: torch.dtype | None = None) -> Tensor:
    """aten.mean.default."""
    return mean_dims(x, None, False, dtype=dtype)


def _moments(x: Tensor, dims: Sequence[int], correction: float, keepdim: bool) -> tuple[Tensor, Tensor]:
    """Two-pass variance and mean of a wide tensor."""
    mean = _mean(x, dims, True)
    centred = x - mean
    squares = (centred * centred).sum(dims, keepdim)
    variance = squares / max(float(_count(x, dims)) - correction, 0.0)
    return variance, mean if keepdim else mean.squeeze(list(dims))


def var_correction(x: Tensor, dim: Any = None, *, correction: float | None = None, keepdim: bool = False) -> Tensor:
    """aten.var.correction."""
    return var_mean_correction(x, dim, correction=correction, keepdim=keepdim)[0]


def var_mean_correction(
    x: Tensor, dim: Any = None, *, correction: float | None = None, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    """aten.var_mean.correction, two-pass."""
    variance, mean = _moments(_wide(x), _dims(x, dim), 1.0 if correction is None else float(correction), keepdim)
    return variance.to(x.dtype), mean.to(x.dtype)


def native_layer_norm(
    x: Tensor, shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """aten.native_layer_norm: normalise in f32, scale, shift, round once."""
    dims = list(range(x.dim() - len(shape), x.dim()))
    wide = _wide(x)
    mean = _mean(wide, dims, True)
    centred = wide - mean
    rstd = torch.rsqrt(_mean(centred * centred, dims, True) + eps)
    out = centred * rstd
    if weight is not None:
        out = out * _wide(weight)
    if bias is not None:
        out = out + _wide(bias)
    return out.to(x.dtype), mean, rstd


def native_group_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, n: int, c: int, hw: int, groups: int, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """aten.native_group_norm: as layer norm over each group of channels."""
    wide = _wide(x).reshape(n, groups, c // groups, hw)
    mean = _mean(wide, [2, 3], True)
    centred = wide - mean
    rstd = torch.rsqrt(_mean(centred * centred, [2, 3], True) + eps)
    out = (centred * rstd).reshape(x.shape)
    per_channel = [1, c] + [1] * (x.dim() - 2)
    if weight is not None:
        out = out * _wide(weight).reshape(per_channel)
    if bias is not None:
        out = out + _wide(bias).reshape(per_channel)
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
    scale = reciprocal(torch.sqrt(_wide(running_var) + eps))
    if weight is not None:
        scale = scale * _wide(weight)
    shift = -_wide(running_mean) * scale
    if bias is not None:
        shift = shift + _wide(bias)
    per_channel = [1, x.shape[1]] + [1] * (x.dim() - 2)
    out = _wide(x) * scale.reshape(per_channel) + shift.reshape(per_channel)
    empty = x.new_empty((0,))
    return out.to(x.dtype), empty, empty


def softmax(x: Tensor, dim: int, half_to_float: bool = False) -> Tensor:
    """aten._softmax: shifted by the maximum, in f32."""
    wide = _wide(x)
    exponent = torch.exp(wide - wide.amax(dim, True))
    out = exponent / exponent.sum(dim, True)
    return out if half_to_float else out.to(x.dtype)


def log_softmax(x: Tensor, dim: int, half_to_float: bool = False) -> Tensor:
    """aten._log_softmax: shifted by the maximum, in f32."""
    wide = _wide(x)
    shifted = wide - wide.amax(dim, True)
    out = shifted - torch.log(torch.exp(shifted).sum(dim, True))
    return out if half_to_float else out.to(x.dtype)


def reciprocal(x: Tensor) -> Tensor:
    """aten.reciprocal: a division (torch-mlir's lowering asserts inside the loop body)."""
    return torch.div(torch.ones((), dtype=x.dtype), x)


def addmm(bias: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """aten.addmm: product and bias in f32, rounded once."""
    product = torch.mm(_wide(a), _wide(b))
    if alpha != 1:
        product = product * alpha
    bias = _wide(bias) if beta == 1 else _wide(bias) * beta
    return (product + bias).to(a.dtype)


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """aten.scaled_dot_product_attention: scores and softmax in f32, the weights rounded before the second product."""
    if dropout_p:
        raise ValueError("attention dropout at inference")
    if enable_gqa:
        groups = query.shape[-3] // key.shape[-3]
        key, value = key.repeat_interleave(groups, -3), value.repeat_interleave(groups, -3)
    scale = 1.0 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = _matmul_wide(query, key.transpose(-1, -2)) * scale
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=query.device).tril()
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        attn_mask = torch.zeros(attn_mask.shape, device=query.device).masked_fill(~attn_mask, -math.inf)
    if attn_mask is not None:
        scores = scores + _wide(attn_mask)
    weights = softmax(scores, -1).to(query.dtype)
    return torch.matmul(weights, value)


def _matmul_wide(a: Tensor, b: Tensor) -> Tensor:
    """A batched product that stays in f32; both operands are widened last, so that the widening folds away."""
    batch = torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    left = a.expand(*batch, *a.shape[-2:]).reshape(-1, *a.shape[-2:])
    right = b.expand(*batch, *b.shape[-2:]).reshape(-1, *b.shape[-2:])
    return torch.bmm(_wide(left), _wide(right)).reshape(*batch, a.shape[-2], b.shape[-1])


def power(x: Tensor, exponent: float) -> Any:
    """aten.pow.Tensor_Scalar for the exponents that PyTorch computes without pow."""
    if not x.is_floating_point():
        return NotImplemented
    wide = _wide(x)
    special = {0.5: torch.sqrt, -0.5: torch.rsqrt, -1.0: reciprocal, 1.0: torch.clone, 2.0: _square, 3.0: _cube}
    if exponent in special:
        return special[exponent](wide).to(x.dtype)
    return NotImplemented if wide is x else torch.pow(wide, exponent).to(x.dtype)


def _square(x: Tensor) -> Tensor:
    return x * x


def _cube(x: Tensor) -> Tensor:
    return x * x * x


def convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Any:
    """Transposed convolution without dilation or groups as a convolution with one output channel per phase.

    With stride s, ``y[s*i + r] = sum_j x[i-j] w[s*j + r]``: the phases r are computed together and interleaved, so
    that no zeros are inserted and no product with a zero is made.
    """
    crops = [(p, p - extra) for p, extra in zip(padding, output_padding, strict=True)]
    if not transposed or groups != 1 or any(d != 1 for d in dilation) or any(end < 0 for _, end in crops):
        return NotImplemented
    space = x.dim() - 2
    channels, out = weight.shape[0], weight.shape[1]
    taps = [-(-k // s) for k, s in zip(weight.shape[2:], stride, strict=True)]
    kernel = _phase_kernel(weight, taps, stride).reshape(out * math.prod(stride), channels, *taps)
    phases = torch.convolution(
        x, kernel, None, [1] * space, [t - 1 for t in taps], [1] * space, False, [0] * space, groups
    )
    sizes = list(phases.shape[2:])
    split = phases.reshape(x.shape[0], out, *stride, *sizes)
    order = [0, 1, *(axis for d in range(space) for axis in (2 + space + d, 2 + d))]
    y = split.permute(order).reshape(x.shape[0], out, *(n * s for n, s in zip(sizes, stride, strict=True)))
    for d, (begin, end) in enumerate(crops):
        length = (x.shape[2 + d] - 1) * stride[d] + weight.shape[2 + d] - begin - end
        y = y.narrow(2 + d, begin, length) if length != y.shape[2 + d] else y
    return y if bias is None else y + bias.reshape(1, -1, *[1] * space)


def _phase_kernel(weight: Tensor, taps: Sequence[int], stride: Sequence[int]) -> Tensor:
    """[in, out, k..] -> [out, s.., in, taps..], the taps reversed."""
    space = len(taps)
    short = [t * s - k for t, s, k in zip(taps, stride, weight.shape[2:], strict=True)]
    if any(short):
        weight = torch.constant_pad_nd(weight, [pad for n in reversed(short) for pad in (0, n)])
    tiled = weight.reshape(*weight.shape[:2], *(size for pair in zip(taps, stride, strict=True) for size in pair))
    for d, count in enumerate(taps):
        if count > 1:
            tiled = torch.cat([tiled.narrow(2 + 2 * d, t, 1) for t in reversed(range(count))], 2 + 2 * d)
    return tiled.permute([1, *(3 + 2 * d for d in range(space)), 0, *(2 + 2 * d for d in range(space))])


def average_pool(x: Tensor, *args: Any, **kwargs: Any) -> Any:
    """aten.avg_pool2d for bf16/f16: the window is summed in f32."""
    if x.dtype not in (torch.float16, torch.bfloat16):
        return NotImplemented
    return aten.avg_pool2d.default(x.to(torch.float32), *args, **kwargs).to(x.dtype)


def _in_f32(function: Callable[..., Tensor]) -> Callable[..., Any]:
    """An elementwise function of several roundings, computed in f32 for bf16/f16 tensors."""

    def decomposed(x: Tensor, *args: Any, **kwargs: Any) -> Any:
        if x.dtype not in (torch.float16, torch.bfloat16):
            return NotImplemented
        return function(x.to(torch.float32), *args, **kwargs).to(x.dtype)

    return decomposed


_COMPOSED = (
    aten.gelu.default,
    aten.silu.default,
    aten.sigmoid.default,
    aten.elu.default,
    aten.hardsigmoid.default,
    aten.hardswish.default,
    aten.leaky_relu.default,
    aten.log_sigmoid_forward.default,
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
    aten.native_layer_norm.default: native_layer_norm,
    aten.native_group_norm.default: native_group_norm,
    aten._native_batch_norm_legit_no_training.default: batch_norm_inference,
    aten._softmax.default: softmax,
    aten._log_softmax.default: log_softmax,
    aten.reciprocal.default: reciprocal,
    aten.addmm.default: addmm,
    aten.convolution.default: convolution,
    aten.pow.Tensor_Scalar: power,
    aten.avg_pool2d.default: average_pool,
    aten.scaled_dot_product_attention.default: scaled_dot_product_attention,
    **{op: _in_f32(op) for op in _COMPOSED},
}
