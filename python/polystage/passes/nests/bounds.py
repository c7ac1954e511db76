"""Whether an access stays inside its array, by interval arithmetic and where that is too coarse by enumeration."""

from collections.abc import Sequence
from itertools import product
from math import prod

from torch_mlir import ir

Interval = tuple[int, int]

POINTS = 1 << 16
"""Most values that are enumerated for one index."""


def out_of_bounds(access: ir.AffineMap, extents: Sequence[int], shape: Sequence[int]) -> str | None:
    """What is wrong with ``array[access(ivs)]`` where iv k runs from 0 to ``extents[k] - 1``; None if it is inside."""
    box = [(0, extent - 1) for extent in extents]
    for dim, (expr, size) in enumerate(zip(access.results, shape, strict=True)):
        low, high = interval(expr, box)
        if low < 0 or high >= size:
            low, high = _enumerated(expr, extents) or (low, high)
        if low < 0 or high >= size:
            return f"index {dim} takes values from {low} to {high}, outside of the {size} elements of the array"
    return None


def _enumerated(expr: ir.AffineExpr, extents: Sequence[int]) -> Interval | None:
    """The least and the greatest value of ``expr``; None if it has too many arguments."""
    used = [ir.AffineExpr.get_dim(dim) for dim in range(len(extents))]
    sizes = [extent if _occurs(dim, expr) else 1 for dim, extent in zip(used, extents, strict=True)]
    if prod(sizes) > POINTS:
        return None
    values = [interval(expr, [(x, x) for x in point])[0] for point in product(*map(range, sizes))]
    return min(values), max(values)


def _occurs(dim: ir.AffineExpr, expr: ir.AffineExpr) -> bool:
    if isinstance(expr, ir.AffineBinaryExpr):
        return _occurs(dim, expr.lhs) or _occurs(dim, expr.rhs)
    return expr == dim


def interval(expr: ir.AffineExpr, box: Sequence[Interval]) -> Interval:
    """Bounds of ``expr``, which has no symbols, for dims in ``box``; exact at a single point."""
    if isinstance(expr, ir.AffineConstantExpr):
        return expr.value, expr.value
    if isinstance(expr, ir.AffineDimExpr):
        return box[expr.position]
    assert isinstance(expr, ir.AffineBinaryExpr)
    a, b = interval(expr.lhs, box), interval(expr.rhs, box)
    if isinstance(expr, ir.AffineAddExpr):
        return a[0] + b[0], a[1] + b[1]
    if isinstance(expr, ir.AffineMulExpr):
        corners = [x * y for x in a for y in b]
        return min(corners), max(corners)
    by = b[0]
    if isinstance(expr, ir.AffineModExpr):
        return (a[0] % by, a[1] % by) if a[0] // by == a[1] // by else (0, by - 1)
    if isinstance(expr, ir.AffineFloorDivExpr):
        return a[0] // by, a[1] // by
    return -(-a[0] // by), -(-a[1] // by)
