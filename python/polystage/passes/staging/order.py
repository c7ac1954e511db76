"""Moves nests to where less is live between them (mechanism of ``stage``).

Lowering writes initial values and borders far from their use, which makes arrays live longer than they need and
separates what could be a group. A nest that loads nothing may go directly before the first other nest that uses its
array, or its part of one with a seam, if no nest that it passes stores or loads an element that it stores.

A nest that ends the lives of arrays larger than the one it begins, as one that rounds sums does, goes directly behind
the last nest whose work it needs.
"""

from collections.abc import Mapping, Sequence
from math import prod

from torch_mlir import ir

from polystage.analysis.nests import Access, Gather, Nest
from polystage.analysis.values import producer
from polystage.dialects.npu import element_bytes
from polystage.passes.nests.seams import Seam, seam_of


def cluster_initialisations(nests: Sequence[Nest]) -> None:
    """Reorder the nests of one block in place."""
    users: dict[ir.Value, list[Nest]] = {}
    for nest in nests:
        for array in _arrays(nest):
            users.setdefault(array, []).append(nest)
    for nest in nests:
        if _arrays(nest) != {nest.store.array} or nest.loads or nest.store.indirect:
            continue
        own = users[nest.store.array]
        at = own.index(nest)
        seam = seam_of(nest.store.array, own)
        main = next((k for k, other in enumerate(own) if other.loads and _shares(seam, nest, other)), None)
        if main is None:
            continue
        passed = own[main:at] or [other for other in own[at + 1 : main] if other.loads]
        if not any(_meets(nest, other) for other in passed):
            nest.op.move_before(own[main].op)


def advance_last_uses(nests: Sequence[Nest]) -> None:
    """Reorder the nests of one block, given in program order, in place."""
    order = list(nests)
    users: dict[ir.Value, list[Nest]] = {}
    for nest in nests:
        for array in _arrays(nest):
            users.setdefault(array, []).append(nest)
    at = {nest.op: k for k, nest in enumerate(order)}
    for nest in nests:
        own, here = nest.store.array, at[nest.op]
        read = _arrays(nest) - {own}
        needed = [*users[own], *(other for array in read for other in users[array] if other.store.array == array)]
        behind = max((at[other.op] for other in needed if at[other.op] < here), default=here)
        ended = [each for each in read if producer(each) is not None and _last_use(users[each], nest, at) <= behind]
        if behind < here - 1 and sum(map(_bytes, ended)) > _bytes(own):
            alloc = producer(own)
            if alloc is not None and min(at[other.op] for other in users[own]) == here:
                alloc.move_after(order[behind].op)
                nest.op.move_after(alloc)
            else:
                nest.op.move_after(order[behind].op)
            order.insert(behind + 1, order.pop(here))
            at = {each.op: k for k, each in enumerate(order)}


def _last_use(users: Sequence[Nest], but: Nest, at: Mapping[ir.Operation, int]) -> int:
    """The position of the last nest that uses an array besides one."""
    return max((at[other.op] for other in users if other is not but), default=-1)


def _bytes(array: ir.Value) -> int:
    type_ = ir.MemRefType(array.type)
    return prod(type_.shape) * element_bytes(type_.element_type)


def _arrays(nest: Nest) -> set[ir.Value]:
    gathered = {node.array for node in nest.nodes if isinstance(node, Gather)}
    return {nest.store.array, *(access.array for access in nest.loads), *gathered}


def _shares(seam: Seam | None, fill: Nest, other: Nest) -> bool:
    """Whether another nest uses the part of the array that the fill is in."""
    array = fill.store.array
    if seam is None or other.store.indirect or any(isinstance(node, Gather) for node in other.nodes):
        return True
    low, high = fill.store.access.indices[seam.dim].span(fill.extents)
    touched = [access for access in (*other.loads, other.store.access) if access.array == array]
    spans = [access.indices[seam.dim].span(other.extents) for access in touched]
    return any(least <= high and low <= most for least, most in spans)


def _meets(fill: Nest, other: Nest) -> bool:
    """Whether another nest may touch an element that the fill stores."""
    array = fill.store.array
    if other.store.indirect or any(isinstance(node, Gather) and node.array == array for node in other.nodes):
        return True
    touched = [access for access in (*other.loads, other.store.access) if access.array == array]
    return any(not _apart(fill.store.access, fill, access, other) for access in touched)


def _apart(a: Access, nest: Nest, b: Access, other: Nest) -> bool:
    """Whether the ranges of two accesses do not meet along some dimension."""
    pairs = zip(a.indices, b.indices, strict=True)
    spans = ((x.span(nest.extents), y.span(other.extents)) for x, y in pairs)
    return any(high < least or greatest < low for (low, high), (least, greatest) in spans)
