"""A two-layer LSTM over 16 steps; export unrolls the time loop."""

import torch
from torch import Tensor, nn

from polystage.zoo.inputs import MakeInputs

STEPS = 16
BATCH = 8
WIDTH = 256
HIDDEN = 512


class SequenceModel(nn.Module):
    """LSTM and a linear read-out of every step."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(WIDTH, HIDDEN, num_layers=2, batch_first=True)
        self.head = nn.Linear(HIDDEN, WIDTH)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[N, T, WIDTH] -> [N, T, WIDTH] and the last hidden and cell states, [2, N, HIDDEN]."""
        out, (hidden, cell) = self.lstm(x)
        return self.head(out), hidden, cell


def lstm() -> tuple[nn.Module, MakeInputs]:
    """3.8 M parameters, 0.5 GMAC."""
    return SequenceModel(), lambda generator: (torch.randn(BATCH, STEPS, WIDTH, generator=generator),)
