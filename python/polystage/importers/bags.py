"""Embedding bags of one fixed size -> an embedding and a reduction."""

import operator

import torch
from torch.fx import Node

from polystage.importers.emit import emit, replace
from polystage.importers.precision import NARROW
from polystage.importers.torch_edge import arguments, aten, prims, shadow

_BAGS = (aten._embedding_bag.default, aten._embedding_bag_forward_only.default)
_SUM, _MEAN, _MAX = range(3)


def expand_bag(bag: Node, values: dict[Node, torch.Tensor]) -> bool:
    """Rewrite ``bag`` when its offsets are known and equally spaced; true when done."""
    if bag.target not in _BAGS:
        return False
    given = arguments(bag)
    indices: Node = given["indices"]
    size = _bag_size(
        values.get(given["offsets"]), shadow(indices).numel(), bool(given.get("include_last_offset", False))
    )
    results = [user for user in bag.users if user.target is operator.getitem]
    if size is None or given.get("padding_idx", -1) >= 0 or any(user.args[1] != 0 for user in results):
        return False
    rows = emit(bag, aten.embedding.default, given["weight"], emit(bag, aten.view.default, indices, [-1, size]))
    if given.get("per_sample_weights") is not None:
        column = emit(bag, aten.view.default, given["per_sample_weights"], [-1, size, 1])
        rows = emit(bag, aten.mul.Tensor, rows, column)
    out = _reduce(bag, rows, given.get("mode", _SUM), size)
    for user in results:
        replace(user, out)
    bag.graph.erase_node(bag)
    return True


def _bag_size(offsets: torch.Tensor | None, total: int, include_last: bool) -> int | None:
    if offsets is None:
        return None
    ends = offsets if include_last else torch.cat((offsets, torch.tensor([total], dtype=offsets.dtype)))
    sizes = ends.diff()
    if ends[0] != 0 or ends[-1] != total or len(sizes) == 0 or not bool((sizes == sizes[0]).all()):
        return None
    return int(sizes[0]) or None


def _reduce(bag: Node, rows: Node, mode: int, size: int) -> Node:
    if mode == _MAX:
        return emit(bag, aten.amax.default, rows, [1])
    dtype = shadow(rows).dtype
    total = emit(bag, aten.sum.dim_IntList, rows, [1], dtype=torch.float32 if dtype in NARROW else dtype)
    if mode == _MEAN:
        total = emit(bag, aten.div.Tensor, total, float(size))
    return emit(bag, prims.convert_element_type.default, total, dtype) if dtype in NARROW else total
