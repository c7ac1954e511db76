"""Every level is text that can be taken up again: printed, parsed and continued it gives the same program."""

import subprocess
import sys
from pathlib import Path

import pytest

import polystage
from polystage import Compiled, zoo

MODELS = ("tiny_cnn", "tiny_attention")
# level -> the rest of the pipeline
REST = {
    "linalg": ["--lower-to-affine", "--set-target=name=tiny", "--optimize", "--to-placed", "--to-npu"],
    "affine": ["--optimize", "--to-placed", "--to-npu"],
    "optimized": ["--to-placed", "--to-npu"],
    "placed": ["--to-npu"],
    "npu": [],
}


@pytest.fixture(scope="module", params=MODELS)
def compiled(request: pytest.FixtureRequest) -> Compiled:
    model, inputs = zoo.load(request.param)
    return polystage.compile(model, inputs, target="tiny")


@pytest.mark.parametrize("level", REST)
def test_a_printed_level_continues_to_the_same_program(compiled: Compiled, level: str, tmp_path: Path) -> None:
    path = tmp_path / f"{level}.mlir"
    path.write_text(str(compiled.module(level)))
    command = [str(Path(sys.executable).with_name("polystage-opt")), *REST[level], str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(compiled.module("npu")).strip()
