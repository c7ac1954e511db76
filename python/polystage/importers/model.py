"""The three ways in: a live module, an ExportedProgram, a file."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import Graph, Node
from torch_mlir import ir

from polystage.errors import UserError
from polystage.importers.checks import check_graph, check_signature, check_value
from polystage.importers.decompositions import table
from polystage.importers.errors import from_exception
from polystage.importers.files import load_program, load_text
from polystage.importers.fold import fold
from polystage.importers.imported import DTYPES, Argument, Imported, Kind
from polystage.importers.lowering import lower
from polystage.importers.normalise import normalise
from polystage.importers.torch_edge import decompose, shadow, tensors_of
from polystage.importers.trace import quiet, trace

_KINDS: Mapping[InputKind, Kind] = {
    InputKind.PARAMETER: "parameter",
    InputKind.BUFFER: "buffer",
    InputKind.CONSTANT_TENSOR: "constant",
}

Described = dict[Node, tuple[Kind, str, torch.Tensor | None]]


def import_model(model: torch.nn.Module, inputs: Sequence[Any], *, context: ir.Context | None = None) -> Imported:
    """Trace ``model`` on example ``inputs`` and import it.

    The model may live on the ``meta`` device, wholly or in part. Raises UserError for what cannot be exported,
    imported or compiled (see ``checks.py``).
    """
    begin = time.perf_counter()
    program, tensors = trace(model, inputs)
    return _import(program, tensors, context, begin)


def import_exported(program: ExportedProgram, *, context: ir.Context | None = None) -> Imported:
    """Import a program made by ``torch.export.export``."""
    return _import(program, tensors_of(program), context, time.perf_counter())


def import_file(path: str | Path, *, context: ir.Context | None = None) -> Imported:
    """Import a ``.pt2`` (saved ExportedProgram) or ``.mlir`` (linalg on tensors) file."""
    path = Path(path)
    if path.suffix == ".pt2":
        return import_exported(load_program(path), context=context)
    if path.suffix == ".mlir":
        return load_text(path, context)
    raise UserError(f"cannot import '{path}': the file name must end in .pt2 or .mlir")


def _import(
    program: ExportedProgram, tensors: dict[str, torch.Tensor], context: ir.Context | None, begin: float
) -> Imported:
    with quiet(), torch.no_grad():
        try:
            program = decompose(program, table())
        except Exception as error:
            raise from_exception(error, "torch.export cannot decompose the model") from error
        exported = time.perf_counter()
        check_signature(program)
        normalise(program.graph)
        arguments = _bind(program, tensors)
        check_graph(program.graph)
        module = lower(program.graph, arguments, context)
    seconds = {"torch_export": exported - begin, "import": time.perf_counter() - exported}
    return Imported(module, arguments, seconds, program.call_spec.out_spec)


def _bind(program: ExportedProgram, tensors: dict[str, torch.Tensor]) -> tuple[Argument, ...]:
    """Fold, drop unused placeholders, and describe the remaining ones in order."""
    graph = program.graph
    placeholders = {node.name: node for node in graph.nodes if node.op == "placeholder"}
    described: Described = {}
    known: dict[Node, torch.Tensor] = {}
    for spec in program.graph_signature.input_specs:
        node = placeholders[spec.arg.name]
        if spec.kind == InputKind.USER_INPUT:
            _bind_input(graph, node, described)
            continue
        if spec.kind not in _KINDS or spec.target is None:
            raise UserError(f"the model uses {spec.kind.name.lower()} '{spec.target}', which is not supported")
        tensor = tensors[spec.target]
        described[node] = (_KINDS[spec.kind], spec.target, tensor)
        if _is_known(spec.kind, bool(spec.persistent), tensor):
            known[node] = tensor.detach()
    for node, value in fold(graph, known).items():
        described.setdefault(node, ("constant", node.name, value))
    for node in list(described):
        if not node.users and described[node][0] != "input":
            graph.erase_node(node)
    graph.lint()
    return tuple(_argument(node, *described[node]) for node in graph.nodes if node.op == "placeholder")


def _bind_input(graph: Graph, node: Node, described: Described) -> None:
    value: Any = shadow(node)
    if isinstance(value, torch.Tensor):
        node.meta["is_input"] = True
        described[node] = ("input", node.name, None)
        return
    node.replace_all_uses_with(value)  # a Python number or None, fixed at export
    graph.erase_node(node)


def _is_known(kind: InputKind, persistent: bool, tensor: torch.Tensor) -> bool:
    """May the compiler read this tensor's values? Persistent float buffers are data, like parameters."""
    if tensor.is_meta or kind == InputKind.PARAMETER:
        return False
    return kind == InputKind.CONSTANT_TENSOR or not persistent or not tensor.is_floating_point()


def _argument(node: Node, kind: Kind, name: str, tensor: torch.Tensor | None) -> Argument:
    shape = shadow(node)
    check_value(name, shape)
    return Argument(name, kind, DTYPES[shape.dtype], tuple(shape.shape), tensor)
