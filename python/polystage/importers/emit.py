"""Adding operations to an FX graph with their shapes and the source line of what they replace."""

from typing import Any

from torch.fx import Node

from polystage.importers.torch_edge import map_nodes, shadow


def emit(like: Node, target: Any, *args: Any, **kwargs: Any) -> Node:
    """A call in front of ``like`` with its stack trace; the result's shape comes from running ``target`` on shapes."""
    with like.graph.inserting_before(like):
        node = like.graph.call_function(target, args, kwargs)
    shapes = map_nodes(shadow, (args, kwargs))
    node.meta = {"val": target(*shapes[0], **shapes[1]), "stack_trace": like.meta.get("stack_trace")}
    return node


def replace(old: Node, new: Node) -> None:
    """Put ``new`` in the place of ``old`` and erase ``old``."""
    old.replace_all_uses_with(new)
    old.graph.erase_node(old)
