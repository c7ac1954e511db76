"""What a sweep does at each position, and equal positions as loops (mechanism of ``stage``).

A *place* is the list of actions at one position. Consecutive places with the same actions whose starts differ by one
constant vector are a *run*, which is written as one ``affine.for``.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from torch_mlir import ir

from polystage.passes._staging import Form


@dataclass(frozen=True)
class Action:
    """One thing to do: ``kind`` and ``key`` say what, ``extents`` how much, ``starts`` where it begins."""

    kind: str
    key: Hashable
    extents: tuple[int, ...] = ()
    starts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Place:
    """Actions in order, or for a whole sweep also the runs of its steps: equal ``shape`` means equal but for starts."""

    shape: Hashable
    starts: tuple[int, ...]

    @classmethod
    def of(cls, actions: Sequence[Action]) -> "Place":
        """The place where these actions happen."""
        shape = tuple((action.kind, action.key, action.extents, len(action.starts)) for action in actions)
        return cls(shape, tuple(start for action in actions for start in action.starts))


@dataclass(frozen=True)
class Run:
    """``count`` places, the first ``first``, the starts of each next one ``delta`` further."""

    first: Place
    count: int
    delta: tuple[int, ...]

    @cached_property
    def shape(self) -> Hashable:
        """Equal for runs that differ only in where they begin."""
        return self.first.shape, self.count, self.delta if self.count > 1 else ()


def compress(places: Sequence[Place], loops: Callable[[Run], bool] = lambda run: True) -> Iterator[Run]:
    """Maximal runs, in order; those that ``loops`` refuses are taken apart."""
    for run in _runs(places):
        if run.count == 1 or loops(run):
            yield run
        else:
            for k in range(run.count):
                starts = tuple(start + k * step for start, step in zip(run.first.starts, run.delta, strict=True))
                yield Run(Place(run.first.shape, starts), 1, (0,) * len(starts))


def _runs(places: Sequence[Place]) -> Iterator[Run]:
    at = 0
    while at < len(places):
        first, count = places[at], 1
        delta = (0,) * len(first.starts)
        if at + 1 < len(places) and places[at + 1].shape == first.shape:
            delta = _difference(places[at + 1], first)
            while at + count < len(places) and _continues(places[at + count - 1], places[at + count], delta):
                count += 1
        yield Run(first, count, delta)
        at += count


def _continues(before: Place, place: Place, delta: tuple[int, ...]) -> bool:
    return place.shape == before.shape and _difference(place, before) == delta


def _difference(a: Place, b: Place) -> tuple[int, ...]:
    return tuple(x - y for x, y in zip(a.starts, b.starts, strict=True))


@dataclass(frozen=True)
class Start:
    """``const`` and a multiple of each induction variable around."""

    const: int
    factors: tuple[int, ...] = ()

    def form(self, ivs: Sequence[ir.Value]) -> Form:
        """As a form under construction over the induction variables."""
        form = Form(self.const)
        for iv, factor in zip(ivs, self.factors, strict=False):
            form.add(iv, factor)
        return form

    def inside(self, factor: int) -> "Start":
        """Inside of one more loop."""
        return Start(self.const, (*self.factors, factor))
