"""Intervals of integers that depend on the position of two tile loops, and how linear forms carry them.

A *bound* is an integer, or a matrix of integers with one row per position of the outer and one column per position of
the inner tile loop; a matrix with a single row or column does not depend on that loop. An *interval* ``[low, high)``
may be empty at some positions: ``FAR`` as low and ``-FAR`` as high say "nothing here", so that hulls are minima and
maxima.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from polystage.analysis.nests import Linear

Matrix = NDArray[np.int64]
Mask = NDArray[np.bool_]
Bound = int | Matrix

FAR = 1 << 40
"""Farther than any index of an array."""


class Interval(NamedTuple):
    """``[low, high)``; a tuple because millions are made while groups are searched."""

    low: Bound
    high: Bound


@dataclass(frozen=True)
class Form:
    """One index of an access, ``const + sum factor * iv``, over loops of several trips.

    ``least`` and ``most`` are its extreme values over the whole nest, ``stride`` divides every difference. Without
    terms it stands for all values from one to the other.
    """

    const: int
    terms: tuple[tuple[int, int], ...]
    least: int
    most: int
    stride: int

    @classmethod
    def of(cls, index: Linear, extents: Sequence[int]) -> "Form":
        """The form of a nest's index; symbols do not occur."""
        terms = tuple((loop, factor) for loop, factor in enumerate(index.dims) if factor and extents[loop] > 1)
        return cls(index.const, terms, *index.span(extents), gcd(*(factor for _, factor in terms)))

    def may_equal(self, other: "Form") -> bool:
        """Whether the values of two forms may meet."""
        step = gcd(self.stride, other.stride)
        apart = (self.const - other.const) % step if step else self.const != other.const
        return self.least <= other.most and other.least <= self.most and not apart

    def dense(self, extents: Sequence[int]) -> bool:
        """Whether it takes every value from its least to its greatest, each once, in a box of so many iterations."""
        width = 1
        for loop, factor in sorted(self.terms, key=lambda term: abs(term[1])):
            if extents[loop] > 1 and abs(factor) != width:
                return False
            width *= extents[loop]
        return True

    def leading(self, among: frozenset[int] | None = None) -> tuple[int, int] | None:
        """The term with the largest factor, of those whose loops are ``among``; None if there is none."""
        terms = [term for term in self.terms if among is None or term[0] in among]
        return max(terms, key=lambda term: abs(term[1]), default=None)

    def rest(self, loop: int, extents: Sequence[int]) -> tuple[int, int]:
        """Least and greatest value over the whole nest with one loop at zero."""
        factor = next((factor for other, factor in self.terms if other == loop), 0)
        reach = factor * (extents[loop] - 1)
        return self.least - min(reach, 0), self.most - max(reach, 0)

    def image(self, box: Sequence[Interval]) -> Interval:
        """The values over a box of iterations."""
        if not self.terms:
            return Interval(self.least, self.most + 1)
        low: Bound = self.const
        high: Bound = self.const + 1
        for loop, factor in self.terms:
            first, last = box[loop].low * factor, (box[loop].high - 1) * factor
            low = low + (first if factor > 0 else last)
            high = high + (last if factor > 0 else first)
        return Interval(low, high)


def preimage(form: Form, loop: int, extents: Sequence[int], wanted: Interval) -> Interval:
    """Iterations of ``loop`` for which the form may be in ``wanted``, the others being anywhere."""
    low, high = ahead(form, loop, extents, wanted)
    return Interval(clip(low, extents[loop]), clip(high, extents[loop]))


def ahead(form: Form, loop: int, extents: Sequence[int], wanted: Interval) -> Interval:
    """The preimage if iterations of ``loop`` went on before the first one."""
    factor = next(factor for other, factor in form.terms if other == loop)
    least, most = form.rest(loop, extents)
    low, high = wanted
    if factor > 0:
        first, last = -((most - low) // factor), (high - 1 - least) // factor
    else:
        first, last = -((high - 1 - least) // -factor), (most - low) // -factor
    return Interval(first, minimum(last + 1, extents[loop]))


def clip(bound: Bound, extent: int) -> Bound:
    """The bound inside of ``[0, extent]``."""
    return minimum(maximum(bound, 0), extent)


def minimum(a: Bound, b: Bound) -> Bound:
    """The lesser bound at each position."""
    return min(a, b) if isinstance(a, int) and isinstance(b, int) else np.minimum(a, b)


def maximum(a: Bound, b: Bound) -> Bound:
    """The greater bound at each position."""
    return max(a, b) if isinstance(a, int) and isinstance(b, int) else np.maximum(a, b)


def extent(interval: Interval) -> Matrix:
    """The size of an interval, not less than nothing."""
    low, high = interval
    if isinstance(low, int) and isinstance(high, int):
        return _constant(max(0, high - low))
    return np.maximum(high - low, 0)


def grain(interval: Interval, base: Bound) -> int:
    """What divides the distance of its beginning from ``base`` at every position where there is something; 0: none."""
    if isinstance(interval.low, int) and isinstance(interval.high, int) and isinstance(base, int):
        return abs(interval.low - base) if interval.low < interval.high else 0
    low, high, start = np.broadcast_arrays(matrix(interval.low), matrix(interval.high), matrix(base))
    return int(np.gcd.reduce((low - start)[low < high]))


def hull(intervals: Iterable[Interval]) -> Interval:
    """The hull of one interval or more at each position."""
    rest = iter(intervals)
    low, high = next(rest)
    for interval in rest:
        low, high = minimum(low, interval.low), maximum(high, interval.high)
    return Interval(low, high)


def intersection(a: Interval, b: Interval) -> Interval:
    """What two intervals share at each position."""
    return Interval(maximum(a.low, b.low), minimum(a.high, b.high))


def where(mask: Mask, interval: Interval) -> Interval:
    """The interval where the mask holds, elsewhere nothing."""
    return Interval(np.where(mask, interval.low, FAR), np.where(mask, interval.high, -FAR))


def moves(interval: Interval) -> bool:
    """Whether it changes with the inner loop; positions where there is nothing do not count."""
    return _moves(interval.low, FAR) or _moves(interval.high, -FAR)


def _moves(bound: Bound, nothing: int) -> bool:
    if isinstance(bound, int) or bound.shape[1] == 1:
        return False
    first = np.where(bound == nothing, FAR, bound).min(axis=1)
    last = np.where(bound == nothing, -FAR, bound).max(axis=1)
    return bool((first < last).any())


def over_inner(interval: Interval) -> Interval:
    """The hull over the positions of the inner loop; integers where it does not depend on the outer loop either."""
    return Interval(_fold(interval.low, np.minimum), _fold(interval.high, np.maximum))


def _fold(bound: Bound, combine: np.ufunc) -> Bound:
    if isinstance(bound, int):
        return bound
    column: Matrix = combine.reduce(bound, axis=1, keepdims=True)
    first = int(column[0, 0])
    return first if (column == first).all() else column


def over_all(interval: Interval) -> Interval:
    """The hull over all positions."""
    low, high = interval
    return Interval(low if isinstance(low, int) else int(low.min()), high if isinstance(high, int) else int(high.max()))


def matrix(bound: Bound) -> Matrix:
    """The bound as a matrix."""
    return _constant(bound) if isinstance(bound, int) else bound


@lru_cache(maxsize=1 << 14)
def _constant(value: int) -> Matrix:
    """A number as a matrix, which nobody may write to."""
    made = np.full((1, 1), value, np.int64)
    made.flags.writeable = False
    return made


def positions(count: int) -> Matrix:
    """The numbers of the steps."""
    return np.arange(count, dtype=np.int64).reshape(1, count)


def reached(bound: Bound) -> Matrix:
    """The greatest value so far along the inner loop."""
    return np.maximum.accumulate(matrix(bound), axis=1)


def remaining(bound: Bound) -> Matrix:
    """The least value from here on along the inner loop."""
    return np.minimum.accumulate(matrix(bound)[:, ::-1], axis=1)[:, ::-1]


def previous(values: Matrix, first: int) -> Matrix:
    """The value of the step before; ``first`` in the first one."""
    shifted = np.empty_like(values)
    shifted[:, 0] = first
    shifted[:, 1:] = values[:, :-1]
    return shifted
