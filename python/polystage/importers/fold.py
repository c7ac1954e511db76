"""Evaluate at export what no input and no parameter reaches: masks, arange chains, index tables.

Known values are integer buffers, non-persistent buffers and lifted constants. A folded tensor that the rest of the
graph still needs becomes a scalar when all its elements are equal, a slice when it is an arithmetic progression used
as an index (``tables.py``), and otherwise a new ``constant`` argument.
"""

from typing import Any

import torch
from torch.fx import Graph, Node

from polystage.importers.tables import slice_for_table

aten = torch.ops.aten

# A folded tensor holds no more than this many elements; a larger one is left to the compiler.
MAX_ELEMENTS = 1 << 24


def evaluate(graph: Graph, known: dict[Node, torch.Tensor]) -> dict[Node, torch.Tensor]:
    """The values of every node that depends on ``known`` values only (``known`` itself included)."""
    values: dict[Node, Any] = dict(known)
    for node in graph.nodes:
        if node.op != "call_function" or node in values or not _foldable(node, values):
            continue
        if node.target is aten.full_like.default:
            values[node] = torch.full(node.meta["val"].shape, node.args[1], dtype=node.meta["val"].dtype)
            continue
        arguments = torch.fx.map_arg(node.args, lambda n: values[n])
        keywords = dict(torch.fx.map_arg(node.kwargs, lambda n: values[n]))
        if "device" in keywords:
            keywords["device"] = torch.device("cpu")
        values[node] = node.target(*arguments, **keywords)
    return {node: value for node, value in values.items() if isinstance(value, torch.Tensor)}


def _foldable(node: Node, values: dict[Node, Any]) -> bool:
    if node.target is not aten.full_like.default and not all(source in values for source in node.all_input_nodes):
        return False
    if isinstance(node.target, torch._ops.OpOverload) and torch.Tag.nondeterministic_seeded in node.target.tags:
        return False
    meta = node.meta.get("val")
    sizes = [leaf.numel() for leaf in torch.utils._pytree.tree_leaves(meta) if isinstance(leaf, torch.Tensor)]
    return bool(sizes) and max(sizes) <= MAX_ELEMENTS


def fold(graph: Graph, known: dict[Node, torch.Tensor]) -> dict[Node, torch.Tensor]:
    """Rewrite the graph; returns the placeholders of the constants it still needs, with their values."""
    _drop_assertions(graph)
    values = evaluate(graph, known)
    constants: dict[Node, torch.Tensor] = {}
    for user in list(graph.nodes):
        if user in values or not any(source in values for source in user.all_input_nodes):
            continue
        if slice_for_table(graph, user, values) or _simplify(graph, user, values):
            continue
        for source in user.all_input_nodes:
            if source in values:
                user.replace_input_with(source, _materialise(graph, source, values, constants))
    graph.eliminate_dead_code()
    return {node: value for node, value in constants.items() if node.users}


_ASSERTIONS = (aten._assert_tensor_metadata.default, aten._assert_scalar.default, aten._assert_async.msg)


def _drop_assertions(graph: Graph) -> None:
    """Static shapes make export's run-time assertions true by construction."""
    for node in list(graph.nodes):
        if node.target in _ASSERTIONS:
            graph.erase_node(node)


def uniform(value: torch.Tensor) -> bool | int | float | None:
    """The one number all elements are equal to, or None."""
    if value.numel() == 0:
        return None
    first = value.flatten()[0]
    return first.item() if bool((value == first).all()) else None


# Binary operations with the uniform second operand that makes them the identity on the first.
_IDENTITY = {aten.add.Tensor: 0, aten.sub.Tensor: 0, aten.mul.Tensor: 1, aten.div.Tensor: 1}


def _simplify(graph: Graph, user: Node, values: dict[Node, torch.Tensor]) -> bool:
    """Drop ``x + 0``, ``x * 1`` and a ``where`` whose condition is uniform; true when ``user`` is gone."""
    kept = _kept_operand(user, values)
    if kept is None or kept.meta["val"].dtype != user.meta["val"].dtype:
        return False
    if kept.meta["val"].shape != user.meta["val"].shape:
        return False
    user.replace_all_uses_with(kept)
    graph.erase_node(user)
    return True


def _kept_operand(user: Node, values: dict[Node, torch.Tensor]) -> Node | None:
    args = user.args
    if user.target is aten.where.self and args[0] in values:
        condition = uniform(values[args[0]])
        kept = None if condition is None else args[1 if condition else 2]
        return kept if isinstance(kept, Node) and kept not in values else None
    neutral = _IDENTITY.get(user.target)
    if neutral is None or user.kwargs or not all(isinstance(arg, Node) for arg in args):
        return None
    left, right = args[0], args[1]
    if right in values and uniform(values[right]) == neutral:
        return left
    commutes = user.target in (aten.add.Tensor, aten.mul.Tensor)
    return right if commutes and left in values and uniform(values[left]) == neutral else None


def _materialise(
    graph: Graph, source: Node, values: dict[Node, torch.Tensor], constants: dict[Node, torch.Tensor]
) -> Node:
    """A node that yields a folded value: a fill, or the placeholder of a constant argument."""
    value = values[source]
    number = uniform(value)
    if number is not None:
        return _fill(graph, source, number)
    if source.op == "placeholder":
        constants[source] = value
        return source
    first_input = next(node for node in graph.nodes if node.op != "placeholder" or node.meta.get("is_input"))
    with graph.inserting_before(first_input):
        placeholder = graph.placeholder(f"constant_{source.name}")
    placeholder.meta = {"val": source.meta["val"], "stack_trace": source.meta.get("stack_trace")}
    constants[placeholder] = value.contiguous()
    values[placeholder] = constants[placeholder]
    source.replace_all_uses_with(placeholder)
    return placeholder


def _fill(graph: Graph, source: Node, number: bool | int | float) -> Node:
    meta: torch.Tensor = source.meta["val"]
    with graph.inserting_after(source if source.op != "placeholder" else _last_placeholder(graph)):
        fill = graph.call_function(aten.full.default, (list(meta.shape), number), {"dtype": meta.dtype})
    fill.meta = {"val": meta, "stack_trace": source.meta.get("stack_trace")}
    return fill


def _last_placeholder(graph: Graph) -> Node:
    return [node for node in graph.nodes if node.op == "placeholder"][-1]
