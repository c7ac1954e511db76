"""Whether two accesses of a program with addresses touch a common byte, and in which iterations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import islpy as isl
from torch_mlir import ir

from .bound import CONTEXT
from .expr import constant, dimensions, evaluate, integer, val

_SET = isl.dim_type.set


@dataclass(frozen=True)
class Counter:
    """How often a loop has run before: ``name + offset``, of ``trips``; just ``offset`` where there is no name.

    The loop's variable is ``first + step * counter``.
    """

    name: str
    offset: int
    first: int
    step: int
    trips: int


@dataclass(frozen=True)
class Side:
    """One access: for each point of the box ``sizes`` the element that ``access`` names.

    ``access`` takes the box and ``indices``, which are quasi-affine maps of the variables of the loops around. Element
    ``x`` lies at byte ``address + sum strides[k] * x[k]`` of lane ``x[0]`` where it has ``lanes``, else of its memory,
    and takes ``size`` bytes.
    """

    counters: tuple[Counter, ...]
    sizes: tuple[int, ...]
    access: ir.AffineMap
    indices: tuple[ir.AffineMap, ...]
    address: int
    strides: tuple[int, ...]
    size: int
    lanes: bool


def meet(a: Side, b: Side, same_array: bool) -> Mapping[str, int] | None:
    """Counters for which ``a`` and ``b`` touch a common byte; None if there are none. 0.3-2 ms.

    Counters of one name are one number. ``same_array`` compares indices in place of addresses, which is easier.
    """
    names = list(dict.fromkeys(counter.name for counter in (*a.counters, *b.counters) if counter.name))
    boxes = [(which, k) for which, side in enumerate((a, b)) for k, size in enumerate(side.sizes) if size > 1]
    count = len(names) + len(boxes)
    dims = dimensions(count)
    named = dict(zip([*names, *boxes], dims, strict=True))
    points = isl.Set.universe(isl.Space.set_alloc(CONTEXT, 0, count))
    for position, (which, k) in enumerate(boxes, len(names)):
        size = (a, b)[which].sizes[k]
        points = points.lower_bound_val(_SET, position, val(0)).upper_bound_val(_SET, position, val(size - 1))
    for counter in (*a.counters, *b.counters):
        if counter.name:
            position, last = names.index(counter.name), counter.trips - 1
            points = points.lower_bound_val(_SET, position, val(-counter.offset))
            points = points.upper_bound_val(_SET, position, val(last - counter.offset))
    points = _together(
        points, a, b, [_element(side, which, named, count) for which, side in enumerate((a, b))], same_array
    )
    if points.is_empty():
        return None
    sample = points.sample_point()
    return {name: integer(sample.get_coordinate_val(_SET, k)) for k, name in enumerate(names)}


_Named = Mapping[str | tuple[int, int], isl.Aff]


def _element(side: Side, which: int, named: _Named, count: int) -> list[isl.Aff]:
    """The indices that ``side`` touches, as functions of counters and boxes."""
    loops: list[isl.Aff] = []
    for counter in side.counters:
        run = named[counter.name] if counter.name else constant(count, 0)
        moved = run.add_constant_val(val(counter.offset)).scale_val(val(counter.step))
        loops.append(moved.add_constant_val(val(counter.first)))
    indices = [evaluate(index, loops, count)[0] for index in side.indices]
    box = [named[(which, k)] if size > 1 else constant(count, 0) for k, size in enumerate(side.sizes)]
    return evaluate(side.access, [*box, *indices], count)


def _together(points: isl.Set, a: Side, b: Side, elements: Sequence[Sequence[isl.Aff]], same_array: bool) -> isl.Set:
    """Those of ``points`` where both sides touch a common byte."""
    first, second = elements
    if same_array:
        for x, y in zip(first, second, strict=True):
            points = points.intersect(x.eq_set(y))
        return points
    if a.lanes:
        points = points.intersect(first[0].eq_set(second[0]))
    p, q = (_address(side, element) for side, element in ((a, first), (b, second)))
    points = points.intersect(p.le_set(q.add_constant_val(val(b.size - 1))))
    return points.intersect(q.le_set(p.add_constant_val(val(a.size - 1))))


def _address(side: Side, element: Sequence[isl.Aff]) -> isl.Aff:
    """Where an element lies; one of rank 0 is compared as one of the same array."""
    scaled = [index.scale_val(val(stride)) for index, stride in zip(element, side.strides, strict=True)]
    return reduce(isl.Aff.add, scaled).add_constant_val(val(side.address))
