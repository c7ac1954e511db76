"""The IRDL text is what the op classes say, and stock MLIR reads programs with it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from one_instruction import context, program
from torch_mlir import ir

from polystage.dialects.npu.irdl import COMMITTED, irdl_text
from polystage.dialects.npu.signatures import SIGNATURES

STOCK = [
    tool
    for name in ("mlir-opt", "mlir-opt-22", "torch-mlir-opt")
    if (tool := shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent)))
]


def test_committed_text_is_current() -> None:
    renew = "renew it: python -m polystage.dialects.npu > dialects/npu/npu.irdl.mlir"
    assert COMMITTED.read_text() == irdl_text(), renew


def test_every_signature_is_an_op() -> None:
    text = irdl_text()
    declared = {line.split("@")[1].split()[0] for line in text.splitlines() if "irdl.operation" in line}
    assert {f"npu.{name}" for name in declared} == set(SIGNATURES)


def text_of_a_program() -> str:
    """A program without loops: torch-mlir-opt does not have the affine dialect."""
    memrefs = ["8x4xf32@sbuf", "8x4xf32@psum", "8x1xf32@sbuf"]
    text = program("activation", memrefs, ["d0, d1", "d0, d1", "d0, 0"], [8, 4], 'func = "exp"')
    with context():
        return str(ir.Module.parse(text))


@pytest.mark.parametrize("tool", STOCK, ids=lambda tool: Path(tool).name)
def test_stock_mlir_reads_programs(tool: str, tmp_path: Path) -> None:
    source = tmp_path / "program.mlir"
    source.write_text(text_of_a_program())
    command = [tool, f"--irdl-file={COMMITTED}", "--canonicalize", "--cse", str(source)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert '"npu.activation"' in run.stdout
    with context():
        ir.Module.parse(run.stdout).operation.verify()


@pytest.mark.parametrize("tool", STOCK, ids=lambda tool: Path(tool).name)
def test_stock_mlir_refuses_malformed_programs(tool: str, tmp_path: Path) -> None:
    source = tmp_path / "program.mlir"
    source.write_text(text_of_a_program().replace('func = "exp"', "func = 1"))
    run = subprocess.run([tool, f"--irdl-file={COMMITTED}", str(source)], capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert "expected base attribute 'builtin.string'" in run.stderr
