"""Models from files: ``.pt2`` archives of torch.export and ``.mlir`` text of linalg on tensors."""

import re
import time
import warnings
from pathlib import Path

import torch
from torch.export import ExportedProgram
from torch_mlir import ir

from polystage.dialects import tm_tensor
from polystage.errors import UserError
from polystage.importers.imported import DTYPES, Argument, Imported
from polystage.importers.lowering import find_main, name_arguments

KINDS = ("parameter", "buffer", "constant", "input")


def existing(path: Path) -> Path:
    """The path, or a UserError when there is no such file."""
    if not path.is_file():
        raise UserError(f"no such file: {path}")
    return path


def load_program(path: Path) -> ExportedProgram:
    """The ExportedProgram in a ``.pt2`` file."""
    existing(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return torch.export.load(path)
        except Exception as error:
            text = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UserError(f"not a file written by torch.export.save: {text}", str(path)) from error


def load_text(path: Path, context: ir.Context | None = None) -> Imported:
    """A ``.mlir`` file with one function ``@main`` on tensors.

    Arguments without ``polystage.name`` and ``polystage.kind`` get their position as name and the kind ``input``.
    """
    begin = time.perf_counter()
    existing(path)
    context = context or ir.Context()
    tm_tensor.register(context)
    with context:
        try:
            module = ir.Module.parseFile(str(path))
        except ir.MLIRError as error:
            raise _syntax_error(error, path) from error
        main = find_main(module)
        if main is None:
            raise UserError("no function @main in the module", str(path))
        arguments = _arguments(main, path)
        name_arguments(module, arguments)
    return Imported(module, arguments, {"torch_export": 0.0, "import": time.perf_counter() - begin})


def _syntax_error(error: ir.MLIRError, path: Path) -> UserError:
    if not error.error_diagnostics:
        return UserError(f"not MLIR: {error}", str(path))
    diagnostic = error.error_diagnostics[0]
    place = re.search(r'"([^"]+)":(\d+:\d+)', str(diagnostic.location))
    return UserError(diagnostic.message, f"{place[1]}:{place[2]}" if place else str(path))


def _arguments(main: ir.Operation, path: Path) -> tuple[Argument, ...]:
    attributes = main.attributes.get("arg_attrs", None)
    found: list[Argument] = []
    for number, value in enumerate(main.regions[0].blocks[0].arguments):
        given = ir.DictAttr(ir.ArrayAttr(attributes)[number]) if attributes is not None else None
        name = _text(given, "polystage.name") or f"arg{number}"
        kind = _text(given, "polystage.kind") or "input"
        if kind not in KINDS:
            raise UserError(f"argument '{name}' has kind '{kind}'; must be one of {', '.join(KINDS)}", str(path))
        found.append(_argument(name, kind, value.type, path))
    return tuple(found)


def _text(given: ir.DictAttr | None, key: str) -> str | None:
    return ir.StringAttr(given[key]).value if given is not None and key in given else None


def _argument(name: str, kind: str, value: ir.Type, path: Path) -> Argument:
    if not isinstance(value, ir.RankedTensorType):
        raise UserError(f"argument '{name}' is {value}; @main must take ranked tensors", str(path))
    if not value.has_static_shape:
        raise UserError(f"argument '{name}' has a dynamic shape ({value}); shapes must be static", str(path))
    element = str(value.element_type)
    if element not in DTYPES.values():
        raise UserError(f"argument '{name}' has element type {element}, which is not supported", str(path))
    return Argument(name, kind, element, tuple(value.shape))  # pyright: ignore[reportArgumentType]
