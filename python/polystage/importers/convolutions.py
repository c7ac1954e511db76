"""Transposed convolutions without inserted zeros, and pooling of narrow types."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from polystage.importers.precision import NARROW
from polystage.importers.torch_edge import aten


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
    if x.dtype not in NARROW:
        return NotImplemented
    return aten.avg_pool2d.default(x.to(torch.float32), *args, **kwargs).to(x.dtype)


def upsample_nearest(x: Tensor, size: Sequence[int] | None, scales: Sequence[float] | None) -> Any:
    """aten.upsample_nearest by whole factors: every element repeated, without an index table."""
    space = list(x.shape[2:])
    factors = [out / n for out, n in zip(size, space, strict=True)] if size is not None else list(scales or [])
    if any(factor != int(factor) for factor in factors):
        return NotImplemented
    repeats = [int(factor) for factor in factors]
    for d, count in enumerate(repeats):
        shape = list(x.shape)
        spread = x.unsqueeze(3 + d).expand(*shape[: 3 + d], count, *shape[3 + d :])
        shape[2 + d] *= count
        x = spread.reshape(shape)
    return x
