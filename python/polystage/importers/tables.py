"""Gathers whose index tables are constant arithmetic progressions -> slices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.fx import Node

from polystage.importers.emit import emit, replace
from polystage.importers.torch_edge import aten, broadcast, shadow


@dataclass(frozen=True)
class Progression:
    """``table[i] = start + step * i`` along broadcast dimension ``axis`` (None when the table is one number)."""

    start: int
    step: int
    count: int
    axis: int | None


@dataclass(frozen=True)
class Gather:
    """``source`` indexed by one known table for each dimension from ``first`` on."""

    source: Node
    first: int
    tables: tuple[torch.Tensor, ...]


def slice_for_table(user: Node, values: dict[Node, torch.Tensor]) -> bool:
    """Replace ``user``, a gather by known tables, by slices, a reshape and a broadcast; true when done."""
    gather = _as_gather(user, values)
    if gather is None or any(table.dtype == torch.bool for table in gather.tables):
        return False
    box = broadcast(*(table.shape for table in gather.tables))
    if 0 in box:
        return False
    sizes = shadow(gather.source).shape[gather.first :]
    found = [progression(table, size, len(box)) for table, size in zip(gather.tables, sizes, strict=False)]
    plan = [p for p in found if p is not None]
    axes = [p.axis for p in plan if p.axis is not None]
    if len(plan) != len(found) or axes != sorted(set(axes)):
        return False
    _rewrite(user, gather, plan, box)
    return True


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


def _as_gather(user: Node, values: dict[Node, torch.Tensor]) -> Gather | None:
    args: Any = user.args
    if user.target is aten.embedding.default and args[1] in values and args[0] not in values:
        return Gather(args[0], 0, (values[args[1]],))
    if user.target is aten.index_select.default and args[2] in values and args[0] not in values:
        return Gather(args[0], args[1] % shadow(args[0]).dim(), (values[args[2]],))
    if user.target is not aten.index.Tensor or args[0] in values:
        return None
    where = [k for k, index in enumerate(args[1]) if index is not None]
    if not all(args[1][k] in values for k in where) or where != list(range(where[0], where[-1] + 1)):
        return None
    return Gather(args[0], where[0], tuple(values[args[1][k]] for k in where))


def _rewrite(user: Node, gather: Gather, plan: Sequence[Progression], box: Sequence[int]) -> None:
    value = gather.source
    for k, p in enumerate(plan):
        stop = p.start + p.step * (p.count - 1) + 1
        value = emit(user, aten.slice.Tensor, value, gather.first + k, p.start, stop, p.step)
    shape = list(shadow(gather.source).shape)
    varying = {p.axis: p.count for p in plan if p.axis is not None}
    narrow = [varying.get(axis, 1) for axis in range(len(box))]
    head, tail = shape[: gather.first], shape[gather.first + len(plan) :]
    value = emit(user, aten.view.default, value, [*head, *narrow, *tail])
    if list(box) != narrow:
        value = emit(user, aten.expand.default, value, [*head, *box, *tail])
    replace(user, value)
