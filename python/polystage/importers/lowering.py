"""A folded FX graph -> linalg on tensors, through torch-mlir."""

from collections.abc import Sequence

import torch
from torch.fx import Graph
from torch_mlir import ir
from torch_mlir.dialects import torch as torch_dialect
from torch_mlir.extras.fx_importer import FxImporter
from torch_mlir.passmanager import PassManager

from polystage.importers.cleanup import cleanup
from polystage.importers.errors import from_exception, from_mlir
from polystage.importers.imported import Argument

PIPELINES = (
    "builtin.module(func.func(torch-match-quantized-custom-ops),"
    "torchdynamo-export-to-torch-backend-pipeline{extra-library=})",
    "builtin.module(torch-backend-to-linalg-on-tensors-backend-pipeline{allow-non-finites=True},"
    "func.func(linalg-inline-scalar-operands),canonicalize)",
)


def lower(
    graph: Graph, root: torch.fx.GraphModule, arguments: Sequence[Argument], context: ir.Context | None
) -> ir.Module:
    """Import ``graph`` as ``@main`` and lower it; ``arguments`` describe its placeholders in order."""
    context = context or ir.Context()
    torch_dialect.register_dialect(context)
    importer = FxImporter(context=context)
    try:
        importer._import_all_child_modules(root, "main")
        importer.import_stateless_graph(graph, func_name="main", func_visibility="public")
    except (NotImplementedError, TypeError, KeyError, ValueError, AssertionError, RuntimeError) as error:
        raise from_exception(error, "torch-mlir cannot import the model") from error
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
