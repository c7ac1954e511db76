"""Gathers whose index tables are constant arithmetic progressions -> slices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.fx import Graph, Node

aten = torch.ops.aten


@dataclass(frozen=True)
class Progression:
    """``table[i] = start + step * i`` along broadcast dimension ``axis`` (None when the table is one number)."""

    start: int
    step: int
    count: int
    axis: int | None


def progression(table: torch.Tensor, size: int, rank: int) -> Progression | None:
    """The progression a table (broadcast to ``rank`` dims) is, indices counted from the end made positive."""
    table = torch.where(table < 0, table + size, table)
    axes = [axis for axis in range(table.dim()) if not _constant_along(table, axis)]
    if len(axes) > 1:
        return None
    if not axes:
        return Progression(int(table.flatten()[0]), 1, 1, None)
    axis = axes[0]
    line = table.movedim(axis, 0).reshape(table.shape[axis], -1)[:, 0]
    step = int(line[1] - line[0])
    if step <= 0 or not bool((line.diff() == step).all()):
        return None
    return Progression(int(line[0]), step, line.numel(), rank - table.dim() + axis)


def _constant_along(table: torch.Tensor, axis: int) -> bool:
    return bool((table == table.narrow(axis, 0, 1)).all())


def slice_for_table(graph: Graph, user: Node, values: dict[Node, torch.Tensor]) -> bool:
    """Replace ``user``, a gather by known tables, by slices, a reshape and a broadcast; true when done."""
    gather = _as_gather(user, values)
    if gather is None:
        return False
    source, first, tables = gather
    shape = source.meta["val"].shape
    box = torch.broadcast_shapes(*(table.shape for table in tables))
    if 0 in box or any(table.dtype == torch.bool for table in tables):
        return False
    found = [progression(table, shape[first + k], len(box)) for k, table in enumerate(tables)]
    plan = [p for p in found if p is not None]
    axes = [p.axis for p in plan if p.axis is not None]
    if len(plan) != len(found) or axes != sorted(set(axes)):
        return False
    _rewrite(graph, user, source, first, plan, box)
    return True


def _as_gather(user: Node, values: dict[Node, torch.Tensor]) -> tuple[Node, int, list[torch.Tensor]] | None:
    """(source, first indexed dimension, tables of consecutive dimensions) of a gather by known tables."""
    args = user.args
    if user.target is aten.embedding.default and args[1] in values and args[0] not in values:
        return args[0], 0, [values[args[1]]]
    if user.target is aten.index_select.default and args[2] in values and args[0] not in values:
        return args[0], args[1] % args[0].meta["val"].dim(), [values[args[2]]]
    if user.target is not aten.index.Tensor or args[0] in values:
        return None
    where = [k for k, index in enumerate(args[1]) if index is not None]
    if not all(args[1][k] in values for k in where) or where != list(range(where[0], where[-1] + 1)):
        return None
    return args[0], where[0], [values[args[1][k]] for k in where]


def _rewrite(
    graph: Graph, user: Node, source: Node, first: int, plan: Sequence[Progression], box: Sequence[int]
) -> None:
    def call(target: Any, *args: Any) -> Node:
        node = graph.call_function(target, args)
        operands = torch.fx.map_arg(args, lambda n: n.meta["val"])
        node.meta = {"val": target(*operands), "stack_trace": user.meta.get("stack_trace")}
        return node

    with graph.inserting_before(user):
        value = source
        for k, p in enumerate(plan):
            stop = p.start + p.step * (p.count - 1) + 1
            value = call(aten.slice.Tensor, value, first + k, p.start, stop, p.step)
        shape = list(source.meta["val"].shape)
        varying = {p.axis: p.count for p in plan if p.axis is not None}
        narrow = [varying.get(axis, 1) for axis in range(len(box))]
        head, tail = shape[:first], shape[first + len(plan) :]
        value = call(aten.view.default, value, [*head, *narrow, *tail])
        if list(box) != narrow:
            value = call(aten.expand.default, value, [*head, *box, *tail])
    user.replace_all_uses_with(value)
    graph.erase_node(user)
