"""Whether an access stays inside its array, by interval arithmetic and where that is too coarse by enumeration."""

from collections.abc import Sequence
from itertools import product
from math import prod

from torch_mlir import ir

Interval = tuple[int, int]

POINTS = 1 << 20
"""Most iterations that are enumerated."""


def out_of_bounds(access: ir.AffineMap, extents: Sequence[int], shape: Sequence[int]) -> str | None:
    """What is wrong with ``array[access(ivs)]`` where iv k runs from 0 to ``extents[k] - 1``; None if it is inside."""
    box = [(0, extent - 1) for extent in extents]
    for dim, (expr, size) in enumerate(zip(access.results, shape, strict=True)):
        low, high = interval(expr, box)
        if (low < 0 or high >= size) and prod(extents) <= POINTS:
            points = product(*map(range, extents))
            values = [interval(expr, [(x, x) for x in point])[0] for point in points]
            low, high = min(values), max(values)
        if low < 0 or high >= size:
            return f"index {dim} takes values from {low} to {high}, outside of the {size} elements of the array"
    return None


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
