"""Makers of example inputs from a seeded generator."""

from collections.abc import Callable

import torch

Inputs = tuple[torch.Tensor, ...]
MakeInputs = Callable[[torch.Generator], Inputs]


def image(side: int, batch: int = 1) -> MakeInputs:
    """A normal image, [batch, 3, side, side]."""
    return lambda generator: (torch.randn(batch, 3, side, side, generator=generator),)


def tokens(vocabulary: int, length: int) -> MakeInputs:
    """Token numbers, [1, length], i64."""
    return lambda generator: (torch.randint(0, vocabulary, (1, length), generator=generator),)
