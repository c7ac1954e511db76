# pyright: basic
# torch types these parts of itself incompletely or keeps them private; they get their types here.
"""The parts of torch that are private or untyped."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch._ops import HigherOrderOperator, OpOverload
from torch._subclasses import FakeTensorMode
from torch.export import ExportedProgram
from torch.fx import Node
from torch.nn.utils.stateless import _reparametrize_module
from torch.utils import _pytree

aten: Any = torch.ops.aten
prims: Any = torch.ops.prims


def leaves(tree: Any) -> list[Any]:
    """The leaves of nested lists, tuples and dictionaries."""
    return _pytree.tree_leaves(tree)


def map_tensors(function: Callable[[torch.Tensor], Any], tree: Any) -> Any:
    """The tree with every tensor replaced."""
    return _pytree.tree_map_only(torch.Tensor, function, tree)


def map_nodes(function: Callable[[Node], Any], tree: Any) -> Any:
    """A node's arguments with every node replaced."""
    return torch.fx.map_arg(tree, function)


def shadow(node: Node) -> Any:
    """What a node yields, as shape-only tensors."""
    return node.meta.get("val")


def arguments(node: Node) -> dict[str, Any]:
    """The arguments of an operator call by name, without the ones left at their default."""
    names = [argument.name for argument in node.target._schema.arguments]  # type: ignore[union-attr]
    return {**dict(zip(names, node.args, strict=False)), **node.kwargs}


def is_control_flow(node: Node) -> bool:
    """Is this a higher-order operator, as cond, scan and while_loop?"""
    return isinstance(node.target, HigherOrderOperator)


def is_elementwise(node: Node) -> bool:
    """Does the operator treat every element on its own, with broadcasting?"""
    return isinstance(node.target, OpOverload) and torch.Tag.pointwise in node.target.tags


def draws_random_numbers(node: Node) -> bool:
    """Does the operator use the random generator?"""
    return isinstance(node.target, OpOverload) and torch.Tag.nondeterministic_seeded in node.target.tags


def export(model: torch.nn.Module, inputs: Sequence[Any]) -> ExportedProgram:
    """torch.export in non-strict mode."""
    return torch.export.export(model, tuple(inputs), strict=False)


def tensors_of(program: ExportedProgram) -> dict[str, torch.Tensor]:
    """Parameters, buffers and constants of a program by name."""
    constants = {name: value for name, value in program.constants.items() if isinstance(value, torch.Tensor)}
    return {**program.state_dict, **constants}


def broadcast(*shapes: Sequence[int]) -> list[int]:
    """The shape to which the shapes broadcast."""
    return list(torch.broadcast_shapes(*shapes))


def decompose(program: ExportedProgram, table: dict[Any, Callable[..., Any]]) -> ExportedProgram:
    """The program in the operators that the table leaves."""
    return program.run_decompositions(table)


@contextmanager
def substituted(model: torch.nn.Module, tensors: dict[str, torch.Tensor]) -> Generator[None]:
    """The model with other parameters and buffers, for a while."""
    with _reparametrize_module(model, tensors):
        yield


def shape_only(mode: FakeTensorMode, tensor: torch.Tensor) -> torch.Tensor:
    """A CPU tensor of the same shape, strides and dtype without data."""
    with mode:
        fake = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype)
    return torch.nn.Parameter(fake, requires_grad=False) if isinstance(tensor, torch.nn.Parameter) else fake
