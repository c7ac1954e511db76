"""Three models small enough for the ``tiny`` target and for reading by hand."""

import torch
from torch import Tensor, nn

from polystage.zoo.inputs import MakeInputs
from polystage.zoo.weights import he_init


def mlp() -> tuple[nn.Module, MakeInputs]:
    """Two linear layers, 12 -> 20 -> 10, batch 4."""
    model = nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 10))
    he_init(model)
    return model, lambda generator: (torch.randn(4, 12, generator=generator),)


class SmallCNN(nn.Module):
    """Convolution, batch normalisation, max pooling, strided depthwise and pointwise convolutions, classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.pool = nn.MaxPool2d(2)
        self.depthwise = nn.Conv2d(6, 6, 3, stride=2, padding=1, groups=6, bias=False)
        self.pointwise = nn.Conv2d(6, 10, 1)
        self.head = nn.Linear(10, 5)
        he_init(self)

    def forward(self, x: Tensor) -> Tensor:
        """[1, 2, 8, 8] -> [1, 5]."""
        x = self.pool(torch.relu(self.norm(self.conv(x))))
        x = torch.relu(self.pointwise(self.depthwise(x)))
        return self.head(x.mean((2, 3)))


def cnn() -> tuple[nn.Module, MakeInputs]:
    """A convolutional classifier of 8 x 8 images."""
    return SmallCNN(), lambda generator: (torch.randn(1, 2, 8, 8, generator=generator),)


class OneHead(nn.Module):
    """Layer norm, attention with one causal head, residual sum."""

    def __init__(self, width: int = 12) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[N, T, width] -> [N, T, width]."""
        query, key, value = self.query_key_value(self.norm(x)).chunk(3, -1)
        hidden = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return x + self.out(hidden)


def attention() -> tuple[nn.Module, MakeInputs]:
    """One attention head over 6 positions of width 12."""
    return OneHead(), lambda generator: (torch.randn(1, 6, 12, generator=generator),)
