"""What a sweep does at each position, and equal positions as loops (mechanism of ``stage``).

A *place* is the actions at one position. Consecutive places with the same actions whose starts differ by one constant
vector are a *run*, which is written as one ``affine.for``; so are places that come again in the same order.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from torch_mlir import ir

from polystage.passes.staging.slices import Slice
from polystage.passes.staging.tiled_nests import Form

MAX_PERIOD = 32  # steps after which others are like them

S = TypeVar("S", bound=Hashable)
T = TypeVar("T")


@dataclass(frozen=True)
class Alloc:
    """The window of an array gets memory."""

    array: ir.Value


@dataclass(frozen=True)
class Base:
    """The window of an array begins at the starts."""

    array: ir.Value


@dataclass(frozen=True)
class Keep:
    """The last ``count`` elements of a window move to its beginning, ``distance`` down."""

    array: ir.Value
    count: int
    distance: int


@dataclass(frozen=True)
class Transfer:
    """A box of an array comes into its window (``load``), or goes out of it; from or to a slice or DRAM."""

    array: ir.Value
    extents: tuple[int, ...]
    load: bool
    slice: Slice | None = None


@dataclass(frozen=True)
class Fill:
    """A box of the border of an array is written in its window."""

    array: ir.Value
    extents: tuple[int, ...]


@dataclass(frozen=True)
class Compute:
    """Nest ``number`` of the group runs over a box, of some windows on the ``rest`` that is not in PSUM."""

    number: int
    extents: tuple[int, ...]
    rest: frozenset[ir.Value] = frozenset()


Kind = Alloc | Base | Keep | Transfer | Fill | Compute


@dataclass(frozen=True)
class Action:
    """One thing to do, and where it begins along each loop or dimension of its box; without a box nowhere."""

    kind: Kind
    starts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Shape:
    """Actions in order but for where they begin: each with the number of its starts."""

    actions: tuple[tuple[Kind, int], ...]

    @property
    def count(self) -> int:
        """Starts of all actions."""
        return sum(count for _, count in self.actions)

    def shared(self, starts: Sequence[T]) -> Iterator[tuple[Kind, Sequence[T]]]:
        """Each action with its own of the starts."""
        kinds = [kind for kind, _ in self.actions]
        return zip(kinds, shares([count for _, count in self.actions], starts), strict=True)


@dataclass(frozen=True)
class Repeat:
    """The steps of a run but for where they begin: ``count`` times ``shape``, ``delta`` further each time."""

    shape: Shape
    count: int
    delta: tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """A whole sweep but for where things begin: what is done before, the runs of its steps, what is done after."""

    before: Shape
    repeats: tuple[Repeat, ...]
    after: Shape

    def shared(self, starts: Sequence[T]) -> Iterator[tuple[Shape, Sequence[T]]]:
        """What is done before, in the first step of each run, and after, with its own of the starts."""
        parts = [self.before, *(repeat.shape for repeat in self.repeats), self.after]
        return zip(parts, shares([part.count for part in parts], starts), strict=True)


@dataclass(frozen=True)
class Place(Generic[S]):
    """Actions at a step, or of a whole sweep: equal ``shape`` means equal but for starts."""

    shape: S
    starts: tuple[int, ...]


def place_of(actions: Iterable[Action]) -> Place[Shape]:
    """The place where these actions happen."""
    every = list(actions)
    shape = Shape(tuple((action.kind, len(action.starts)) for action in every))
    return Place(shape, tuple(start for action in every for start in action.starts))


@dataclass(frozen=True)
class Run(Generic[S]):
    """``count`` places, the first ``first``, the starts of each next one ``delta`` further."""

    first: Place[S]
    count: int
    delta: tuple[int, ...]


def shares(sizes: Iterable[int], values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Consecutive parts of ``values`` of these sizes."""
    at = 0
    for size in sizes:
        yield values[at : at + size]
        at += size


def joined(places: Sequence[Place[Shape]]) -> Place[Shape]:
    """Several steps one after another as one place."""
    actions = tuple(action for place in places for action in place.shape.actions)
    return Place(Shape(actions), tuple(start for place in places for start in place.starts))


def compress(
    places: Sequence[Place[S]],
    loops: Callable[[Run[S]], bool],
    join: Callable[[Sequence[Place[S]]], Place[S]] | None = None,
) -> Iterator[Run[S]]:
    """Maximal runs, in order; those that ``loops`` refuses are taken apart.

    With ``join`` a place of a run may be several: where sampling halves what moves on, steps are alike by periods.
    """
    for run in _runs(places, join):
        if run.count == 1 or loops(run):
            yield run
        else:
            for k in range(run.count):
                starts = tuple(start + k * step for start, step in zip(run.first.starts, run.delta, strict=True))
                yield Run(Place(run.first.shape, starts), 1, (0,) * len(starts))


def _runs(places: Sequence[Place[S]], join: Callable[[Sequence[Place[S]]], Place[S]] | None) -> Iterator[Run[S]]:
    numbers: dict[S, int] = {}
    shapes = [numbers.setdefault(place.shape, len(numbers)) for place in places]
    at = 0
    while at < len(places):
        period, count = 1, _repeats(places, shapes, at, 1)
        for longer in range(2, min(MAX_PERIOD, (len(places) - at) // 2) + 1) if join else ():
            times = _repeats(places, shapes, at, longer)
            if (times - 1) * longer > (count - 1) * period:
                period, count = longer, times
        first = places[at] if join is None or period == 1 else join(places[at : at + period])
        delta = (0,) * len(first.starts)
        if count > 1:
            steps = zip(places[at : at + period], places[at + period : at + 2 * period], strict=True)
            delta = tuple(step for before, place in steps for step in _difference(place, before))
        yield Run(first, count, delta)
        at += count * period


def _repeats(places: Sequence[Place[S]], shapes: Sequence[int], at: int, period: int) -> int:
    """How many times the next places come, each time as much further."""

    def again(k: int) -> bool:
        """Whether place ``k`` is as the one a period before, and as far from it as that from the one before that."""
        if k >= len(places) or shapes[k] != shapes[k - period]:
            return False
        difference = _difference(places[k], places[k - period])
        return k < at + 2 * period or difference == _difference(places[k - period], places[k - 2 * period])

    end = at + period
    while again(end):
        end += 1
    return (end - at) // period


def _difference(a: Place[S], b: Place[S]) -> tuple[int, ...]:
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

    def beyond(self, other: "Start") -> "Start":
        """How far beyond another start, which is at the same place or in fewer loops."""
        rest = (0,) * (len(self.factors) - len(other.factors))
        factors = zip(self.factors, (*other.factors, *rest), strict=True)
        return Start(self.const - other.const, tuple(a - b for a, b in factors))
