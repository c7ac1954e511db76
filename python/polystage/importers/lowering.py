# pyright: basic
# torch-mlir's importer is untyped and is extended by subclassing here.
"""A folded FX graph -> linalg on tensors, through torch-mlir."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.fx import Graph
from torch_mlir import ir
from torch_mlir.dialects import torch as torch_dialect
from torch_mlir.extras.fx_importer import FxImporter, GraphNodeImporter
from torch_mlir.passmanager import PassManager

from polystage.errors import UserError
from polystage.importers.cleanup import cleanup
from polystage.importers.errors import from_mlir, node_location
from polystage.importers.imported import Argument

PIPELINES = (
    "builtin.module(func.func(torch-match-quantized-custom-ops),"
    "torchdynamo-export-to-torch-backend-pipeline{extra-library=})",
    "builtin.module(torch-backend-to-linalg-on-tensors-backend-pipeline{allow-non-finites=True},"
    "func.func(linalg-inline-scalar-operands),canonicalize)",
)


_NodeImporter: Any = GraphNodeImporter
_Importer: Any = FxImporter


class _LocatedImporter(_NodeImporter):
    """torch-mlir's node importer, with errors that say which node of the model they are about."""

    def _import_torch_op_overload(self, loc: ir.Location, node: torch.fx.Node, *rest: Any) -> None:
        try:
            super()._import_torch_op_overload(loc, node, *rest)
        except (NotImplementedError, TypeError, KeyError, ValueError, AssertionError, RuntimeError) as error:
            detail = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(f"unsupported operation: {node.target}: {detail}", node_location(node)) from error


def lower(graph: Graph, arguments: Sequence[Argument], context: ir.Context | None) -> ir.Module:
    """Import ``graph`` as ``@main`` and lower it; ``arguments`` describe its placeholders in order."""
    context = context or ir.Context()
    torch_dialect.register_dialect(context)
    importer = _Importer(context=context, graph_node_importer_cls=_LocatedImporter)
    importer.import_stateless_graph(graph, func_name="main", func_visibility="public")
    module = importer.module
    with context:
        try:
            for pipeline in PIPELINES:
                PassManager.parse(pipeline).run(module.operation)
        except ir.MLIRError as error:
            raise from_mlir(error) from error
        cleanup(module)
        name_arguments(module, arguments)
    return module


def find_main(module: ir.Module) -> ir.Operation | None:
    """The function ``@main`` of a module."""
    for op in module.body.operations:
        if op.operation.name == "func.func" and ir.StringAttr(op.operation.attributes["sym_name"]).value == "main":
            return op.operation
    return None


def name_arguments(module: ir.Module, arguments: Sequence[Argument]) -> None:
    """Put ``polystage.name`` and ``polystage.kind`` on the arguments of ``@main``."""
    main = find_main(module)
    assert main is not None
    main.attributes["arg_attrs"] = ir.ArrayAttr.get(
        [
            ir.DictAttr.get({"polystage.name": ir.StringAttr.get(a.name), "polystage.kind": ir.StringAttr.get(a.kind)})
            for a in arguments
        ]
    )
