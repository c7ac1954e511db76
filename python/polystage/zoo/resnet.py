"""ResNet-18, -50 and -101 (He et al., 2015, arXiv 1512.03385), stride in the 3x3 convolution as in torchvision."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from polystage.zoo.inputs import MakeInputs, image
from polystage.zoo.weights import he_init


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = shortcut(channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """NCHW -> NCHW."""
        out = torch.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return torch.relu(out + self.downsample(x))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions and a shortcut."""

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * self.expansion)
        self.downsample = shortcut(channels, width * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        """NCHW -> NCHW."""
        out = torch.relu(self.bn1(self.conv1(x)))
        out = torch.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return torch.relu(out + self.downsample(x))


def shortcut(channels: int, out: int, stride: int) -> nn.Module:
    """The identity, or a projection where the shape changes."""
    if stride == 1 and channels == out:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))


class ResNet(nn.Module):
    """Stem, four stages, global average pooling, classifier."""

    def __init__(self, block: type[BasicBlock] | type[Bottleneck], depths: Sequence[int], classes: int = 1000) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        stages: list[nn.Module] = []
        channels = 64
        for level, depth in enumerate(depths):
            width = 64 << level
            blocks: list[nn.Module] = []
            for k in range(depth):
                blocks.append(block(channels, width, 2 if level and not k else 1))
                channels = width * block.expansion
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, classes)
        he_init(self)
        soften_residuals(self, sum(depths))

    def forward(self, x: Tensor) -> Tensor:
        """N3HW -> logits."""
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def soften_residuals(model: nn.Module, blocks: int) -> None:
    """Shrink the last convolution of each block, so that many residual sums do not grow the activations."""
    scale = blocks**-0.5
    with torch.no_grad():
        for block in model.modules():
            if isinstance(block, BasicBlock):
                block.conv2.weight.mul_(scale)
            elif isinstance(block, Bottleneck):
                block.conv3.weight.mul_(scale)


def resnet18(*, side: int = 224) -> tuple[nn.Module, MakeInputs]:
    """11.7 M parameters, 1.8 GMAC."""
    return ResNet(BasicBlock, (2, 2, 2, 2)), image(side)


def resnet50(*, side: int = 224) -> tuple[nn.Module, MakeInputs]:
    """25.6 M parameters, 4.1 GMAC."""
    return ResNet(Bottleneck, (3, 4, 6, 3)), image(side)


def resnet101(*, side: int = 224) -> tuple[nn.Module, MakeInputs]:
    """44.5 M parameters, 7.8 GMAC."""
    return ResNet(Bottleneck, (3, 4, 23, 3)), image(side)


def basic_block(*, channels: int = 64, side: int = 56) -> tuple[nn.Module, MakeInputs]:
    """The first block of ResNet-18: 0.07 M parameters, 0.23 GMAC."""
    block = BasicBlock(channels, channels, 1)
    he_init(block)
    return block, image(side, channels=channels)
