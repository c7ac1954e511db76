"""Regions of arrays: products of arithmetic progressions, and what a store of a nest covers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from torch_mlir import ir

from polystage import poly
from polystage.passes.nests import quasi as q
from polystage.passes.nests.quasi import Quasi


@dataclass(frozen=True, slots=True)
class Range:
    """``low, low + step, ...``: ``extent`` values, ``step`` > 0."""

    low: int
    extent: int
    step: int = 1

    @property
    def high(self) -> int:
        """The last value."""
        return self.low + self.step * (self.extent - 1)

    def disjoint(self, other: "Range") -> bool:
        """Whether no value is in both; may miss that where the steps have no common structure."""
        if self.high < other.low or other.high < self.low:
            return True
        coarse, fine = (self, other) if self.step >= other.step else (other, self)
        return coarse.step % fine.step == 0 and (coarse.low - fine.low) % fine.step != 0

    def minus(self, other: "Range") -> "tuple[list[Range], Range | None] | None":
        """The parts outside of ``other``, and the part inside; None where they are no progressions."""
        first = max(0, -(-(other.low - self.low) // self.step))
        last = min(self.extent - 1, (other.high - self.low) // self.step)
        if first > last:
            return [self], None
        outside = [self.part(0, first), self.part(last + 1, self.extent)]
        middle = self.part(first, last + 1)
        inside: Range | None = middle
        if self.step % other.step == 0:
            if (middle.low - other.low) % other.step:
                inside = None
                outside.append(middle)
        elif other.step % self.step == 0:
            stride = other.step // self.step
            inside = None
            for residue in range(min(stride, middle.extent)):
                low = middle.low + residue * self.step
                thinned = Range(low, -(-(middle.extent - residue) // stride), other.step)
                if (low - other.low) % other.step:
                    outside.append(thinned)
                else:
                    inside = thinned
        else:
            return None
        return [part for part in outside if part.extent > 0], inside

    def part(self, start: int, stop: int) -> "Range":
        """The values at positions ``start .. stop - 1``."""
        return Range(self.low + self.step * start, stop - start, self.step)


Region = tuple[Range, ...]


def whole(shape: Sequence[int]) -> Region:
    """All elements of an array."""
    return tuple(Range(0, extent) for extent in shape)


def size(region: Region) -> int:
    """How many elements."""
    return prod(r.extent for r in region)


def disjoint(a: Region, b: Region) -> bool:
    """Whether two regions share no element, as far as one dimension shows it."""
    return any(x.disjoint(y) for x, y in zip(a, b, strict=True))


def subtract(region: Region, hole: Region) -> list[Region] | None:
    """``region`` without ``hole`` as disjoint regions; None where it takes more than progressions."""
    if disjoint(region, hole):
        return [region]
    parts: list[Region] = []
    inner: Region = ()
    for k, (mine, other) in enumerate(zip(region, hole, strict=True)):
        split = mine.minus(other)
        if split is None:
            return None
        outside, inside = split
        parts += [(*inner, piece, *region[k + 1 :]) for piece in outside]
        if inside is None:
            return parts
        inner = (*inner, inside)
    return parts


def hull(indices: Sequence["Quasi | int"], extents: Sequence[int], shape: Sequence[int]) -> Region:
    """A box that holds every element that an access touches; a data-dependent index touches all."""
    spans = [q.span(i, extents) if isinstance(i, Quasi) else (0, n - 1) for i, n in zip(indices, shape, strict=True)]
    return tuple(Range(low, high - low + 1) for low, high in spans)


@dataclass(frozen=True, slots=True)
class Image:
    """What a store covers, and for each induction variable that selects an element its value there.

    ``ivs[d]`` is in the positions ``x0, x1, ...`` inside ``region``: dimension k of the array is at
    ``region[k].low + region[k].step * x_k``. Induction variables that no index uses are None (they are reduced).
    """

    region: Region
    ivs: tuple[Quasi | None, ...]


def image(indices: Sequence["Quasi | int"], extents: Sequence[int]) -> Image | None:
    """The image of an access whose indices are mixed-radix numbers in distinct induction variables, else None."""
    ranges: list[Range] = []
    ivs: list[Quasi | None] = [None] * len(extents)
    digits: list[tuple[int, int, int, int]] = []  # (iv, dimension of the array, signed weight in steps, step)
    for dim, index in enumerate(indices):
        if isinstance(index, int):
            return None
        terms = [(atom, factor) for atom, factor in index.terms if isinstance(atom, int)]
        if len(terms) != len(index.terms) or any(atom == seen for atom, _ in terms for seen, *_ in digits):
            return None
        terms.sort(key=lambda term: abs(term[1]))
        step, weight = (abs(terms[0][1]) if terms else 1), 1
        for atom, factor in terms:
            if abs(factor) != weight * step:
                return None
            digits.append((atom, dim, weight if factor > 0 else -weight, step))
            weight *= extents[atom]
        ranges.append(Range(q.span(index, extents)[0], weight, step))
    sizes = [r.extent for r in ranges]
    for atom, dim, weight, _ in digits:
        digit = q.mod(q.floordiv(q.iv(dim), abs(weight), sizes), extents[atom], sizes)
        ivs[atom] = digit if weight > 0 else q.subtract(Quasi(extents[atom] - 1), digit, sizes)
    return Image(tuple(ranges), tuple(ivs))


def solved_image(indices: Sequence[Quasi], extents: Sequence[int], operations: int) -> Image | None:
    """The image of an access with floors or remainders, if it is a bijection onto a box: solved and proved by isl.

    Raises:
        poly.OperationBoundError: isl needed more than ``operations``.
    """
    spans = [q.span(index, extents) for index in indices]
    region = tuple(Range(low, high - low + 1) for low, high in spans)
    if prod(extents) != size(region):
        return None
    names = [f"i{d}" for d in range(len(extents))]
    forward = ir.AffineMap.get(len(extents), 0, [q.to_affine(i, range(len(extents))) for i in indices])
    with poly.bounded(operations):
        access = poly.from_affine_map(forward, "a", poly.Domain.box(names, list(extents)))
        back = poly.inverse(access)
        if back is None or poly.count(back.domain) != size(region):
            return None
        results = poly.to_affine_map(back).results
    sizes = [r.extent for r in region]
    places = [Quasi(r.low, q.iv(k).terms) for k, r in enumerate(region)]
    return Image(region, tuple(q.from_affine(result, places, len(region), sizes) for result in results))


def inverse(
    indices: Sequence[Quasi], extents: Sequence[int], shape: Sequence[int], operations: int
) -> tuple[Quasi, ...] | None:
    """The positions x as functions of the array's indices, if ``indices(x)`` is a bijection onto an array.

    Raises:
        poly.OperationBoundError: isl needed more than ``operations``.
    """
    found = image(indices, extents)
    if found is None and prod(extents) == prod(shape):
        found = solved_image(indices, extents, operations)
    if found is None or found.region != whole(shape):
        return None
    if any(v is None and e > 1 for v, e in zip(found.ivs, extents, strict=True)):
        return None
    return tuple(v or q.ZERO for v in found.ivs)


def positions(indices: Sequence["Quasi | int"], region: Region, extents: Sequence[int]) -> list["Quasi | int"] | None:
    """The positions inside ``region`` of the elements that an access touches, if it stays inside; else None.

    A data-dependent index stays inside what is whole by assumption: the caller knows the shape.
    """
    found: list[Quasi | int] = []
    for index, r in zip(indices, region, strict=True):
        if isinstance(index, int):
            if r.low or r.step != 1:
                return None
            found.append(index)
            continue
        offset = Quasi(index.const - r.low, index.terms)
        low, high = q.span(offset, extents)
        if low < 0 or high > r.step * (r.extent - 1):
            return None
        if r.step > 1 and q.mod(offset, r.step, extents) != q.ZERO:
            return None
        found.append(q.floordiv(offset, r.step, extents))
    return found


def elements(places: Sequence[Quasi], region: Region) -> tuple[Quasi, ...]:
    """The elements at positions inside a region: the inverse of :func:`positions`."""
    return tuple(Quasi(r.low + x.const * r.step, q.scale(x, r.step).terms) for r, x in zip(region, places, strict=True))


def loops(region: Region) -> tuple[tuple[int, ...], tuple[Quasi, ...]]:
    """Extents of a nest with one loop for each dimension of more than one element, and the positions it runs over."""
    kept = [k for k, r in enumerate(region) if r.extent > 1]
    places = tuple(q.iv(kept.index(k)) if k in kept else q.ZERO for k in range(len(region)))
    return tuple(region[k].extent for k in kept), places


def at(region: Region, parent: Region) -> list[Quasi]:
    """Positions inside ``parent`` of the elements at positions x of ``region``, a part of it."""
    found: list[Quasi] = []
    for k, (r, p) in enumerate(zip(region, parent, strict=True)):
        start, stride = (r.low - p.low) // p.step, r.step // p.step
        found.append(Quasi(start, ((k, stride),)) if r.extent > 1 else Quasi(start))
    return found


def stretched(a: Range, b: Range) -> Range:
    """The progression from the lower start to the higher end, with the step of both."""
    low, high = min(a.low, b.low), max(a.high, b.high)
    return replace(a, low=low, extent=(high - low) // a.step + 1)
