"""Makers of example inputs from a seeded generator."""

from collections.abc import Callable

import torch

Inputs = tuple[torch.Tensor, ...]
MakeInputs = Callable[[torch.Generator], Inputs]


def image(side: int, batch: int = 1, channels: int = 3) -> MakeInputs:
    """A normal image, [batch, channels, side, side]."""
    return lambda generator: (torch.randn(batch, channels, side, side, generator=generator),)


def tokens(vocabulary: int, length: int) -> MakeInputs:
    """Token numbers, [1, length], i64."""
    return lambda generator: (torch.randint(0, vocabulary, (1, length), generator=generator),)


def hidden_states(length: int, width: int) -> MakeInputs:
    """What a layer of a transformer sees, [1, length, width]."""
    return lambda generator: (torch.randn(1, length, width, generator=generator),)
