"""Preimages: the iterations of a nest that make what later nests of its group need.

What is needed may move on with the steps along one dimension; along the others it is fixed during a sweep. A nest that
has to execute all its iterations takes in each step what is jumped over, and in the last one the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from polystage.analysis.intervals import (
    FAR,
    Form,
    Interval,
    Mask,
    ahead,
    intersection,
    matrix,
    maximum,
    over_all,
    over_inner,
    preimage,
    previous,
    reached,
    remaining,
)
from polystage.analysis.swept_nests import Box, Footprint, Level, SweptNest, together


@dataclass(frozen=True)
class Made:
    """``executed``: the iterations that run; ``asked``: those whose operands are wanted, early ones included."""

    executed: Box
    asked: Box


def made(nest: SweptNest, footprints: Sequence[Footprint], *, complete: bool, fill: int) -> Made:
    """The iterations of a nest that make what is needed; all before the loops if it is not known what that is.

    ``complete``: it executes all its iterations. ``fill``: steps before the first tile.
    """
    if not footprints:
        return Made(nest.whole_box, nest.whole_box)
    level = min(footprint.level for footprint in footprints)
    dims, moving = together(footprints)
    sliding = moving[0] if level == Level.STEP and len(moving) == 1 and _can_slide(nest, moving[0]) else None
    fixed = {d: over_inner(interval) for d, interval in enumerate(dims) if d != sliding}
    if level == Level.BEFORE:
        fixed = {d: over_all(interval) for d, interval in fixed.items()}
    if complete:
        if sum(not _is_fixed(interval) for interval in fixed.values()) > 1:
            return Made(nest.whole_box, nest.whole_box)
        fixed = {d: _completed(interval) for d, interval in fixed.items()}
    restriction = _Restriction(nest)
    for d, interval in fixed.items():
        restriction.fix(d, interval)
    if sliding is None:
        box = restriction.box(Level.BEFORE if all(map(_is_fixed, fixed.values())) else Level.OUTER)
        return Made(box, box)
    restriction.slide(sliding, _advance(dims[sliding], complete=complete))
    box = restriction.box(Level.STEP)
    return Made(box, restriction.virtual(box) if fill else box)


class _Restriction:
    """The box of a nest under construction: its loops are cut to what stores the wanted elements."""

    def __init__(self, nest: SweptNest) -> None:
        self.nest = nest
        self.loops = [Interval(0, extent) for extent in nest.extents]
        self.masks: list[Mask] = []
        self.slides: int | None = None
        self.asked: Interval | None = None
        self.given = 0

    def fix(self, dim: int, wanted: Interval) -> None:
        """Keep what stores elements of an interval that does not change during a sweep."""
        form = self.nest.store.forms[dim]
        leading = form.leading()
        if leading is None:
            self._only(form, wanted)
            return
        loop = leading[0]
        self.loops[loop] = intersection(self.loops[loop], preimage(form, loop, self.nest.extents, wanted))

    def slide(self, dim: int, wanted: Interval) -> None:
        """Keep what stores elements of an interval that moves on, and was not executed in an earlier step."""
        form = self.nest.store.forms[dim]
        leading = form.leading()
        if leading is None:
            self._only(form, wanted)
            return
        loop = leading[0]
        low, high = preimage(form, loop, self.nest.extents, wanted)
        executed = previous(matrix(high), 0)
        self.loops[loop] = Interval(maximum(low, executed), high)  # no other dimension restricts it: _can_slide
        self.slides = loop
        self.asked = _paced(ahead(form, loop, self.nest.extents, wanted))

    def virtual(self, real: Box) -> Box:
        """The box as it would be if iterations went on before the first one: what is wanted of operands early."""
        if self.slides is None or self.asked is None:
            return real
        loops = list(real.loops)
        loops[self.slides] = self.asked
        active: Mask | None = None
        for mask in self.masks[: self.given]:
            active = mask if active is None else active & mask
        return replace(real, loops=tuple(loops), active=active)

    def box(self, level: Level) -> Box:
        """The box, active where no interval is empty."""
        self.given = len(self.masks)
        for low, high in self.loops:
            if not (isinstance(low, int) and isinstance(high, int) and low < high):
                self.masks.append(matrix(low) < matrix(high))
        active: Mask | None = None
        for mask in self.masks:
            active = mask if active is None else active & mask
        if active is not None and active.all():
            active = None
        return Box(level, tuple(self.loops), active, self.slides)

    def _only(self, form: Form, wanted: Interval) -> None:
        if not (
            isinstance(wanted.low, int) and isinstance(wanted.high, int) and wanted.low <= form.least < wanted.high
        ):
            self.masks.append((matrix(wanted.low) <= form.least) & (form.least < matrix(wanted.high)))


def _paced(asked: Interval) -> Interval:
    """An interval that moves on, each part beyond the one before.

    The first one is as long as the second, but begins no later than the iterations do.
    """
    high = matrix(asked.high)
    first = np.minimum(2 * high[:, :1] - high[:, 1:2] if high.shape[1] > 1 else high[:, :1] - 1, 0)
    before = np.concatenate([first, high[:, :-1]], axis=1)
    return Interval(maximum(asked.low, before), high)


def _can_slide(nest: SweptNest, dim: int) -> bool:
    """Whether the store moves on with the window along that dimension, and along no other."""
    leading = nest.store.forms[dim].leading()
    if leading is None:
        return True
    loop, factor = leading
    return factor > 0 and sum(loop == other for form in nest.store.forms for other, _ in form.terms) == 1


def _is_fixed(interval: Interval) -> bool:
    return isinstance(interval.low, int) and isinstance(interval.high, int)


def _advance(needed: Interval, *, complete: bool) -> Interval:
    """What is new in each step; if all has to be made, also what is jumped over and what is left in the end."""
    high = reached(needed.high)
    low = previous(high, -FAR)
    if complete:
        high = high.copy()
        high[:, -1] = FAR
        return Interval(low, high)
    return Interval(np.maximum(low, remaining(needed.low)), high)


def _completed(needed: Interval) -> Interval:
    """A need by sweeps, with what is jumped over and what is left in the end."""
    if _is_fixed(needed):
        return Interval(-FAR, FAR)
    low, high = matrix(needed.low), matrix(needed.high).copy()
    high = np.broadcast_to(high, (max(len(low), len(high)), 1)).copy()
    before = np.maximum.accumulate(np.vstack(([[-FAR]], high[:-1])), axis=0)
    high[-1] = FAR
    return Interval(np.minimum(low, before), high)
