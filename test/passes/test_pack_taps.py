"""Packed taps through the whole pipeline: random strided convolutions give the same numbers."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import polystage

ANY = {"pack-taps.dram": "99", "pack-taps.padding": "99"}


class Stem(nn.Module):
    """A convolution over few channels."""

    def __init__(self, channels: int, kernel: int, stride: int, padding: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 8, (kernel, 3), (stride, 1), (padding, 1), dilation=(dilation, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.conv(x))


@settings(max_examples=16, deadline=None)
@given(
    channels=st.integers(1, 3),
    kernel=st.integers(2, 5),
    stride=st.integers(1, 4),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    target=st.sampled_from(["tiny", "edge", "trainium1"]),
    rows=st.sampled_from(["read", "copied"]),
)
def test_convolutions_give_the_same_numbers(
    channels: int, kernel: int, stride: int, padding: int, dilation: int, target: str, rows: str
) -> None:
    torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType]
    model = Stem(channels, kernel, stride, padding, dilation).eval()
    report = polystage.compile(
        model, (torch.randn(1, channels, 14, 6),), target, strategy={**ANY, "pack-taps.rows": rows}
    ).check()
    assert report.check is not None
    assert report.check.passed
    assert report.predicted_equals_executed


@pytest.mark.parametrize("dtype", [None, "bf16"])
def test_patches_take_fewer_products_and_no_more_bytes(dtype: str | None) -> None:
    torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType]
    model, x = nn.Conv2d(3, 96, 16, 16), torch.randn(1, 3, 64, 64)
    plain, packed = (
        polystage.compile(model, (x,), strategy={"pack-taps": each}, dtype=dtype).check() for each in ("off", "pack")
    )
    assert packed.check is not None
    assert packed.check.passed
    assert packed.dram.total == plain.dram.total
    assert packed.instructions.by_op["matmul"] < plain.instructions.by_op["matmul"]


def test_copied_rows_stay_apart_where_every_nest_is_staged_by_itself() -> None:
    torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType]
    model = Stem(3, 3, 2, 1, 1).eval()
    options = {**ANY, "stage": "local"}
    report = polystage.compile(model, (torch.randn(1, 3, 14, 6),), "trainium1", strategy=options).check()
    assert report.check is not None
    assert report.check.passed
