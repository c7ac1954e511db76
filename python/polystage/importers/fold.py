"""Evaluate at export what no input and no parameter reaches: masks, arange chains, index tables.

Known values are integer buffers, non-persistent buffers and lifted constants. A folded tensor that the rest of the
graph still needs becomes a scalar when all its elements are equal, a slice when it is an arithmetic progression used
as an index (``tables.py``), and otherwise a new ``constant`` argument.
"""

from typing import Any

import torch
from torch.fx import Graph, Node

from polystage.importers.bags import expand_bag
from polystage.importers.emit import replace
from polystage.importers.tables import slice_for_table
from polystage.importers.torch_edge import aten, draws_random_numbers, is_elementwise, leaves, map_nodes, shadow

# A folded tensor holds no more than this many elements; a larger one is left to the compiler.
MAX_ELEMENTS = 1 << 24

# Known from the shape alone; memory that PyTorch leaves unset is zero here.
_FILLS = (aten.full_like.default, aten.empty.memory_format, aten.empty_strided.default, aten.new_empty.default)

# Binary operations with the uniform second operand that makes them the identity on the first.
_IDENTITY = {aten.add.Tensor: 0, aten.sub.Tensor: 0, aten.mul.Tensor: 1, aten.div.Tensor: 1}

Values = dict[Node, torch.Tensor]


def fold(graph: Graph, known: Values) -> Values:
    """Rewrite the graph; returns the placeholders of the constants it still needs, with their values."""
    values = evaluate(graph, known)
    constants: Values = {}
    for user in list(graph.nodes):
        if user in values or not any(source in values for source in user.all_input_nodes):
            continue
        if slice_for_table(user, values) or expand_bag(user, values) or _simplify(user, values):
            continue
        for source in user.all_input_nodes:
            if source in values:
                user.replace_input_with(source, _materialise(user, source, values, constants))
    graph.eliminate_dead_code()
    return {node: value for node, value in constants.items() if node.users}


def evaluate(graph: Graph, known: Values) -> Values:
    """The values of every node that depends on ``known`` values only (``known`` itself included)."""
    values: dict[Node, Any] = dict(known)
    for node in graph.nodes:
        if node.op == "call_function" and node not in values and _foldable(node, values):
            values[node] = _run(node, values)
    return {node: value for node, value in values.items() if isinstance(value, torch.Tensor)}


def _foldable(node: Node, values: dict[Node, Any]) -> bool:
    if node.target not in _FILLS and not all(source in values for source in node.all_input_nodes):
        return False
    sizes = [leaf.numel() for leaf in leaves(shadow(node)) if isinstance(leaf, torch.Tensor)]
    return bool(sizes) and max(sizes) <= MAX_ELEMENTS and not draws_random_numbers(node)


def _run(node: Node, values: dict[Node, Any]) -> Any:
    if node.target in _FILLS:
        number: Any = node.args[1] if node.target is aten.full_like.default else 0
        return torch.full(shadow(node).shape, number, dtype=shadow(node).dtype)
    arguments, keywords = map_nodes(lambda source: values[source], (node.args, node.kwargs))
    if "device" in keywords:
        keywords = {**keywords, "device": torch.device("cpu")}
    target: Any = node.target
    return target(*arguments, **keywords)


def uniform(value: torch.Tensor) -> bool | int | float | None:
    """The one number all elements are equal to, or None."""
    if value.numel() == 0:
        return None
    first = value.flatten()[0]
    return first.item() if bool((value == first).all()) else None


def _simplify(user: Node, values: Values) -> bool:
    """Drop ``x + 0``, ``x * 1`` and a ``where`` whose condition is uniform; true when ``user`` is gone."""
    kept = _kept_operand(user, values)
    if kept is None:
        return False
    before, after = shadow(kept), shadow(user)
    if before.dtype != after.dtype or before.shape != after.shape:
        return False
    replace(user, kept)
    return True


def _kept_operand(user: Node, values: Values) -> Node | None:
    args: Any = user.args
    if user.target is aten.where.self and args[0] in values:
        condition = uniform(values[args[0]])
        kept = None if condition is None else args[1 if condition else 2]
        return kept if isinstance(kept, Node) and kept not in values else None
    neutral = _IDENTITY.get(user.target)
    if neutral is None or user.kwargs or not all(isinstance(arg, Node) for arg in args):
        return None
    left, right = args
    if right in values and uniform(values[right]) == neutral:
        return left
    commutes = user.target in (aten.add.Tensor, aten.mul.Tensor)
    return right if commutes and left in values and uniform(values[left]) == neutral else None


def _materialise(user: Node, source: Node, values: Values, constants: Values) -> Node:
    """A node that yields a folded value to ``user``: a number, a fill, or the placeholder of a constant argument."""
    number = uniform(values[source])
    if number is not None:
        return _fill(user, source, number)
    if source.op == "placeholder":
        constants[source] = values[source]
        return source
    for placeholder, value in constants.items():
        if value.dtype == values[source].dtype and torch.equal(value, values[source]):
            return placeholder
    graph = source.graph
    with graph.inserting_before(next(node for node in graph.nodes if not _is_weight(node))):
        placeholder = graph.placeholder(f"constant_{source.name}")
    placeholder.meta = {"val": shadow(source), "stack_trace": source.meta.get("stack_trace")}
    constants[placeholder] = values[placeholder] = values[source].contiguous()
    source.replace_all_uses_with(placeholder)
    return placeholder


def _fill(user: Node, source: Node, number: bool | int | float) -> Node:
    shape: list[int] = [] if _takes_number(user, source) else list(shadow(source).shape)
    with user.graph.inserting_before(user):
        node = user.graph.call_function(aten.full.default, (shape, number), {"dtype": shadow(source).dtype})
    node.meta = {"val": shadow(source).new_empty(shape), "stack_trace": user.meta.get("stack_trace")}
    return node


def _is_weight(node: Node) -> bool:
    return node.op == "placeholder" and not node.meta.get("is_input")


def _takes_number(user: Node, source: Node) -> bool:
    """Does an elementwise ``user`` give the same shape and type when ``source`` is a 0-d tensor?"""
    if not is_elementwise(user):
        return False

    def shape(node: Node) -> Any:
        return shadow(source).new_empty(()) if node is source else shadow(node)

    arguments, keywords = map_nodes(shape, (user.args, user.kwargs))
    target: Any = user.target
    result = target(*arguments, **keywords)
    return bool(result.shape == shadow(user).shape) and result.dtype == shadow(user).dtype
