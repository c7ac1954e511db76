"""DenseNet-121 (Huang et al., 2016, arXiv 1608.06993): each layer reads the concatenation of all before it."""

import torch
from torch import Tensor, nn

from polystage.zoo.inputs import MakeInputs, image
from polystage.zoo.weights import he_init

GROWTH = 32
DEPTHS = (6, 12, 24, 16)


class DenseLayer(nn.Module):
    """Bottleneck 1x1 to four times the growth, then 3x3."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, 4 * GROWTH, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * GROWTH)
        self.conv2 = nn.Conv2d(4 * GROWTH, GROWTH, 3, padding=1, bias=False)

    def forward(self, features: list[Tensor]) -> Tensor:
        """All earlier feature maps -> the new one."""
        x = self.conv1(torch.relu(self.norm1(torch.cat(features, 1))))
        return self.conv2(torch.relu(self.norm2(x)))


class DenseBlock(nn.Module):
    """Layers that each append ``GROWTH`` channels."""

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DenseLayer(channels + k * GROWTH) for k in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        """N x C -> N x (C + depth * GROWTH)."""
        features = [x]
        for layer in self.layers:
            features.append(layer(features))
        return torch.cat(features, 1)


class Transition(nn.Sequential):
    """Halve channels and resolution."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels // 2, 1, bias=False),
            nn.AvgPool2d(2),
        )


class DenseNet(nn.Module):
    """Stem, four dense blocks with transitions, classifier."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(3, 64, 7, 2, 3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
        ]
        channels = 64
        for k, depth in enumerate(DEPTHS):
            layers.append(DenseBlock(channels, depth))
            channels += depth * GROWTH
            if k < len(DEPTHS) - 1:
                layers.append(Transition(channels))
                channels //= 2
        layers += [nn.BatchNorm2d(channels), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels, classes)
        he_init(self)

    def forward(self, x: Tensor) -> Tensor:
        """N3HW -> logits."""
        return self.classifier(self.features(x).mean((2, 3)))


def densenet121() -> tuple[nn.Module, MakeInputs]:
    """8.0 M parameters, 2.8 GMAC."""
    return DenseNet(), image(224)
