"""Turning what torch and torch-mlir raise into one located user error."""

import re
import traceback
from pathlib import Path

import torch
from torch_mlir import ir

from polystage.errors import UserError

_LIBRARIES = tuple(str(Path(file).parent) for file in (torch.__file__, ir.__file__, __file__))
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
_OPERATOR = re.compile(r'name = "torch\.([\w.]+)"')
_LEGALIZED = re.compile(r"operation 'torch\.([\w.]+)'")
_MLIR_FRAME = re.compile(r'"([^"]+)":(\d+):\d+')


def node_location(node: torch.fx.Node) -> str | None:
    """``file:line`` of the model's source that made the node: the innermost frame outside torch."""
    trace: str = node.meta.get("stack_trace") or ""
    return innermost(_FRAME.findall(trace))


def _is_users(frame: tuple[str, str]) -> bool:
    return not frame[0].startswith((*_LIBRARIES, "<"))


def innermost(frames: list[tuple[str, str]]) -> str | None:
    """The last frame (outermost first) that lies outside torch and polystage, else the last one."""
    if not frames:
        return None
    file, line = ([frame for frame in frames if _is_users(frame)] or frames)[-1]
    return f"{file}:{line}"


def from_exception(error: BaseException, what: str) -> UserError:
    """An exception raised while the user's code or torch.export ran, located at the user's line."""
    frames = [(frame.filename, str(frame.lineno)) for frame in traceback.extract_tb(error.__traceback__)]
    frames = [frame for frame in frames if _is_users(frame)]
    kind = type(error).__name__
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return UserError(f"{what}: {kind}: {text}" if text else f"{what}: {kind}", innermost(frames))


def mlir_location(location: ir.Location) -> str | None:
    """``file:line`` of the innermost model frame in an MLIR call-site location."""
    return innermost(_MLIR_FRAME.findall(str(location))[::-1])


def from_mlir(error: ir.MLIRError) -> UserError:
    """A failed torch-mlir pipeline: the first diagnostic, at the PyTorch line its location carries."""
    diagnostic = error.error_diagnostics[0] if error.error_diagnostics else None
    if diagnostic is None:
        return UserError(f"torch-mlir cannot lower the model: {error}")
    operator = _OPERATOR.search(diagnostic.message) or _LEGALIZED.search(diagnostic.message)
    what = operator[1] if operator else diagnostic.message.splitlines()[0]
    return UserError(f"unsupported operation: {what}", mlir_location(diagnostic.location))
