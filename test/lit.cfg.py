"""lit: `build/venv/bin/lit test`, no build tree needed. Python tests belong to pytest and are left alone."""
# ruff: noqa: F821 - lit defines `config` and `lit_config`
# pyright: basic, reportUndefinedVariable=false
# lit runs this file with two names of its own

import os
import shutil
import sys

import lit.formats

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
BIN = os.path.dirname(sys.executable)

config.name = "polystage"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["inputs"]
config.test_source_root = HERE
config.test_exec_root = os.path.join(ROOT, "build", "test")


def _filecheck() -> str:
    """LLVM's FileCheck (2 ms), or the one from PyPI (50 ms), which understands what our tests use."""
    llvm = shutil.which("FileCheck") or shutil.which("FileCheck-22")
    if llvm:
        config.available_features.add("llvm-filecheck")
        return f"{llvm} --enable-var-scope --dump-input=fail"
    return f"{os.path.join(BIN, 'filecheck')} --enable-var-scope"


config.substitutions += [
    (r"\bpolystage-opt\b", f"{sys.executable} {os.path.join(ROOT, 'tools', 'polystage-opt')}"),
    (r"\bFileCheck\b", _filecheck()),
]
if shutil.which("mlir-opt"):
    config.available_features.add("mlir-opt")
