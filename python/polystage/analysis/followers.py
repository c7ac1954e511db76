"""Followers: side nests, which run as far as what they read is there.

A side nest is not needed by the sink. It reads arrays whose windows move on as the sink needs them, and takes in each
step the iterations all of whose operands are there by then. If its operands move on along different loops of it, or
along none, it runs as a whole in the last step of the sweep.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from polystage.analysis.intervals import (
    FAR,
    Form,
    Interval,
    Mask,
    Matrix,
    clip,
    matrix,
    minimum,
    over_inner,
    positions,
    previous,
    reached,
)
from polystage.analysis.swept_nests import Box, Footprint, Level, Reference, SweptNest, together
from polystage.analysis.windows import ready


@dataclass(frozen=True)
class Source:
    """What a follower reads: ``reference``, and nests already placed that write it, or if none does that refer to it.

    ``writers`` are those nests with their boxes, ``footprints`` what they write or refer to.
    """

    reference: Reference
    writers: tuple[tuple[SweptNest, Box], ...]
    footprints: tuple[Footprint, ...]

    @property
    def parts(self) -> tuple[object, ...]:
        """All that it is made of."""
        return (self.reference, *(part for writer in self.writers for part in writer), *self.footprints)


def follow(nest: SweptNest, sources: Iterable[Source], steps: int) -> Box | None:
    """The box of a side nest; None if nothing that it reads moves, or that with the sweeps along several loops."""
    ahead: dict[int, Matrix] = {}
    across: dict[int, Matrix] = {}
    moves = at_once = False
    for source in sources:
        dims, moving = together(source.footprints)
        if max(footprint.level for footprint in source.footprints) == Level.STEP and (moving or source.writers):
            moves = True
            at_once |= len(moving) != 1 or not _bound(nest, source, moving[0], _there(source, dims, moving[0]), ahead)
        for d, interval in enumerate(dims):
            if d not in moving:
                high = reached(matrix(over_inner(interval).high).T)
                if (high != high[:, -1:]).any():
                    _bound(nest, source, d, _last(high).T, across)
    if len(across) > 1 or not (moves or across):
        return None
    at_once |= len(ahead) > 1 or not ahead.keys().isdisjoint(across)
    return _box(nest, {} if at_once else ahead, across, steps, moves=moves)


def _there(source: Source, dims: Sequence[Interval], dim: int) -> Matrix:
    """The element along a dimension up to which all is there in each step."""
    if not source.writers:
        return _last(reached(dims[dim].high))
    there = np.full((1, 1), FAR, np.int64)
    for nest, box in source.writers:
        there = np.minimum(there, ready(nest, box, dim))
    return there


def _last(high: Matrix) -> Matrix:
    """A bound that ends nothing from where it does not rise any more."""
    return np.where(high == high[:, -1:], FAR, high)


def _bound(nest: SweptNest, source: Source, dim: int, there: Matrix, loops: dict[int, Matrix]) -> bool:
    """Bound the loop of the nest that follows a dimension; false if none does."""
    form: Form = source.reference.forms[dim]
    leading = form.leading(nest.nest.parallel)
    if leading is None or leading[1] < 0:
        return False
    loop, factor = leading
    most = form.rest(loop, nest.extents)[1]
    high = clip((there - 1 - most) // factor + 1, nest.extents[loop])
    loops[loop] = matrix(minimum(loops[loop], high) if loop in loops else high)
    return True


def _box(nest: SweptNest, ahead: dict[int, Matrix], across: dict[int, Matrix], steps: int, *, moves: bool) -> Box:
    """Iterations up to the bounds of ``ahead`` in each step, of ``across`` in each sweep, and not in one before."""
    loops = [Interval(0, extent) for extent in nest.extents]
    for loop, bound in across.items():
        high = reached(bound.T).T.copy()
        high[-1] = nest.extents[loop]
        loops[loop] = Interval(previous(high.T, 0).T, high)
    active: Mask = np.ones((1, 1), np.bool_)
    slides: int | None = None
    for loop, bound in ahead.items():
        high = np.broadcast_to(reached(bound), (len(bound), steps)).copy()
        high[:, -1] = nest.extents[loop]
        loops[loop] = Interval(previous(high, 0), high)
        slides = loop
    if moves and not ahead:
        active = positions(steps) == steps - 1
    for low, high in loops:
        active = active & (matrix(low) < matrix(high))
    level = Level.STEP if moves else Level.OUTER
    return Box(level, tuple(loops), None if active.all() else active, slides)
