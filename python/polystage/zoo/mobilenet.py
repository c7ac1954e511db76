"""MobileNetV2, width 1.0 (Sandler et al., 2018, arXiv 1801.04381)."""

from torch import Tensor, nn

from polystage.zoo.inputs import MakeInputs, image
from polystage.zoo.weights import he_init

# (expansion, channels, repeats, stride), table 2 of the paper
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def convolution(channels: int, out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU6."""
    return nn.Sequential(
        nn.Conv2d(channels, out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU6(),
    )


class InvertedResidual(nn.Module):
    """Expand, depthwise, project; a shortcut when the shape stays."""

    def __init__(self, channels: int, out: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = channels * expansion
        layers: list[nn.Module] = [convolution(channels, hidden)] if expansion > 1 else []
        layers += [
            convolution(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, out, 1, bias=False),
            nn.BatchNorm2d(out),
        ]
        self.body = nn.Sequential(*layers)
        self.has_shortcut = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        """NCHW -> NCHW."""
        return x + self.body(x) if self.has_shortcut else self.body(x)


class MobileNetV2(nn.Module):
    """Stem, seven stages of inverted residuals, 1x1 head, classifier."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        layers: list[nn.Module] = [convolution(3, 32, 3, 2)]
        channels = 32
        for expansion, out, repeats, stride in STAGES:
            for k in range(repeats):
                layers.append(InvertedResidual(channels, out, 1 if k else stride, expansion))
                channels = out
        layers.append(convolution(channels, 1280))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(1280, classes)
        he_init(self)

    def forward(self, x: Tensor) -> Tensor:
        """N3HW -> logits."""
        return self.classifier(self.features(x).mean((2, 3)))


def mobilenet_v2() -> tuple[nn.Module, MakeInputs]:
    """3.5 M parameters, 0.3 GMAC."""
    return MobileNetV2(), image(224)
