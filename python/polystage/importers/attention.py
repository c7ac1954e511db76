"""Scaled dot-product attention as two products and a softmax."""

import math

import torch
from torch import Tensor

from polystage.importers.precision import wide
from polystage.importers.reductions import softmax
from polystage.importers.torch_edge import broadcast


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
        scores = scores + wide(attn_mask)
    weights = softmax(scores, -1).to(query.dtype)
    return torch.matmul(weights, value)


def _matmul_wide(a: Tensor, b: Tensor) -> Tensor:
    """A batched product that stays in f32; both operands are widened last, so that the widening folds away."""
    batch = broadcast(a.shape[:-2], b.shape[:-2])
    left = a.expand(*batch, *a.shape[-2:]).reshape(-1, *a.shape[-2:])
    right = b.expand(*batch, *b.shape[-2:]).reshape(-1, *b.shape[-2:])
    return torch.bmm(wide(left), wide(right)).reshape(*batch, a.shape[-2], b.shape[-1])
