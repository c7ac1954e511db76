"""Saved programs: what is refused, and where the error points."""

import json
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from torch_mlir import ir

from polystage import dialects, storage
from polystage.errors import UserError
from polystage.signature import Binding, of_module

MODULE = """
module {
  func.func @main(%w: memref<2xf32> {polystage.kind = "parameter", polystage.name = "weight"},
                  %i: memref<3xi32> {polystage.dtype = "i64", polystage.kind = "input", polystage.name = "words"},
                  %y: memref<2xbf16> {polystage.kind = "output", polystage.name = "output0"}) {
    return
  }
}
"""


@pytest.fixture
def context() -> ir.Context:
    context = ir.Context()
    dialects.register(context)
    return context


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "manifest.json").write_text(json.dumps({"format": storage.FORMAT}))
    for level in storage.LEVELS:
        (tmp_path / f"{level}.mlir").write_text(MODULE)
    return tmp_path


def test_signature_is_read_from_the_arguments(folder: Path, context: ir.Context) -> None:
    signature = of_module(storage.load_levels(folder, context)["npu"])
    assert signature.weights == (Binding("weight", "parameter", (2,), "f32", "f32"),)
    assert signature.inputs == (Binding("words", "input", (3,), "i32", "i64"),)
    assert signature.outputs == (Binding("output0", "output", (2,), "bf16", "bf16"),)


def test_missing_level(folder: Path, context: ir.Context) -> None:
    (folder / "npu.mlir").unlink()
    with pytest.raises(UserError, match=r"has no npu\.mlir; save the program again"):
        storage.load_levels(folder, context)


def test_malformed_level_is_located(folder: Path, context: ir.Context) -> None:
    (folder / "npu.mlir").write_text("module {\n  nonsense\n}\n")
    with pytest.raises(UserError, match=r"npu\.mlir:2:3: error: "):
        storage.load_levels(folder, context)


def test_manifest_of_another_format(folder: Path, context: ir.Context) -> None:
    (folder / "manifest.json").write_text('{"format": 99}')
    with pytest.raises(UserError, match="format 99, this polystage reads format 1; compile again"):
        storage.load_levels(folder, context)


@pytest.mark.parametrize("text", ["", "[]", "{}"])
def test_malformed_manifest(folder: Path, context: ir.Context, text: str) -> None:
    (folder / "manifest.json").write_text(text)
    with pytest.raises(UserError, match=r"manifest\.json: error: is no manifest of a compiled program"):
        storage.load_levels(folder, context)


def test_missing_report(folder: Path) -> None:
    with pytest.raises(UserError, match=r"report\.json: error: does not exist"):
        storage.load_report(folder)


def test_arrays_round_trip(tmp_path: Path) -> None:
    arrays = {"layer.0.weight": np.ones((2, 3), ml_dtypes.bfloat16), "mask": np.array([True, False])}
    storage.save_arrays(tmp_path / "a.npz", arrays)
    loaded = storage.load_arrays(tmp_path / "a.npz")
    binding = Binding("layer.0.weight", "parameter", (2, 3), "bf16", "bf16")
    np.testing.assert_array_equal(binding.take(loaded["layer.0.weight"]), arrays["layer.0.weight"])
    np.testing.assert_array_equal(loaded["mask"], arrays["mask"])


def test_one_bare_array_has_no_names(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(UserError, match=r"one bare array; write it with numpy\.savez"):
        storage.load_arrays(tmp_path / "a.npy")


def test_64_bit_integers_are_narrowed_and_widened() -> None:
    binding = Binding("words", "input", (2,), "i32", "i64")
    inside = binding.take(np.array([1, -(2**31)]))
    assert inside.dtype == np.int32
    assert binding.give(inside).dtype == np.int64
    with pytest.raises(UserError, match=r"holds values 0 \.\. 2147483648"):
        binding.take(np.array([0, 2**31]))


def test_what_a_program_does_not_write_shows() -> None:
    assert np.isnan(Binding("y", "output", (2,), "bf16", "bf16").empty().astype(np.float32)).all()
    assert (Binding("y", "output", (2,), "i32", "i64").empty() == -(2**31)).all()


def test_f32_is_rounded_to_a_narrow_input() -> None:
    binding = Binding("x", "input", (1,), "bf16", "bf16")
    assert binding.take(np.array([1.001], np.float32))[0] == ml_dtypes.bfloat16(1.0)
    with pytest.raises(UserError, match="was given float64 data; convert it to bfloat16 first"):
        binding.take(np.array([1.001]))
