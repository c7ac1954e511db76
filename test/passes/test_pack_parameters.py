"""Packed parameters through the whole pipeline: they change time and descriptors, and nothing else."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import polystage
from polystage import Compiled


class Convolutions(nn.Module):
    """A convolution whose weight the model has, and one whose weight is computed when the program is loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(24, 32, 3, padding=1)
        self.second = nn.Conv2d(32, 16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.first(x))
        return nn.functional.conv2d(x, self.second.weight * self.second.weight, self.second.bias)


def _compiled(dtype: str | None = None, **strategies: str) -> Compiled:
    torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType]
    model, x = Convolutions().eval(), torch.randn(1, 24, 10, 10)
    names = {name.replace("_", "-"): value for name, value in strategies.items()}
    return polystage.compile(model, (x,), strategy={"pack-taps": "off", **names}, dtype=dtype)


@pytest.fixture(scope="module")
def packed() -> Compiled:
    return _compiled()


def test_packed_names_are_the_programs_weights(packed: Compiled) -> None:
    names = [binding.name for binding in packed.signature.weights]
    assert "first.weight.packed" in names
    assert "first.weight" not in names
    assert any(name.startswith("hoisted.") and name.endswith(".packed") for name in names)


def test_weights_are_permuted(packed: Compiled) -> None:
    plain = _compiled(pack_parameters="off").weights["first.weight"]
    np.testing.assert_array_equal(packed.weights["first.weight.packed"], plain.transpose(1, 2, 3, 0))


@pytest.mark.parametrize("dtype", [None, "bf16"])
def test_packing_changes_time_only(dtype: str | None) -> None:
    plain, packed = (_compiled(dtype, pack_parameters=strategy).check() for strategy in ("off", "pack"))
    for report in (plain, packed):
        assert report.check is not None
        assert report.check.passed
        assert report.predicted_equals_executed
    assert packed.dram.compulsory == plain.dram.compulsory
    assert packed.dram.by_cause["parameter"] == plain.dram.by_cause["parameter"]
    assert plain.time is not None
    assert packed.time is not None
    assert packed.time.modelled_us < plain.time.modelled_us


def test_eliminations_are_certified(packed: Compiled) -> None:
    assert not packed.certify().refusals


def test_saved_program_has_the_packed_weights(packed: Compiled, tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((1, 24, 10, 10)).astype(np.float32)
    packed.save(tmp_path / "out")
    np.testing.assert_array_equal(polystage.load(tmp_path / "out")(x), packed(x))


def test_file_of_ir_is_checked_with_packed_weights(tmp_path: Path) -> None:
    path = tmp_path / "convolution.mlir"
    path.write_text(
        """
func.func @main(%w: tensor<32x24x3xf32> {polystage.kind = "parameter", polystage.name = "w"},
                %x: tensor<1x24x20xf32> {polystage.kind = "input", polystage.name = "x"}) -> tensor<1x32x18xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<1x32x18xf32>
  %filled = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x32x18xf32>) -> tensor<1x32x18xf32>
  %sum = linalg.conv_1d_ncw_fcw ins(%x, %w : tensor<1x24x20xf32>, tensor<32x24x3xf32>)
    outs(%filled : tensor<1x32x18xf32>) -> tensor<1x32x18xf32>
  return %sum : tensor<1x32x18xf32>
}
"""
    )
    compiled = polystage.compile(path)
    assert [binding.name for binding in compiled.signature.weights] == ["w.packed"]
    check = compiled.check().check
    assert check is not None
    assert check.passed
