"""A Parallel-WaveNet-like student (van den Oord et al., 2017, arXiv 1711.10433).

Two inverse autoregressive flows over 4096 samples; each is ten gated causal convolutions of dilation 1..512 with
local conditioning, residual and skip connections, and yields the scale and shift of the samples.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from polystage.zoo.inputs import MakeInputs
from polystage.zoo.weights import he_init

FLOWS = 2
LAYERS = 10
CHANNELS = 64
MELS = 80
SAMPLES = 4096
HOP = 256


class CausalConvolution(nn.Module):
    """A dilated convolution of kernel 3 that sees the present and the past."""

    def __init__(self, channels: int, out: int, dilation: int) -> None:
        super().__init__()
        self.reach = 2 * dilation
        self.conv = nn.Conv1d(channels, out, 3, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, T] -> [N, out, T]."""
        return self.conv(functional.pad(x, (self.reach, 0)))


class GatedLayer(nn.Module):
    """tanh(f) * sigmoid(g) of a causal convolution plus conditioning; returns (residual, skip)."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.conv = CausalConvolution(CHANNELS, 2 * CHANNELS, dilation)
        self.condition = nn.Conv1d(MELS, 2 * CHANNELS, 1)
        self.residual = nn.Conv1d(CHANNELS, CHANNELS, 1)
        self.skip = nn.Conv1d(CHANNELS, CHANNELS, 1)

    def forward(self, x: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Both [N, CHANNELS, T] from samples and conditioning at the sample rate."""
        filtered, gate = (self.conv(x) + self.condition(condition)).chunk(2, 1)
        hidden = torch.tanh(filtered) * torch.sigmoid(gate)
        return (x + self.residual(hidden)) * math.sqrt(0.5), self.skip(hidden)


class Flow(nn.Module):
    """One affine transformation of the samples by functions of their past."""

    def __init__(self) -> None:
        super().__init__()
        self.front = CausalConvolution(1, CHANNELS, 1)
        self.layers = nn.ModuleList(GatedLayer(1 << k) for k in range(LAYERS))
        self.mix = nn.Conv1d(CHANNELS, CHANNELS, 1)
        self.head = nn.Conv1d(CHANNELS, 2, 1)

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:
        """[N, 1, T] -> [N, 1, T]."""
        x = torch.relu(self.front(functional.pad(z, (1, 0))[:, :, :-1]))
        total: Tensor | None = None
        for layer in self.layers:
            x, skip = layer(x, condition)
            total = skip if total is None else total + skip
        assert total is not None
        mean, log_scale = self.head(torch.relu(self.mix(torch.relu(total)))).chunk(2, 1)
        return z * torch.exp(log_scale.clamp(-7.0, 1.0)) + mean


class WaveNet(nn.Module):
    """Noise and mel frames -> samples."""

    def __init__(self) -> None:
        super().__init__()
        self.upsample = nn.ModuleList(nn.ConvTranspose1d(MELS, MELS, 32, 16, 8) for _ in range(2))
        self.flows = nn.ModuleList(Flow() for _ in range(FLOWS))
        he_init(self)
        with torch.no_grad():
            for flow in self.flows:
                flow.get_submodule("mix").get_parameter("weight").mul_(0.3)
                flow.get_submodule("head").get_parameter("weight").mul_(0.3)
            for layer in self.upsample:
                layer.get_parameter("weight").mul_(4.0)  # fan-in counts 32 taps, a sample sees two of them

    def forward(self, noise: Tensor, mel: Tensor) -> Tensor:
        """[N, 1, T], [N, MELS, T / HOP] -> [N, 1, T]."""
        condition = mel
        for layer in self.upsample:
            condition = functional.leaky_relu(layer(condition), 0.4)
        x = noise
        for flow in self.flows:
            x = flow(x, condition)
        return x


def wavenet() -> tuple[nn.Module, MakeInputs]:
    """1.3 M parameters, 3.6 GMAC."""

    def inputs(generator: torch.Generator) -> tuple[Tensor, ...]:
        noise = torch.randn(1, 1, SAMPLES, generator=generator)
        return noise, torch.randn(1, MELS, SAMPLES // HOP, generator=generator)

    return WaveNet(), inputs
