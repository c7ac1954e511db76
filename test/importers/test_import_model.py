"""What an import looks like: arguments, folding, precision, locations."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import torch
from torch import nn

from polystage.importers import import_exported, import_model


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.unused = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor, flag: bool = True) -> torch.Tensor:
        return torch.relu(self.norm(self.conv(x)))


def text_of(model: nn.Module, *inputs: object) -> str:
    return str(import_model(model.eval(), inputs).module)


class Apply(nn.Module):
    """A function of the model's own tensors and one input, as a model."""

    def __init__(self, function: Callable[[Any, torch.Tensor], torch.Tensor], **tensors: torch.Tensor) -> None:
        super().__init__()
        self.function = function
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, x: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        return self.function(self, x)


def test_arguments_are_named_ordered_and_not_copied() -> None:
    model = Net().eval()
    imported = import_model(model, (torch.randn(1, 3, 8, 8),))
    assert [(a.name, a.kind) for a in imported.arguments] == [
        ("conv.weight", "parameter"),
        ("conv.bias", "parameter"),
        ("norm.weight", "parameter"),
        ("norm.bias", "parameter"),
        ("norm.running_mean", "buffer"),
        ("norm.running_var", "buffer"),
        ("x", "input"),
    ]
    weight = imported.arguments[0]
    assert (weight.dtype, weight.shape) == ("f32", (4, 3, 3, 3))
    assert weight.numpy().ctypes.data == model.conv.weight.data_ptr()
    assert 'polystage.kind = "buffer", polystage.name = "norm.running_var"' in str(imported.module)
    assert "dense_resource" not in str(imported.module)
    assert set(imported.seconds) == {"torch_export", "import"}


def test_bf16_arrays_are_views() -> None:
    model = nn.Linear(4, 3).to(torch.bfloat16)
    weight = import_model(model, (torch.randn(2, 4, dtype=torch.bfloat16),)).arguments[0]
    assert weight.numpy().dtype == ml_dtypes.bfloat16
    assert weight.numpy().ctypes.data == model.weight.data_ptr()
    np.testing.assert_array_equal(weight.numpy().astype(np.float32), model.weight.detach().float().numpy())


def test_tied_weights_are_one_argument() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    imported = import_model(model, (torch.randn(2, 4),))
    assert [a.shape for a in imported.arguments] == [(4,), (4, 4), (4,), (2, 4)]
    assert imported.arguments[1].tensor is model[0].weight


def test_meta_model_gives_the_same_module() -> None:
    real = import_model(Net().eval(), (torch.randn(1, 3, 8, 8),))
    with torch.device("meta"):
        model = Net().eval()
    shapes = import_model(model, (torch.empty(1, 3, 8, 8, device="meta"),))
    assert str(shapes.module) == str(real.module)
    assert shapes.arguments == real.arguments
    assert shapes.arguments[0].tensor is model.conv.weight


def test_exported_program_gives_the_same_module() -> None:
    model = Net().eval()
    inputs = (torch.randn(1, 3, 8, 8),)
    program = torch.export.export(model, inputs)
    assert str(import_exported(program).module) == str(import_model(model, inputs).module)


def test_locations_name_the_source_line() -> None:
    imported = import_model(Net().eval(), (torch.randn(1, 3, 8, 8),))
    line = next(
        n for n, text in enumerate(Path(__file__).read_text().splitlines(), 1) if "torch.relu(self.norm" in text
    )
    assert f'test_import_model.py":{line}' in imported.module.operation.get_asm(enable_debug_info=True)


def test_uniform_mask_vanishes() -> None:
    def masked(_: nn.Module, x: torch.Tensor) -> torch.Tensor:
        mask = torch.ones(4, 4).masked_fill(torch.zeros(4, 4, dtype=torch.bool), 7.0)
        return (x + (1.0 - mask) * -1e9) * mask

    assert "linalg.generic" not in text_of(Apply(masked), torch.randn(4, 4))


def test_uniform_operand_becomes_a_scalar() -> None:
    text = text_of(Apply(lambda _, x: x + torch.full((4, 4), 3.0)), torch.randn(4, 4))
    assert "arith.addf %in, %cst" in text
    assert "dense<" not in text


def test_causal_mask_becomes_one_constant_argument() -> None:
    def causal(_: nn.Module, x: torch.Tensor) -> torch.Tensor:
        mask = torch.arange(4)[:, None] >= torch.arange(4)[None]
        return x.masked_fill(~mask, 0.0) + (x * 2).masked_fill(~mask, 0.0)

    imported = import_model(Apply(causal), (torch.randn(2, 4, 4),))
    constants = [a for a in imported.arguments if a.kind == "constant"]
    assert [(a.dtype, a.shape) for a in constants] == [("i1", (4, 4))]
    np.testing.assert_array_equal(constants[0].numpy(), ~np.tri(4, dtype=bool))
    assert "linalg.index" not in str(imported.module)


def test_progression_tables_become_slices() -> None:
    def positions(self: Any, x: torch.Tensor) -> torch.Tensor:
        rows = torch.nn.functional.embedding(self.ids[:, 2:7], x)
        block = x[torch.tensor([[1], [3], [5], [7], [9]]), torch.arange(-3, 0)]
        return rows + block + x.index_select(0, torch.zeros(5, dtype=torch.long))

    text = text_of(Apply(positions, ids=torch.arange(10)[None]), torch.randn(10, 3))
    assert "tensor.extract " not in text
    slices = re.findall(r"tensor\.extract_slice %arg0(\S+ \S+) (\[.*?\]) (\[.*?\])", text)
    assert slices == [("[2, 0]", "[5, 3]", "[1, 1]"), ("[1, 0]", "[5, 3]", "[2, 1]"), ("[0, 0]", "[1, 3]", "[1, 1]")]


def test_data_dependent_gather_stays_one() -> None:
    text = text_of(nn.Embedding(10, 4), torch.tensor([[1, 2]]))
    assert len(re.findall(r"tensor\.extract ", text)) == 1


def test_index_table_that_is_no_progression_is_a_constant_argument() -> None:
    imported = import_model(Apply(lambda _, x: x[torch.tensor([2, 0, 1])]), (torch.randn(3, 4),))
    assert [(a.kind, a.dtype, a.shape) for a in imported.arguments] == [
        ("constant", "i64", (3,)),
        ("input", "f32", (3, 4)),
    ]


def test_persistent_float_buffers_stay_arguments() -> None:
    model = nn.Module()
    model.register_buffer("scale", torch.full((4,), 2.0))
    model.forward = lambda x: x * model.scale  # type: ignore[method-assign]
    imported = import_model(model, (torch.randn(3, 4),))
    assert [(a.name, a.kind) for a in imported.arguments] == [("scale", "buffer"), ("x", "input")]


def test_unused_input_stays_an_argument() -> None:
    imported = import_model(Apply(lambda _, x: x + 1.0), (torch.randn(3), torch.randn(5)))
    assert [a.shape for a in imported.inputs] == [(3,), (5,)]


def test_python_inputs_are_fixed() -> None:
    imported = import_model(Net().eval(), (torch.randn(1, 3, 8, 8), False))
    assert [a.name for a in imported.inputs] == ["x"]
    assert imported.flatten(torch.zeros(2), True)[0].shape == (2,)


def test_bf16_contractions_read_bf16_and_accumulate_in_f32() -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(108, 5)).to(torch.bfloat16)
    text = text_of(model, torch.randn(1, 2, 8, 8, dtype=torch.bfloat16))
    assert re.search(r"linalg\.matmul ins\(.*tensor<1x108xbf16>, tensor<108x5xbf16>\) outs\(.*tensor<1x5xf32>\)", text)
    assert re.search(r"linalg\.conv_2d_nchw_fchw .*xbf16>\) outs\(.*xf32>\)", text)


def test_maximum_of_values_alone_has_one_result() -> None:
    assert ":2 = linalg.generic" not in text_of(nn.Softmax(-1), torch.randn(4, 8))


def test_transposed_convolution_inserts_no_zeros() -> None:
    text = text_of(nn.ConvTranspose2d(2, 3, 4, 2, 1), torch.randn(1, 2, 5, 5))
    assert "insert_slice" not in text
    assert "tensor<1x12x6x6xf32>" in text


def test_embedding_bag_of_fixed_size_is_an_embedding_and_a_sum() -> None:
    text = text_of(nn.EmbeddingBag(20, 4, mode="mean"), torch.randint(0, 20, (3, 5)))
    assert len(re.findall(r"tensor\.extract ", text)) == 1
    assert "tensor<3x5x4xf32>" in text
