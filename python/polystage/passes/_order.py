"""Moves nests that only initialise to where their array is first used (mechanism of ``stage``).

Lowering writes initial values and borders far from their use, which makes arrays live longer than they need and
separates what could be a group. A nest that loads nothing may go directly before the first other nest that uses its
array, if no nest that it passes stores or loads an element that it stores.
"""

from collections.abc import Sequence

from torch_mlir import ir

from polystage.analysis.nests import Access, Gather, Nest


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
        main = next((k for k, other in enumerate(own) if other.loads), None)
        if main is None:
            continue
        passed = own[main:at]
        if not any(_meets(nest, other) for other in passed):
            nest.op.move_before(own[main].op)


def _arrays(nest: Nest) -> set[ir.Value]:
    gathered = {node.array for node in nest.nodes if isinstance(node, Gather)}
    return {nest.store.array, *(access.array for access in nest.loads), *gathered}


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
