"""Types of the part of `torch_mlir.extras.fx_importer` that the importer uses."""

from typing import Any

import torch
import torch.fx
from torch.export import ExportedProgram
from torch_mlir.ir import Context, Location, Module, Operation, Type, Value

class InputInfo:
    program: ExportedProgram
    input_spec: Any
    node: torch.fx.Node
    ir_type: Type
    mutable_producer_node_name: str | None
    store_producer_node: str | None

class ContextCache:
    def __init__(self, context: Context) -> None: ...
    def get_node_location(self, node: torch.fx.Node) -> Location | None: ...

class GraphNodeImporter:
    def resolve_node_value(self, node: torch.fx.Node, result_index: int = 0) -> Value: ...

class FxImporterHooks:
    def prepare_module(self, module_op: Operation) -> None: ...
    def resolve_literal(self, gni: GraphNodeImporter, literal: Any, info: InputInfo | None) -> Value | None: ...
    def resolve_input(self, gni: GraphNodeImporter, value: Any, info: InputInfo) -> Value | None: ...
    def store_produced_value(
        self, gni: GraphNodeImporter, py_value: Any, produced_ir_value: Any, info: InputInfo
    ) -> None: ...

class FxImporter:
    def __init__(
        self,
        *,
        module: Module | None = None,
        context: Context | None = None,
        config_check: bool = True,
        hooks: FxImporterHooks | None = None,
    ) -> None: ...
    @property
    def module(self) -> Module: ...
    @property
    def module_op(self) -> Operation: ...
    def import_stateless_graph(
        self,
        g: torch.fx.Graph,
        *,
        func_name: str = "main",
        func_visibility: str | None = None,
        import_symbolic_shape_expressions: bool = False,
    ) -> Operation: ...
    def import_frozen_program(
        self, prog: ExportedProgram, *, func_name: str = "main", func_visibility: str | None = None
    ) -> Operation: ...
    def _import_all_child_modules(self, gm: torch.fx.GraphModule, parent_name: str) -> None: ...
