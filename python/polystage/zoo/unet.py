"""U-Net (Ronneberger et al., 2015, arXiv 1505.04597): four levels down and up, padded convolutions."""

import torch
from torch import Tensor, nn

from polystage.errors import UserError
from polystage.zoo.inputs import MakeInputs, image
from polystage.zoo.weights import he_init

LEVELS = 4
BASE = 32


def double_convolution(channels: int, out: int) -> nn.Sequential:
    """Twice: 3x3 convolution, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels, out, 3, padding=1, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(),
        nn.Conv2d(out, out, 3, padding=1, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(),
    )


class UNet(nn.Module):
    """Contracting and expanding path with skip connections; logits per pixel."""

    def __init__(self, channels: int = 3, classes: int = 2) -> None:
        super().__init__()
        widths = [BASE << level for level in range(LEVELS + 1)]
        self.pool = nn.MaxPool2d(2)
        self.down = nn.ModuleList(
            double_convolution(width_in, width) for width_in, width in zip([channels, *widths], widths, strict=False)
        )
        self.up = nn.ModuleList(nn.ConvTranspose2d(w * 2, w, 2, 2) for w in reversed(widths[:-1]))
        self.join = nn.ModuleList(double_convolution(w * 2, w) for w in reversed(widths[:-1]))
        self.head = nn.Conv2d(BASE, classes, 1)
        he_init(self)

    def forward(self, x: Tensor) -> Tensor:
        """N3HW -> N2HW, H and W multiples of 16."""
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(self.pool(x) if level else x)
            skips.append(x)
        skips.pop()
        for up, join in zip(self.up, self.join, strict=True):
            x = join(torch.cat((skips.pop(), up(x)), 1))
        return self.head(x)


def unet(*, side: int = 128) -> tuple[nn.Module, MakeInputs]:
    """7.8 M parameters, 3.0 GMAC with 32 base channels (64 would be 12.0)."""
    if side % (1 << LEVELS):
        raise UserError(f"side={side} does not halve {LEVELS} times; choose a multiple of {1 << LEVELS}")
    return UNet(), image(side)
