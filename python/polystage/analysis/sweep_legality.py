"""Whether a sweep computes what the nests compute one after the other.

Within a sweep every element is written in program order, and read after it was written, because a nest takes the
preimage of all that later nests refer to. What may go wrong is asked here: a nest that runs before the loops needs what
is made in them, and sweeps that do again what must not be done twice, or only in part.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from polystage.analysis.groups import Group, Refused
from polystage.analysis.intervals import Mask, matrix, maximum, minimum, over_inner
from polystage.analysis.swept_nests import Box, Footprint, Level, Reference
from polystage.analysis.values import array_name

FootprintOf = Callable[[int, Reference], Footprint]


def problem_of(group: Group, boxes: Sequence[Box], footprint: FootprintOf, sweeps: int) -> Refused | None:
    """The first reason not to execute a group in these boxes, or None."""
    problems = _untimely(group, boxes)
    if sweeps == 1:
        return next(problems, None)
    return next(problems, None) or next(_spoiled(group, boxes, footprint), None)


def _untimely(group: Group, boxes: Sequence[Box]) -> Iterator[Refused]:
    """Nests that run before what they use, or may write an element before an earlier nest does."""
    for writer, uses in enumerate(group.uses):
        name = array_name(group.nests[writer].store.array)
        for user, reference in uses:
            later = group.nests[user]
            if boxes[writer].level > boxes[user].level:
                yield Refused(user, f"{later.whole or 'runs too early'}, and '{name}' is made tile by tile")
            blind = reference == later.store and not later.accumulates and group.nests[writer].reads
            if blind and user not in group.main and boxes[writer].level > Level.BEFORE:
                yield Refused(user, f"writes over elements of '{name}' that the sink does not wait for")


def _spoiled(group: Group, boxes: Sequence[Box], footprint: FootprintOf) -> Iterator[Refused]:
    """Nests that would add again, lack what an earlier sweep made, or leave elements half made."""
    for number, nest in enumerate(group.nests):
        if nest.accumulates and number != group.sink and _repeats(boxes[number]):
            first = [
                k for k in group.writers[nest.store.array] if k < number and nest.store.meets(group.nests[k].store)
            ]
            if not first or any(boxes[k].level == Level.BEFORE for k in first):
                yield Refused(number, f"would add to '{array_name(nest.store.array)}' again in every sweep")
    for writer, uses in enumerate(group.uses):
        nest = group.nests[writer]
        if boxes[writer].level == Level.BEFORE:
            continue
        written, name = footprint(writer, nest.store), array_name(nest.store.array)
        for user, reference in uses:
            used = footprint(user, reference)
            if user not in group.main and not _within(used, written, nest.store):
                yield Refused(user, f"uses elements of '{name}' that another sweep makes")
            overwrites = reference == group.nests[user].store and nest.store.array in group.live_out
            if overwrites and not _within(written, used, reference):
                yield Refused(user, f"would leave elements of '{name}' half made in a later sweep")


def _repeats(box: Box) -> bool:
    """Whether some iterations of a nest run in several sweeps."""
    if box.level == Level.BEFORE:
        return False
    for interval in box.loops:
        low, high = (matrix(bound) for bound in over_inner(interval))
        if len(low) == len(high) > 1 and (high[:-1] <= low[1:]).all():
            return False
    return True


def _within(part: Footprint, whole: Footprint, reference: Reference) -> bool:
    """Whether in every sweep what ``part`` shares with all that ``reference`` names lies in ``whole``."""
    shared: Mask = np.ones((1, 1), np.bool_)
    outside: Mask = np.zeros((1, 1), np.bool_)
    for d, form in enumerate(reference.forms):
        low, high = over_inner(part.dim(d, by_steps=True))
        low, high = matrix(maximum(low, form.least)), matrix(minimum(high, form.most + 1))
        first, last = over_inner(whole.dim(d, by_steps=True))
        shared = shared & (low < high)
        outside = outside | (low < first) | (high > last)
    return not (shared & outside).any()
