"""What a user names on the command line: a zoo model, ``file.py:function``, ``file.pt2`` or ``file.mlir``."""

import importlib.util
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import torch
from torch.export import ExportedProgram
from torch_mlir import ir

from polystage.errors import UserError
from polystage.importers.errors import from_exception
from polystage.importers.files import existing, load_program, load_text
from polystage.importers.imported import DTYPES, Imported
from polystage.importers.model import import_exported, import_model
from polystage.importers.torch_edge import map_tensors


@dataclass(frozen=True)
class LoadedModel:
    """A model found by its command line argument.

    ``model`` and ``inputs`` are what eager PyTorch runs for comparison; both are None for a ``.mlir`` file, and
    ``inputs`` is None for a ``.pt2`` file saved without example inputs. ``name`` is a short name for reports.
    """

    name: str
    model: torch.nn.Module | None
    inputs: tuple[Any, ...] | None
    _import: Callable[[ir.Context | None], Imported] = field(repr=False)

    def imported(self, context: ir.Context | None = None) -> Imported:
        """The model as linalg on tensors."""
        return self._import(context)


def load_model_argument(
    text: str, dtype: str | torch.dtype | None = None, *, seed: int = 0, device: str | None = None
) -> LoadedModel:
    """Resolve a model argument.

    ``dtype`` ("f32", "bf16", "f16" or a torch dtype) converts the floating point tensors of a zoo model or of a
    ``file.py:function``; None keeps them. ``device="meta"`` builds a zoo model without data, to compile only.

    Raises UserError for an unknown model, a missing file or function, a function that raises or returns something
    else than ``(model, inputs)``, and a dtype where it cannot be applied.
    """
    wanted = _dtype(dtype)
    suffix = Path(text).suffix
    if suffix in (".pt2", ".mlir"):
        if wanted is not None:
            raise UserError(f"the dtype of a {suffix} file is fixed; give no dtype, or export the model in {dtype}")
        return _from_program(Path(text)) if suffix == ".pt2" else _from_text(Path(text))
    if ".py:" in text:
        return _from_function(text, wanted)
    if suffix == ".py":
        raise UserError(f"'{text}' names no function; write {text}:FUNCTION, which returns (model, inputs)")
    return _from_zoo(text, wanted or torch.float32, seed, device)


def _dtype(dtype: str | torch.dtype | None) -> torch.dtype | None:
    if dtype is None or isinstance(dtype, torch.dtype):
        return dtype
    floats = {name: kind for kind, name in DTYPES.items() if kind.is_floating_point}
    if dtype not in floats:
        raise UserError(f"unknown dtype '{dtype}'; one of {', '.join(floats)}")
    return floats[dtype]


def _from_model(name: str, model: torch.nn.Module, inputs: tuple[Any, ...]) -> LoadedModel:
    return LoadedModel(name, model, inputs, lambda context: import_model(model, inputs, context=context))


def _from_zoo(name: str, dtype: torch.dtype, seed: int, device: str | None) -> LoadedModel:
    from polystage import zoo

    known = (*zoo.names(), *zoo.parts(), *zoo.names(small=True))
    if name.partition(":")[0] not in known:
        raise UserError(
            f"unknown model '{name}': not a name in the zoo ({', '.join(known)}), "
            "nor file.py:function, file.pt2 or file.mlir"
        )
    return _from_model(name, *zoo.load(name, seed=seed, dtype=dtype, device=device))


def _from_program(path: Path) -> LoadedModel:
    program: ExportedProgram = load_program(path)
    inputs = None if program.example_inputs is None else tuple(program.example_inputs[0])
    return LoadedModel(path.stem, program.module(), inputs, lambda context: import_exported(program, context=context))


def _from_text(path: Path) -> LoadedModel:
    return LoadedModel(existing(path).stem, None, None, lambda context: load_text(path, context))


def _from_function(text: str, dtype: torch.dtype | None) -> LoadedModel:
    file, _, name = text.rpartition(":")
    path = existing(Path(file))
    function = getattr(_execute(path), name, None)
    if not callable(function):
        raise UserError(f"no function '{name}' in the file", str(path))
    try:
        with _importable(path.parent):
            made: Any = function()
    except Exception as error:
        raise from_exception(error, f"{name}() failed") from error
    model, inputs = _checked(made, name, path)
    if dtype is not None:
        model, inputs = model.to(dtype), map_tensors(_caster(dtype), inputs)
    return _from_model(path.stem, model, inputs)


def _checked(made: Any, name: str, path: Path) -> tuple[torch.nn.Module, tuple[Any, ...]]:
    """The ``(model, inputs)`` a user's function returned; a single input may stand without its tuple."""
    parts = cast("tuple[Any, ...]", made if isinstance(made, tuple) else (made,))
    if len(parts) != 2 or not isinstance(parts[0], torch.nn.Module):
        kinds = ", ".join(type(part).__name__ for part in parts)
        raise UserError(f"{name}() must return (torch.nn.Module, inputs), not ({kinds})", str(path))
    given = parts[1]
    return parts[0], tuple(cast("Sequence[Any]", given)) if isinstance(given, tuple | list) else (given,)


def _caster(dtype: torch.dtype) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor


def _execute(path: Path) -> ModuleType:
    """Run a Python file as a module of its own."""
    name = f"polystage_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UserError("not a Python file", str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # classes defined in it find their module there
    try:
        with _importable(path.parent):
            spec.loader.exec_module(module)
    except SyntaxError as error:
        raise UserError(f"syntax error: {error.msg}", f"{path}:{error.lineno}") from error
    except Exception as error:
        raise from_exception(error, "the file failed") from error
    return module


@contextmanager
def _importable(folder: Path) -> Generator[None]:
    """Let the user's file import its neighbours."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
