"""Small rewrites of the exported graph before it is folded and imported."""

from typing import Any

from torch.fx import Graph, Node

from polystage.importers.torch_edge import aten, shadow

_ASSERTIONS = (aten._assert_tensor_metadata.default, aten._assert_scalar.default, aten._assert_async.msg)
_SCATTERS = (aten.scatter.src, aten.scatter.value, aten.scatter_add.default, aten.scatter_reduce.two)


def normalise(graph: Graph) -> None:
    """Drop assertions and count scatter dimensions from the front."""
    for node in list(graph.nodes):
        if node.target in _ASSERTIONS:
            graph.erase_node(node)  # static shapes make them true by construction
        elif node.target in _SCATTERS:
            _positive_dim(node)  # torch-mlir aborts the process on a negative one


def _positive_dim(node: Node) -> None:
    dim: Any = node.args[1]
    node.update_arg(1, dim % shadow(node).dim())
