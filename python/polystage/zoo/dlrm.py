"""DLRM (Naumov et al., 2019, arXiv 1906.00091): dense and sparse features, pairwise dot interaction."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from polystage.zoo.inputs import MakeInputs
from polystage.zoo.weights import he_init

DENSE = 13
TABLES = 26
ROWS = 10_000
WIDTH = 64
BATCH = 32


def perceptron(widths: Sequence[int]) -> nn.Sequential:
    """Linear layers with a ReLU after each but the last."""
    layers: list[nn.Module] = []
    for width, out in pairwise(widths):
        layers += [nn.Linear(width, out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class DLRM(nn.Module):
    """Bottom perceptron, 26 embedding tables, dot products of all pairs, top perceptron."""

    def __init__(self) -> None:
        super().__init__()
        pairs = (TABLES + 1) * TABLES // 2
        self.bottom = perceptron((DENSE, 512, 256, WIDTH))
        self.tables = nn.ModuleList(nn.Embedding(ROWS, WIDTH) for _ in range(TABLES))
        self.top = perceptron((WIDTH + pairs, 512, 256, 1))
        he_init(self)
        for table in self.tables:
            nn.init.uniform_(table.get_parameter("weight"), -0.5, 0.5)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """[N, 13] and row numbers [26, N] -> click probability [N, 1]."""
        x = torch.relu(self.bottom(dense))
        features = torch.stack([x, *(table(sparse[k]) for k, table in enumerate(self.tables))], 1)
        dots = torch.bmm(features, features.transpose(1, 2))
        lower = [dots[:, k, :k] for k in range(1, TABLES + 1)]
        return torch.sigmoid(self.top(torch.cat([x, *lower], 1)))


def dlrm() -> tuple[nn.Module, MakeInputs]:
    """17.1 M parameters, 0.02 GMAC."""

    def inputs(generator: torch.Generator) -> tuple[Tensor, ...]:
        dense = torch.rand(BATCH, DENSE, generator=generator)
        return dense, torch.randint(0, ROWS, (TABLES, BATCH), generator=generator)

    return DLRM(), inputs
