"""polystage.compile and what it returns, on models small enough to compile in a second."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import polystage
from polystage import Compiled, UserError
from polystage.reference import Eager


class Classifier(nn.Module):
    """An embedding, a linear layer, and the index of the greatest: floats in the middle, integers at both ends."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(16, 8)
        self.linear = nn.Linear(8, 4)

    def forward(self, words: torch.Tensor, scale: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scores = torch.relu(self.linear(self.table(words))) * scale
        return scores, scores.argmax(dim=-1)


def _model() -> tuple[nn.Module, tuple[torch.Tensor, torch.Tensor]]:
    torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType]
    return Classifier().eval(), (torch.tensor([3, 0, 15]), torch.tensor(0.5))


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    model, inputs = _model()
    return polystage.compile(model, inputs, target="tiny")


def test_torch_in_gives_torch_out(compiled: Compiled) -> None:
    model, _ = _model()
    inputs = torch.tensor([1, 2, 3]), torch.tensor(-2.0)
    scores, best = compiled(*inputs)
    expected = model(*inputs)
    torch.testing.assert_close(scores, expected[0])
    assert best.dtype == torch.int64
    assert torch.equal(best, expected[1])


def test_numpy_in_gives_numpy_out(compiled: Compiled) -> None:
    scores, best = compiled(np.array([1, 2, 3]), np.float32(1.0))
    assert type(scores).__name__ == "ndarray"
    assert scores.shape == (3, 4)
    assert best.dtype == np.int64


def test_a_run_completes_the_report() -> None:
    model, inputs = _model()
    compiled = polystage.compile(model, inputs, target="tiny", name="words")
    before = compiled.report
    assert before.executed is None
    assert before.time is None
    compiled(*inputs)
    after = compiled.report
    assert after.model == "words"
    assert after.executed == after.predicted
    assert after.predicted_equals_executed
    assert after.time is not None
    assert after.time.modelled_us >= after.time.dram_bound_us > 0
    assert before.executed is None


def test_check_compares_with_pytorch(compiled: Compiled) -> None:
    check = compiled.check().check
    assert check is not None
    assert check.passed
    assert check.reference == "PyTorch eager"


def test_check_fails_where_a_weight_is_wrong() -> None:
    model, inputs = _model()
    compiled = polystage.compile(model, inputs, target="tiny")
    weights = {name: array.copy() for name, array in compiled.weights.items()}
    weights["linear.bias"] += 1e-3
    levels = {level: compiled.module(level) for level in ("affine", "npu")}
    wrong = Compiled(
        compiled.report, levels, lambda: weights, reference=Eager(model, inputs, False, lambda *given: given)
    )
    check = wrong.check().check
    assert check is not None
    assert not check.passed


def test_report_counts_the_model(compiled: Compiled) -> None:
    report = compiled.report
    assert report.macs == 3 * 8 * 4
    assert report.dram.total == report.dram.read + report.dram.written == sum(report.dram.by_cause.values())
    weights = 3 * 8 * 4 + 8 * 4 * 4 + 4 * 4  # three rows of the table, not sixteen
    assert report.dram.compulsory == weights + 3 * 4 + 4 + 3 * 4 * 4 + 3 * 4
    assert 0 < report.sbuf.peak <= report.sbuf.capacity == 8 * 2048
    assert {"torch_export", "import", "lower-to-affine", "map-banks", "stage"} <= report.compile_seconds.by_stage.keys()


def test_every_level_is_there(compiled: Compiled) -> None:
    marks = {"linalg": "tensor<", "affine": "affine.store", "placed": "#npu.sbuf", "npu": "npu.matmul"}
    for level, mark in marks.items():
        assert mark in str(compiled.module(level))
    with pytest.raises(
        UserError, match=r"no level .llvm.; this program has linalg, affine, hoisted, copy-free, optimized"
    ):
        compiled.module("llvm")


def test_saved_and_loaded_programs_agree(compiled: Compiled, tmp_path: Path) -> None:
    inputs = np.array([5, 6, 7]), np.float32(3.0)
    compiled.save(tmp_path / "out")
    compiled.save(tmp_path / "out")  # replaces
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    loaded = polystage.load(tmp_path / "out")
    for ours, theirs in zip(loaded(*inputs), compiled(*inputs), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(UserError, match="nothing to compare with"):
        loaded.check()


def test_loading_needs_no_torch(compiled: Compiled, tmp_path: Path) -> None:
    compiled.save(tmp_path / "out")
    code = (
        "import sys, numpy as np, polystage\n"
        "assert not sys.modules.keys() & {'torch', 'numpy.f2py', 'torch_mlir', 'pydantic'}\n"
        f"polystage.load({str(tmp_path / 'out')!r})(np.array([1, 2, 3]), np.float32(1.0))\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_failed_save_leaves_nothing(compiled: Compiled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object, **_arrays: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="disk full"):
        compiled.save(tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_integers_beyond_32_bits_are_refused(compiled: Compiled) -> None:
    with pytest.raises(UserError, match=r"holds values 0 \.\. 4294967296; compiled programs have 32-bit integers"):
        compiled(np.array([0, 1, 2**32]), np.float32(1.0))


def test_wrong_number_of_inputs(compiled: Compiled) -> None:
    with pytest.raises(UserError, match=r"takes 2 inputs .*, got 1"):
        compiled(np.array([0, 1, 2]))


def test_casting_keeps_the_model_as_it_is() -> None:
    model, inputs = _model()
    compiled = polystage.compile(model, inputs, target="tiny", dtype="bf16")
    assert next(model.parameters()).dtype == torch.float32
    scores, _ = compiled(inputs[0], inputs[1].bfloat16())
    assert scores.dtype == torch.bfloat16


def test_meta_models_compile_but_do_not_run() -> None:
    with torch.device("meta"):
        model = Classifier().eval()
    compiled = polystage.compile(model, (torch.tensor([3, 0, 15]), torch.tensor(0.5)), target="tiny")
    assert compiled.report.macs == 3 * 8 * 4
    with pytest.raises(UserError, match=r"on the meta device or in a \.mlir file can be compiled, but not executed"):
        compiled(np.array([1, 2, 3]), np.float32(1.0))


def test_a_smaller_scratchpad_moves_more() -> None:
    model, inputs = nn.Linear(64, 64).eval(), (torch.ones(32, 64),)
    roomy, tight = (polystage.compile(model, inputs, target="edge", sbuf=size) for size in ("256KiB", 16 * 512))
    assert tight.report.sbuf.capacity == 16 * 512
    assert tight.report.dram.total > roomy.report.dram.total
    check = tight.check().check
    assert check is not None
    assert check.passed
