"""A compiled program as a folder: manifest, the affine and npu levels as text, weights as ``.npz``, the report."""

import json
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch_mlir import ir

from polystage.errors import UserError
from polystage.pipeline.diagnostics import DiagnosticLog
from polystage.pipeline.source import Part, parse_module
from polystage.report.report import Report, write
from polystage.signature import Array

FORMAT = 1
LEVELS = ("affine", "npu")
MANIFEST, WEIGHTS, REPORT = "manifest.json", "weights.npz", "report.json"


def save(directory: Path, levels: Mapping[str, ir.Operation], weights: Mapping[str, Array], report: Report) -> None:
    """Writes a temporary folder beside ``directory`` and renames it; replaces an earlier saved program."""
    directory = directory.absolute()
    if not directory.parent.is_dir():
        raise UserError(f"folder {directory.parent} does not exist", str(directory))
    if directory.exists() and not _replaceable(directory):
        raise UserError("exists and holds no compiled program; choose another folder", str(directory))
    partial = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    try:
        _fill(partial, levels, weights, report)
        if directory.exists():
            shutil.rmtree(directory)
        partial.chmod(0o755)
        partial.rename(directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _replaceable(directory: Path) -> bool:
    return directory.is_dir() and ((directory / MANIFEST).is_file() or not any(directory.iterdir()))


def _fill(folder: Path, levels: Mapping[str, ir.Operation], weights: Mapping[str, Array], report: Report) -> None:
    for level in LEVELS:
        text: str = levels[level].get_asm(enable_debug_info=True, assume_verified=True)
        (folder / f"{level}.mlir").write_text(text)
    np.savez(folder / WEIGHTS, allow_pickle=False, **weights)
    write(report, folder / REPORT)
    manifest = {"format": FORMAT, "model": report.model, "target": report.target, "levels": list(LEVELS)}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")


def load_levels(directory: Path, context: ir.Context) -> dict[str, ir.Operation]:
    """Parses the saved levels; raises UserError where the folder is not what `save` wrote."""
    _check_manifest(directory)
    modules: dict[str, ir.Operation] = {}
    for level in LEVELS:
        path = directory / f"{level}.mlir"
        if not path.is_file():
            raise UserError(f"has no {path.name}; save the program again", str(directory))
        modules[level] = parse(path, context)
    return modules


def parse(path: Path, context: ir.Context) -> ir.Operation:
    """Parses one file of IR; raises UserError at the place of the first syntax or verification error."""
    log = DiagnosticLog()
    context.emit_error_diagnostics = True
    with context:
        module = parse_module(Part(path.read_text()), str(path), log)
    if module is None:
        first = log.errors[0]
        raise UserError(first.message, str(first.place or path))
    return module


def _check_manifest(directory: Path) -> None:
    path = directory / MANIFEST
    if not path.is_file():
        raise UserError(
            "is no compiled program (no manifest.json); make one with: polystage compile -o", str(directory)
        )
    try:
        written = json.loads(path.read_text())["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError("is no manifest of a compiled program", str(path)) from error
    if written != FORMAT:
        raise UserError(f"format {written}, this polystage reads format {FORMAT}; compile again", str(path))


def load_report(directory: Path) -> Report:
    """The saved report."""
    path = directory / REPORT
    return Report.from_json(path.read_text(), str(path)) if path.is_file() else _missing(path)


def _missing(path: Path) -> Report:
    raise UserError("does not exist", str(path))


def load_arrays(path: Path) -> dict[str, Array]:
    """All arrays of an ``.npz`` file; raises UserError for anything else."""
    if not path.is_file():
        raise UserError("does not exist", str(path))
    try:
        arrays = np.load(path, allow_pickle=False)
        if isinstance(arrays, np.ndarray):
            raise UserError("holds one bare array; write it with numpy.savez(file, name=array)", str(path))
        with arrays:
            return {name: arrays[name] for name in arrays.files}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise UserError(f"is no readable .npz file: {error}", str(path)) from error


def save_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Writes named arrays as ``.npz``."""
    if not path.parent.is_dir():
        raise UserError(f"folder {path.parent} does not exist", str(path))
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
