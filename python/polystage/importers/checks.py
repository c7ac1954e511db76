"""What an exported graph may not contain, each refused with one located error."""

from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import Graph

from polystage.errors import UserError
from polystage.importers.errors import node_location
from polystage.importers.imported import DTYPES
from polystage.importers.torch_edge import draws_random_numbers, is_control_flow, leaves, shadow


def check_signature(program: ExportedProgram) -> None:
    """Refuse programs that write into their buffers or inputs."""
    signature = program.graph_signature
    written = [*signature.buffers_to_mutate.values(), *signature.user_inputs_to_mutate.values()]
    if not written:
        return
    what = "a buffer" if signature.buffers_to_mutate else "an input"
    raise UserError(
        f"the model writes into {what}, '{written[0]}' ({len(written)} in all); only graphs without side effects "
        "compile: call model.eval(), turn caches off, or return the new value instead"
    )


def check_graph(graph: Graph) -> None:
    """Refuse control flow, random numbers, dynamic shapes and element types that no target has."""
    for node in graph.nodes:
        if is_control_flow(node):
            raise UserError(
                f"control flow that depends on data ('{node.target}') cannot be compiled", node_location(node)
            )
        if draws_random_numbers(node):
            raise UserError(f"'{node.target}' draws random numbers; make them an input", node_location(node))
        if node.op == "call_function":
            for leaf in leaves(shadow(node)):
                check_value(node.name, leaf, node_location(node))


def check_value(name: str, value: Any, location: str | None = None) -> None:
    """Refuse a value of dynamic shape or of an element type that no target has."""
    if isinstance(value, torch.SymInt | torch.SymFloat | torch.SymBool):
        raise UserError(f"'{name}' is a symbolic number ({value}); shapes must be static", location)
    if not isinstance(value, torch.Tensor):
        return
    dynamic = [str(size) for size in value.shape if isinstance(size, torch.SymInt)]
    if dynamic:
        raise UserError(
            f"'{name}' has a dynamic shape ({', '.join(dynamic)}); export with fixed example sizes", location
        )
    if value.dtype not in DTYPES:
        raise UserError(f"'{name}' has dtype {_dtype_text(value.dtype)}", location)


def _dtype_text(dtype: torch.dtype) -> str:
    name = str(dtype).removeprefix("torch.")
    if dtype == torch.float64:
        return f"{name}, which no target has; convert the model with .to(torch.float32)"
    if dtype.is_complex:
        return f"{name}; complex numbers are not supported, split real and imaginary part"
    return f"{name}, which is not supported (supported: {', '.join(sorted(DTYPES.values()))})"
