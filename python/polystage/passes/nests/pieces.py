"""Integer functions of one induction variable as few quasi-affine pieces, and the boxes that the pieces cut."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

from torch_mlir import ir

from polystage.passes.nests import quasi as q
from polystage.passes.nests.body import Body, Index
from polystage.passes.nests.evaluate import NotEvaluable, Tables, cone_of, evaluate, ivs_of
from polystage.passes.nests.fold import rewritten
from polystage.passes.nests.quasi import Quasi

LONGEST = 4096
"""Trip count of the longest loop that is tabulated."""
MOST_PIECES = 6
MOST_BOXES = 64
LARGEST_DIVISOR = 64


@dataclass(frozen=True)
class Piece:
    """On ``start <= i < stop`` the value is ``(slope * i + offset) floordiv divisor``."""

    start: int
    stop: int
    slope: int
    offset: int
    divisor: int

    def at(self, value: Quasi, extents: Sequence[int]) -> Quasi:
        """The piece at ``i = value``."""
        numerator = q.scale(value, self.slope)
        return q.floordiv(Quasi(numerator.const + self.offset, numerator.terms), self.divisor, extents)


@dataclass(frozen=True)
class Piecewise:
    """A node that is a function of iv ``depth`` alone."""

    depth: int
    pieces: tuple[Piece, ...]


def piecewise(body: Body, number: int, tables: Tables) -> Piecewise | None:
    """Node ``number`` as pieces, if it is a function of one induction variable that has few."""
    cone = cone_of(body, number)
    depths = ivs_of(body, cone)
    if len(depths) != 1 or body.extents[depth := depths.pop()] > LONGEST:
        return None
    point = [0] * len(body.extents)
    values: list[int] = []
    try:
        for i in range(body.extents[depth]):
            point[depth] = i
            values.append(int(evaluate(body, cone, point, tables)))
    except NotEvaluable:
        return None
    pieces = runs(values) if body.nodes[number].type == ir.IntegerType.get_signless(1) else fit(values)
    return None if pieces is None else Piecewise(depth, pieces)


def fit(values: Sequence[int]) -> tuple[Piece, ...] | None:
    """Cover the table ``values`` with pieces, each as long as possible; None if it takes too many."""
    pieces: list[Piece] = []
    start = 0
    while start < len(values):
        if len(pieces) == MOST_PIECES:
            return None
        pieces.append(_longest(values, start))
        start = pieces[-1].stop
    return tuple(pieces)


def runs(values: Sequence[int]) -> tuple[Piece, ...] | None:
    """The stretches of equal values; None if there are too many."""
    starts = [i for i, value in enumerate(values) if i == 0 or value != values[i - 1]]
    if len(starts) > MOST_PIECES:
        return None
    return tuple(Piece(a, b, 0, values[a], 1) for a, b in pairwise([*starts, len(values)]))


def _longest(values: Sequence[int], start: int) -> Piece:
    """The longest piece from ``start``, by bisection: what fits a stretch fits its beginning."""
    best = Piece(start, start + 1, 0, values[start], 1)
    short, long = start + 1, len(values)
    whole = _fit_stretch(values, start, long)
    if whole is not None:
        return whole
    while long - short > 1:
        middle = (short + long) // 2
        piece = _fit_stretch(values, start, middle)
        if piece is None:
            long = middle
        else:
            best, short = piece, middle
    return best


def _fit_stretch(values: Sequence[int], start: int, stop: int) -> Piece | None:
    """One piece for ``values[start:stop]``, with the smallest divisor."""
    rise, run = values[stop - 1] - values[start], stop - 1 - start
    if run == 0:
        return Piece(start, stop, 0, values[start], 1)
    for divisor in range(1, min(LARGEST_DIVISOR, run) + 1):
        nearest = round(divisor * rise / run)
        for slope in (nearest,) if divisor == 1 else (nearest, nearest - 1, nearest + 1):
            offset = _offset(values, start, stop, slope, divisor)
            if offset is not None:
                return Piece(start, stop, slope, offset, divisor)
    return None


def _offset(values: Sequence[int], start: int, stop: int, slope: int, divisor: int) -> int | None:
    """The least offset that makes ``(slope * i + offset) floordiv divisor`` right on the stretch."""
    low = divisor * values[start] - slope * start
    high = low + divisor - 1
    for i in range(start + 1, stop):
        exact = divisor * values[i] - slope * i
        low, high = max(low, exact), min(high, exact + divisor - 1)
        if low > high:
            return None
    return low


def split(body: Body, functions: Mapping[int, Piecewise]) -> list[Body] | None:
    """The body on boxes on which each node of ``functions`` is one piece; None if that takes too many boxes."""
    cuts = [{0, extent} for extent in body.extents]
    for function in functions.values():
        cuts[function.depth] |= {piece.start for piece in function.pieces}
    ranges = [list(pairwise(sorted(cut))) for cut in cuts]
    boxes = list(product(*ranges))
    if len(boxes) > MOST_BOXES:
        return None
    return [_on_box(body, box, functions) for box in boxes]


def _on_box(body: Body, box: Sequence[tuple[int, int]], functions: Mapping[int, Piecewise]) -> Body:
    """The body on a box; loops of one trip go away."""
    extents: list[int] = []
    values: list[Quasi] = []
    for start, stop in box:
        values.append(Quasi(start, ((len(extents), 1),)) if stop - start > 1 else Quasi(start))
        extents.extend([stop - start] if stop - start > 1 else [])
    known: dict[int, Index] = {}
    for number, function in functions.items():
        start = box[function.depth][0]
        piece = next(piece for piece in function.pieces if piece.start <= start < piece.stop)
        known[number] = Index(piece.at(values[function.depth], extents), body.nodes[number].type)
    return rewritten(body, values, tuple(extents), known)
