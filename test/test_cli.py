"""The command line: what it prints, its exit codes, and the text of every error a user can cause."""

import json
from pathlib import Path

import numpy as np
import pytest

from polystage.cli import main

LINALG = """
func.func @main(%x: tensor<4x8xf32> {polystage.name = "x", polystage.kind = "input"}) -> tensor<4x8xf32> {
  %empty = tensor.empty() : tensor<4x8xf32>
  %0 = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>],
                       iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<4x8xf32>) outs(%empty : tensor<4x8xf32>) {
    ^bb0(%a: f32, %b: f32):
      %1 = arith.addf %a, %a : f32
      linalg.yield %1 : f32
  } -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}
"""

MODELS = """
import torch

class Sorts(torch.nn.Module):
    def forward(self, x):
        return torch.sort(x)[0]

class Branches(torch.nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            return x
        return -x

class Doubles(torch.nn.Module):
    def forward(self, x):
        return x.double() * 2

def unsupported_op():
    return Sorts(), (torch.ones(8),)

def data_dependent():
    return Branches(), (torch.ones(8),)

def double_model():
    return Doubles(), (torch.ones(8),)

def scale():
    return torch.nn.Linear(8, 4).eval(), (torch.ones(2, 8),)

def not_a_model():
    return 3

value = 1
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "double.mlir").write_text(LINALG)
    (tmp_path / "models.py").write_text(MODELS)
    return tmp_path


@pytest.fixture
def saved(files: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["compile", str(files / "double.mlir"), "--target", "tiny", "-o", str(files / "out")]) == 0
    capsys.readouterr()
    return files / "out"


def _error(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The first line of what a failing command prints to standard error, progress left out."""
    assert main(words) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if "error: " in line]
    assert lines, "no error line"
    return lines[0]


def test_compile_checks_reports_and_saves(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = files / "report.json"
    words = ["compile", str(files / "double.mlir"), "--target", "tiny", "--check", "--report", str(report)]
    assert main(words) == 0
    assert "predicted bytes == executed bytes" in capsys.readouterr().out
    data = json.loads(report.read_text())
    assert data["check"]["passed"]
    assert data["predicted"] == data["executed"]


def test_emitted_ir_is_alone_on_standard_output(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", str(files / "double.mlir"), "--target", "tiny", "--emit", "npu"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("module attributes") or captured.out.startswith("#")
    assert '"npu.dma_start"' in captured.out
    assert "DRAM traffic by cause" in captured.err


def test_trace_executes_and_writes_the_timeline(files: Path, saved: Path) -> None:
    trace = files / "trace.json"
    assert main(["compile", str(files / "double.mlir"), "--target", "tiny", "--trace", str(trace)]) == 0
    compiled = json.loads(trace.read_text())["traceEvents"]
    assert {"vector", "dma queue 0"} <= {entry["args"].get("name") for entry in compiled}
    np.savez(files / "x.npz", x=np.ones((4, 8), np.float32))
    assert main(["run", str(saved), "--input", str(files / "x.npz"), "--trace", str(trace)]) == 0
    assert len(json.loads(trace.read_text())["traceEvents"]) == len(compiled)


def test_run_reads_and_writes_named_arrays(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.arange(32, dtype=np.float32).reshape(4, 8)
    np.savez(saved.parent / "in.npz", x=x)
    words = ["run", str(saved), "--input", str(saved.parent / "in.npz"), "--output", str(saved.parent / "y.npz")]
    assert main(words) == 0
    with np.load(saved.parent / "y.npz") as outputs:
        (name,) = outputs.files
        np.testing.assert_array_equal(outputs[name], 2 * x)
    assert f"{name}: float32 4x8" in capsys.readouterr().out


def test_targets_lists_the_built_in_machines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["targets"]) == 0
    out = capsys.readouterr().out
    for name in ("trainium1", "trainium2", "inferentia1", "gemmini", "edge", "tiny"):
        assert name in out


def test_help_says_what_a_model_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["compile", "--help"])
    assert stop.value.code == 0
    assert "FILE.py:FUNCTION" in capsys.readouterr().out


def test_unknown_zoo_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert "unknown model 'resnet19'" in _error(["compile", "resnet19"], capsys)


def test_missing_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such file: nowhere.mlir" in _error(["compile", "nowhere.mlir"], capsys)


def test_missing_function(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "'absent'" in _error(["compile", f"{files}/models.py:absent"], capsys)


def test_function_that_returns_no_model(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = _error(["compile", f"{files}/models.py:not_a_model"], capsys)
    assert "not_a_model() must return (torch.nn.Module, inputs), not (int)" in error


def test_unsupported_operator_names_the_line(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = _error(["compile", f"{files}/models.py:unsupported_op"], capsys)
    assert "models.py:6" in error
    assert "sort" in error


def test_data_dependent_control_flow_names_the_line(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "models.py:10" in _error(["compile", f"{files}/models.py:data_dependent"], capsys)


def test_double_precision_is_refused(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = _error(["compile", f"{files}/models.py:double_model"], capsys)
    assert "models.py:16" in error
    assert "f64" in error or "float64" in error


def test_dynamic_shape(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = files / "dynamic.mlir"
    path.write_text("func.func @main(%x: tensor<?xf32>) -> tensor<?xf32> {\n  return %x : tensor<?xf32>\n}\n")
    error = _error(["compile", str(path)], capsys)
    assert "dynamic.mlir: error: argument 'arg0' has a dynamic shape (tensor<?xf32>); shapes must be static" in error


def test_malformed_ir(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = files / "broken.mlir"
    path.write_text("func.func @main(%x: tensor<4xf32>) {\n  foo\n}\n")
    assert "broken.mlir:2:3: error:" in _error(["compile", str(path)], capsys)


def test_unknown_target(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = _error(["compile", str(files / "double.mlir"), "--target", "tpu"], capsys)
    assert "unknown target 'tpu'; built in are edge, gemmini" in error


def test_malformed_target_file(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = files / "mine.toml"
    path.write_text("name = 'mine'\nlanes = 'many'\n")
    assert f"{path}: error: " in _error(["compile", str(files / "double.mlir"), "--target", str(path)], capsys)


def test_budget_too_small(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = _error(["compile", str(files / "double.mlir"), "--target", "tiny", "--sbuf", "64"], capsys)
    assert "the smallest SBUF is" in error


def test_size_that_is_none(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = _error(["compile", str(files / "double.mlir"), "--sbuf", "lots"], capsys)
    assert "'lots' is no size in bytes; write it as 262144, 256KiB, 24MiB or 1GiB" in error


def test_unknown_pass(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = _error(["compile", str(files / "double.mlir"), "--strategy", "map-bank=local"], capsys)
    assert "no pass 'map-bank' with strategies; there are hoist-parameters (off, full), eliminate-copies" in error


def test_unknown_strategy(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = _error(["compile", str(files / "double.mlir"), "--strategy", "stage=best"], capsys)
    assert "pass 'stage' has no strategy 'best'; it has local" in error


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("stage.efort=1", "pass 'stage' has no option 'efort'; did you mean 'effort'? (options: strategy, effort"),
        ("stage.effort=much", "option 'effort' of pass 'stage' takes an integer, not 'much'"),
        ("pipeline-dma.buffers=9", "option 'buffers' of pass 'pipeline-dma' is one of 1, 2, 3, not '9'"),
        ("stages.effort=1", "no pass 'stages' with strategies; there are "),
    ],
)
def test_refused_option(files: Path, capsys: pytest.CaptureFixture[str], word: str, error: str) -> None:
    assert error in _error(["compile", str(files / "double.mlir"), "--strategy", word], capsys)


def test_strategy_without_a_name(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = _error(["compile", str(files / "double.mlir"), "--strategy", "stage"], capsys)
    assert error == "polystage: error: --strategy takes PASS=NAME, got 'stage'"


def test_cast_of_a_file_of_ir(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = _error(["compile", str(files / "double.mlir"), "--dtype", "bf16"], capsys)
    assert "the dtype of a .mlir file is fixed" in error


def test_report_in_a_missing_folder(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compile", str(files / "double.mlir"), "--target", "tiny", "--report", str(files / "no" / "r.json")]
    assert "no does not exist" in _error(words, capsys)


def test_output_over_a_foreign_folder(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compile", str(files / "double.mlir"), "--target", "tiny", "-o", str(files)]
    assert "exists and holds no compiled program" in _error(words, capsys)
    assert (files / "models.py").is_file()


def test_run_of_a_folder_without_a_program(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is no compiled program (no manifest.json)" in _error(["run", str(files), "--input", "x.npz"], capsys)


def _run(saved: Path, capsys: pytest.CaptureFixture[str], **arrays: np.ndarray) -> str:
    np.savez(saved.parent / "in.npz", allow_pickle=False, **arrays)
    return _error(["run", str(saved), "--input", str(saved.parent / "in.npz")], capsys)


def test_run_with_a_wrong_name(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = _run(saved, capsys, y=np.zeros((4, 8), np.float32))
    assert "unknown input 'y'; the program takes 'x' (f32 4x8)" in error


def test_run_with_a_wrong_shape(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = _run(saved, capsys, x=np.zeros((8, 4), np.float32))
    assert "input 'x' (f32 4x8) was given an array of shape (8, 4)" in error


def test_run_with_a_wrong_type(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = _run(saved, capsys, x=np.zeros((4, 8), np.float64))
    assert "input 'x' (f32 4x8) was given float64 data; convert it to float32 first" in error


def test_run_with_something_else_than_npz(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved.parent / "in.npz"
    path.write_text("no zip")
    assert f"{path}: error: is no readable .npz file" in _error(["run", str(saved), "--input", str(path)], capsys)
