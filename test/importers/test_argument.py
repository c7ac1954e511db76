"""Model arguments of the command line and model files."""

from pathlib import Path

import pytest
import torch
from torch import nn

from polystage.errors import UserError
from polystage.importers import import_file, load_model_argument

SCAN = """
func.func @main(%x: tensor<6xf32>, %init: tensor<6xf32>, %zero: tensor<f32>) -> tensor<6xf32> {
  %y:2 = tm_tensor.scan dimension(0) inclusive(true)
      ins(%x : tensor<6xf32>) outs(%init, %zero : tensor<6xf32>, tensor<f32>) {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    tm_tensor.yield %s : f32
  } -> tensor<6xf32>, tensor<f32>
  return %y#0 : tensor<6xf32>
}
"""

MODEL_FILE = """
import torch
from neighbour import WIDTH

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(WIDTH, 3)

    def forward(self, x):
        return self.linear(x)

def make():
    return Net(), torch.zeros(2, WIDTH)

def fails():
    return 1 / 0

def wrong():
    return [1]

number = 3
"""

LINALG = """
#id = affine_map<(d0) -> (d0)>
func.func @main(%w: tensor<4xf32> {polystage.name = "w", polystage.kind = "parameter"}, %x: tensor<4xf32>)
    -> tensor<4xf32> {
  %init = tensor.empty() : tensor<4xf32>
  %sum = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]}
      ins(%w, %x : tensor<4xf32>, tensor<4xf32>) outs(%init : tensor<4xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %s = arith.addf %a, %b : f32
    linalg.yield %s : f32
  } -> tensor<4xf32>
  return %sum : tensor<4xf32>
}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "neighbour.py").write_text("WIDTH = 4\n")
    (tmp_path / "net.py").write_text(MODEL_FILE)
    (tmp_path / "broken.py").write_text("x = 1\nimport nowhere_to_be_found\n")
    (tmp_path / "syntax.py").write_text("x = 1\ndef f(:\n")
    (tmp_path / "sum.mlir").write_text(LINALG)
    torch.export.save(torch.export.export(nn.Linear(4, 3), (torch.zeros(2, 4),)), tmp_path / "linear.pt2")
    return tmp_path


def test_zoo_name() -> None:
    loaded = load_model_argument("tiny_mlp", "bf16")
    assert loaded.name == "tiny_mlp"
    assert loaded.imported().arguments[0].dtype == "bf16"


def test_zoo_name_with_sizes() -> None:
    loaded = load_model_argument("unet:side=64", device="meta")
    assert loaded.name == "unet:side=64"
    assert loaded.inputs is not None and loaded.inputs[0].shape == (1, 3, 64, 64)


def test_function_in_a_file(folder: Path) -> None:
    loaded = load_model_argument(f"{folder}/net.py:make", "f16")
    assert loaded.inputs is not None and loaded.inputs[0].dtype == torch.float16
    assert [(a.name, a.dtype) for a in loaded.imported().arguments] == [
        ("linear.weight", "f16"),
        ("linear.bias", "f16"),
        ("x", "f16"),
    ]


def test_pt2_file(folder: Path) -> None:
    loaded = load_model_argument(f"{folder}/linear.pt2")
    assert loaded.model is not None and loaded.inputs is not None
    assert loaded.model(*loaded.inputs).shape == (2, 3)
    assert [a.name for a in loaded.imported().arguments] == ["weight", "bias", "input"]
    assert str(import_file(folder / "linear.pt2").module) == str(loaded.imported().module)


def test_mlir_file(folder: Path) -> None:
    loaded = load_model_argument(f"{folder}/sum.mlir")
    imported = loaded.imported()
    assert loaded.model is None
    assert [(a.name, a.kind, a.shape) for a in imported.arguments] == [
        ("w", "parameter", (4,)),
        ("arg1", "input", (4,)),
    ]
    assert 'polystage.kind = "input", polystage.name = "arg1"' in str(imported.module)
    assert f'"{folder}/sum.mlir":10:' in imported.module.operation.get_asm(enable_debug_info=True)


@pytest.mark.parametrize(
    ("argument", "error"),
    [
        ("resnet19", "error: unknown model 'resnet19': not a name in the zoo (resnet18, "),
        ("resnet18:width=2", "error: model 'resnet18' has no size 'width'; it has side=224"),
        ("{}/none.pt2", "error: no such file: {}/none.pt2"),
        ("{}/none.mlir", "error: no such file: {}/none.mlir"),
        ("{}/none.py:make", "error: no such file: {}/none.py"),
        ("{}/net.py", "error: '{}/net.py' names no function; write {}/net.py:FUNCTION, which returns (model, inputs)"),
        ("{}/net.py:other", "{}/net.py: error: no function 'other' in the file"),
        ("{}/net.py:number", "{}/net.py: error: no function 'number' in the file"),
        ("{}/net.py:fails", "{}/net.py:17: error: fails() failed: ZeroDivisionError: division by zero"),
        ("{}/net.py:wrong", "{}/net.py: error: wrong() must return (torch.nn.Module, inputs), not (list)"),
        ("{}/broken.py:make", "{}/broken.py:2: error: the file failed: ModuleNotFoundError: No module named"),
        ("{}/syntax.py:make", "{}/syntax.py:2: error: syntax error: "),
        ("{}/bad.pt2", "{}/bad.pt2: error: not a file written by torch.export.save: "),
    ],
)
def test_refused(folder: Path, argument: str, error: str) -> None:
    (folder / "bad.pt2").write_text("not an archive")
    with pytest.raises(UserError) as refusal:
        load_model_argument(argument.format(folder))
    assert str(refusal.value).startswith(error.replace("{}", str(folder)))


@pytest.mark.parametrize(
    ("before", "after", "error"),
    [
        ("arith.addf", "arith.addg", "sum.mlir:9:10: error: custom op 'arith.addg' is unknown"),
        ("@main", "@other", "sum.mlir: error: no function @main in the module"),
        ("%x: tensor<4xf32>", "%x: tensor<4xf32>, %y: tensor<?xf32>", "'arg2' has a dynamic shape (tensor<?xf32>)"),
        (
            "%x: tensor<4xf32>",
            "%x: tensor<4xf32>, %y: memref<4xf32>",
            "'arg2' is memref<4xf32>; @main must take ranked",
        ),
        ("%x: tensor<4xf32>", "%x: tensor<4xf32>, %y: tensor<4xf64>", "'arg2' has element type f64, which is not"),
        ('"parameter"', '"weight"', "'w' has kind 'weight'; must be one of parameter, buffer, constant, input"),
    ],
)
def test_mlir_text_refused(folder: Path, before: str, after: str, error: str) -> None:
    (folder / "sum.mlir").write_text(LINALG.replace(before, after))
    with pytest.raises(UserError) as refusal:
        import_file(folder / "sum.mlir")
    assert error in str(refusal.value)


def test_scans_in_mlir_text(tmp_path: Path) -> None:
    (tmp_path / "scan.mlir").write_text(SCAN)
    assert "tm_tensor.scan" in str(import_file(tmp_path / "scan.mlir").module)


def test_dtype_of_a_file_is_fixed(folder: Path) -> None:
    with pytest.raises(UserError, match=r"the dtype of a \.pt2 file is fixed"):
        load_model_argument(f"{folder}/linear.pt2", "bf16")


def test_unknown_dtype() -> None:
    with pytest.raises(UserError, match="unknown dtype 'f8'; one of f32, f16, bf16"):
        load_model_argument("tiny_mlp", "f8")


def test_other_files_are_refused() -> None:
    with pytest.raises(UserError, match=r"cannot import 'model\.onnx': the file name must end in \.pt2 or \.mlir"):
        import_file("model.onnx")
