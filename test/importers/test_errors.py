"""Each kind of model that cannot be imported gives one located error."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from polystage.errors import UserError
from polystage.importers import import_exported, import_model

HERE = str(Path(__file__))


# torch leaves these untyped
linalg: Any = torch.linalg
fft: Any = torch.fft
cond: Any = vars(torch)["cond"]


def add(x: Tensor) -> Tensor:
    return x + 1


def subtract(x: Tensor) -> Tensor:
    return x - 1


class Increments(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.add_(1.0)


class Unsupported(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return linalg.qr(x)[0]  # refused: Unsupported


class NotLowered(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cdist(x, x)  # refused: NotLowered


class Branches(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.sum() > 0:  # refused: Branches
            return x
        return -x


class Conditional(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return cond(x.sum() > 0, add, subtract, (x,))  # refused: Conditional


class DataDependentShape(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.nonzero()  # refused: DataDependentShape


class Double(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.double() * 2  # refused: Double


class ComplexNumbers(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return fft.fft(x).abs()  # refused: ComplexNumbers


class Unsigned(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x * 3).to(torch.uint8)  # refused: Unsigned


class Random(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.rand(4, 4)  # refused: Random


class Raises(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x @ torch.ones(3, 3)  # refused: Raises


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Unsupported, r"unsupported operation: aten\.linalg_qr"),
        (NotLowered, r"unsupported operation: aten\._cdist_forward$"),
        (Branches, r"torch\.export refuses the model: .*data-dependent"),
        (Conditional, r"control flow that depends on data \('cond'\) cannot be compiled"),
        (DataDependentShape, r"'nonzero' has a dynamic shape \(u0\)"),
        (Double, r"has dtype float64, which no target has; convert the model with \.to\(torch\.float32\)"),
        (ComplexNumbers, r"complex64; complex numbers are not supported"),
        (Unsigned, r"has dtype uint8, which is not supported \(supported: bf16, f16, f32, i1, i32, i64, i8\)"),
        (Random, r"'aten\.rand\.default' draws random numbers; make them an input"),
        (Raises, r"torch\.export refuses the model: RuntimeError: a and b must have same reduction dim"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_refused_at_its_line(model: type[nn.Module], message: str) -> None:
    with pytest.raises(UserError, match=message) as refusal:
        import_model(model(), (torch.randn(4, 4),))
    marker = f"# refused: {model.__name__}"
    line = next(n for n, text in enumerate(Path(__file__).read_text().splitlines(), 1) if text.endswith(marker))
    assert refusal.value.location == f"{HERE}:{line}"
    assert "\n" not in refusal.value.message


def test_training_mode_writes_buffers() -> None:
    with pytest.raises(UserError, match=r"writes into a buffer, 'running_mean' \(3 in all\).*model\.eval\(\)"):
        import_model(nn.BatchNorm2d(3).train(), (torch.randn(2, 3, 4, 4),))


def test_input_is_mutated() -> None:
    with pytest.raises(UserError, match="writes into an input"):
        import_model(Increments(), (torch.randn(3),))


def test_f64_parameter() -> None:
    with pytest.raises(UserError, match=r"'weight' has dtype float64"):
        import_model(nn.Linear(3, 3).double(), (torch.randn(2, 3).double(),))


def test_dynamic_shape_of_a_program() -> None:
    size = torch.export.Dim("n", min=2, max=64)
    program = torch.export.export(nn.Linear(3, 3), (torch.randn(4, 3),), dynamic_shapes=({0: size},))
    with pytest.raises(UserError, match=r"'input' has a dynamic shape \(\w+\); export with fixed example sizes"):
        import_exported(program)


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError):
        import_model(NotLowered(), (torch.randn(4, 4),))
    assert capfd.readouterr() == ("", "")
