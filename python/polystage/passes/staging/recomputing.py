"""Makes parts of waiting arrays again where they are read, instead of keeping them (policy and mechanism of ``stage``).

An array that is stored because nothing has room for it until it is read late costs its bytes twice. Nests before its
reader may make it again from arguments, which costs these arguments once more, and products. As these are bounded, it
is mostly a part: the last indices along one dimension, and all that this part needs::

    t[c, h, w]  ->  waits for h < 328;  for h >= 328 behind that wait  x[., h - 1 ..., w] -> again -> t[c, h, w]

The nests are copies of those that made the array, over the iterations that are needed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil, prod

from torch_mlir import ir

from polystage.analysis.index_boxes import Box, common, span
from polystage.analysis.nests import Gather, Index, Linear, Nest, with_forms
from polystage.analysis.reductions import product_of, reduction_of
from polystage.analysis.values import array_name, producer
from polystage.dialects import affine
from polystage.machine import Machine
from polystage.passes.banks.candidates import candidates
from polystage.passes.nests.ir import op_before, reindex
from polystage.passes.nests.relayouts import innermost
from polystage.passes.staging.folding import Wait, end_of, fold, folded_name, unfolded, unfolded_name
from polystage.passes.staging.groups import Arrays, Candidate, candidate
from polystage.passes.staging.plan import Plan
from polystage.passes.staging.schedule import Step, demand

LEAST = 16  # parts of a dimension: less than one of them is not worth making again


@dataclass(frozen=True)
class Part:
    """A nest over some of its iterations: the first and the last one of each loop."""

    step: Step
    box: Box

    @cached_property
    def nest(self) -> Nest:
        """The nest over these iterations only."""

        def shifted(index: Linear) -> Linear:
            start = sum(factor * low for factor, (low, _) in zip(index.dims, self.box, strict=True))
            return replace(index, const=index.const + start)

        extents = tuple(high - low + 1 for low, high in self.box)
        return with_forms(self.step.nest, extents, (), shifted)

    @property
    def products(self) -> int:
        """Products of two operands that are summed up."""
        reduction = reduction_of(self.nest)
        return 0 if reduction is None or product_of(self.nest, reduction) is None else prod(self.nest.extents)

    def runs(self, machine: Machine) -> bool:
        """Whether these iterations can run as the nest does, on their own and once more."""
        nest, how = self.nest, self.step.implementation
        if nest.store.indirect or any(isinstance(node, Gather | Index) for node in nest.nodes):
            return False
        if not self.step.relayout and how not in candidates(nest):
            return False
        return demand(replace(self.step, nest=nest), machine) <= machine.usable_bytes_per_lane


@dataclass(frozen=True)
class Remake:
    """The last indices of a wait, from ``first`` on along ``dim``, made again by ``parts`` of nests, in order."""

    wait: Wait
    dim: int
    first: int
    parts: tuple[Part, ...]

    @property
    def products(self) -> int:
        """Products that it makes again."""
        return sum(part.products for part in self.parts)

    @property
    def rest(self) -> Wait | None:
        """What waits as before, if anything."""
        low = self.wait.box[self.dim][0]
        if self.first == low:
            return None
        return replace(self.wait, box=_with(self.wait.box, self.dim, (low, self.first - 1)))

    def write(self, target: ir.Value, before: ir.Operation) -> None:
        """Write the nests in front of another one, so that they store the array's part in ``target``."""
        arrays = {self.wait.array: target}
        for part in self.parts:
            array = part.nest.store.array
            if array not in arrays:
                alloc = producer(array)
                assert alloc is not None
                with ir.InsertionPoint(alloc), alloc.location:
                    arrays[array] = affine.alloc(ir.MemRefType(array.type), f"{array_name(array)}.again")
            _write(part, arrays, before)


def moving(waits: Sequence[Wait], plan: Plan) -> list[Wait]:
    """The waits of arrays that are not on chip all the time, in a plan with or without folds."""
    whole = {array_name(each.array) for each in plan.residents}
    return [wait for wait in waits if whole.isdisjoint((array_name(wait.array), folded_name(wait.array)))]


def rewrite(waits: Sequence[Wait], again: Sequence[Remake], steps: Sequence[Step]) -> None:
    """Fold what waits, but for the parts that are made again."""
    remade = {each.wait.array: each for each in again}
    targets = [unfolded(wait) for wait in waits]
    for wait, target in zip(waits, targets, strict=True):
        if wait.array in remade:  # nests as they were before arrays of theirs are folded
            remade[wait.array].write(target, end_of(wait, steps))
    for wait, target in zip(waits, targets, strict=True):
        fold(wait, remade[wait.array].rest if wait.array in remade else wait, target, steps)


def remakes(
    waits: Sequence[Wait], steps: Sequence[Step], budget: int, machine: Machine, slides: Mapping[str, int]
) -> Iterator[Remake]:
    """How as much as possible of waits is made again with so many products, the largest first.

    ``slides`` says by name of arrays along which dimension their windows slide: cut along another one, the windows of
    all that is made again are short.
    """
    for wait in sorted(waits, key=lambda wait: -prod(high - low + 1 for low, high in wait.box)):
        found = _largest(wait, _cut_along(wait, slides), steps, budget, machine)
        if found is not None:
            budget -= found.products
            yield found


def sliding(waits: Sequence[Wait], plan: Plan, steps: Sequence[Step], machine: Machine) -> dict[str, int]:
    """By name of arrays that wait the dimension along which their windows slide in a plan when they are read late.

    ``steps`` are those of the plan, where arrays may be folded.
    """
    found, uses = dict[str, int](), Arrays(steps, machine)
    for wait in waits:
        names = {array_name(wait.array), unfolded_name(wait.array)}
        reader = max(k for k, step in enumerate(steps) if any(array_name(a.array) in names for a in step.nest.loads))
        group = next(each.group for each in plan.segments if each.first <= reader <= each.last)
        swept = None if group is None else candidate(uses, group.frame, group.tiles, frozenset())
        if isinstance(swept, Candidate):
            for array, held in swept.windows.items():
                if array_name(array) in names and held.window.sliding is not None:
                    found[array_name(wait.array)] = held.window.sliding
    return found


def _cut_along(wait: Wait, slides: Mapping[str, int]) -> int:
    """The longest dimension of a wait that is not across the lanes, if possible one along which no window slides."""
    own, sizes = slides.get(array_name(wait.array)), [high - low + 1 for low, high in wait.box]
    dims = [d for d in range(len(sizes)) if d != wait.lane_dim]
    return max(dims, key=lambda d: (d != own and sizes[d] >= LEAST, sizes[d], d))


def products(steps: Sequence[Step]) -> int:
    """All products of a schedule that are summed up."""
    return sum(Part(step, tuple((0, extent - 1) for extent in step.nest.extents)).products for step in steps)


def _largest(wait: Wait, dim: int, steps: Sequence[Step], budget: int, machine: Machine) -> Remake | None:
    """The largest part of a wait that so many products make."""
    low, high = wait.box[dim]
    grain = wait.blocks if dim == wait.dim else 1
    few, many, found = 0, ceil((high - low + 1) / grain), None
    while few < many:
        kept = (few + many) // 2
        tried = _remake(wait, dim, low + kept * grain, steps, machine)
        if tried is not None and tried.products <= budget:
            many, found = kept, tried
        else:
            few = kept + 1
    return found if found is not None and (high + 1 - found.first) * LEAST >= high + 1 - low else None


def _remake(wait: Wait, dim: int, first: int, steps: Sequence[Step], machine: Machine) -> Remake | None:
    """A wait made again from an index on; None where its nests cannot run again."""
    box = _with(wait.box, dim, (first, wait.box[dim][1]))
    wanted, parts = {wait.array: box}, list[Part]()
    stored = {step.nest.store.array for step in steps}
    for step in reversed(steps[: wait.after + 1]):
        part = _part(step, wanted)
        if part is None:
            continue
        if not part.runs(machine) or (step.nest.store.array == wait.array and not _inside(part, box)):
            return None
        parts.append(part)
        for access in part.nest.loads:
            array, read = access.array, span(access, part.nest)
            if producer(array) is not None:
                wanted[array] = read if array not in wanted else _around(read, wanted[array])
            elif array in stored:
                return None
    return Remake(wait, dim, first, tuple(reversed(parts)))


def _part(step: Step, wanted: Mapping[ir.Value, Box]) -> Part | None:
    """The iterations of a nest that make what is wanted of its array; all of a scatter."""
    nest = step.nest
    if nest.store.array not in wanted:
        return None
    box = [(0, extent - 1) for extent in nest.extents]
    if nest.store.indirect:
        return Part(step, tuple(box))
    for index, interval in zip(nest.store.access.indices, wanted[nest.store.array], strict=True):
        if common((index.span(nest.extents),), (interval,)) is None:
            return None
        for loop in index.support:
            box[loop] = _preimage(index, loop, box, interval)
            if box[loop][0] > box[loop][1]:
                return None
    return Part(step, tuple(box))


def _preimage(index: Linear, loop: int, box: Sequence[tuple[int, int]], wanted: tuple[int, int]) -> tuple[int, int]:
    """Iterations of a loop for which an index may be wanted, the other loops being anywhere in their box."""
    factor = index.dims[loop]
    others = replace(index, dims=tuple(0 if d == loop else f for d, f in enumerate(index.dims)))
    least, most = _span(others, box)
    low, high = (wanted[0] - most, wanted[1] - least) if factor > 0 else (least - wanted[1], most - wanted[0])
    first, last = -(-low // abs(factor)), high // abs(factor)
    return max(first, box[loop][0]), min(last, box[loop][1])


def _span(index: Linear, box: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Least and greatest value of an index over some iterations."""
    ends = [(factor * low, factor * high) for factor, (low, high) in zip(index.dims, box, strict=True)]
    return index.const + sum(map(min, ends)), index.const + sum(map(max, ends))


def _with(box: Box, dim: int, interval: tuple[int, int]) -> Box:
    """A box with another interval along a dimension."""
    return tuple(interval if d == dim else own for d, own in enumerate(box))


def _around(a: Box, b: Box) -> Box:
    """The hull of two boxes."""
    return tuple((min(low, least), max(high, most)) for (low, high), (least, most) in zip(a, b, strict=True))


def _inside(part: Part, box: Box) -> bool:
    """Whether a nest stores nothing beside a box."""
    stored = span(part.nest.store.access, part.nest)
    return common(stored, box) == stored


def _write(part: Part, arrays: dict[ir.Value, ir.Value], before: ir.Operation) -> None:
    """Write a nest over its part of the iterations, on other arrays."""
    with ir.InsertionPoint(before):
        part.nest.op.clone()
    nest = op_before(before)
    lows = list[ir.AffineExpr]()
    loop, ivs = nest, list[ir.Value]()
    for depth, (low, high) in enumerate(part.box):
        loop.attributes["upperBoundMap"] = ir.AffineMapAttr.get(ir.AffineMap.get_constant(high - low + 1))
        lows.append(ir.AffineExpr.get_constant(low))
        ivs.append(loop.regions[0].blocks[0].arguments[0])
        if depth + 1 < len(part.box):
            loop = loop.regions[0].blocks[0].operations[0].operation
    for op in innermost(nest):
        if "map" in op.attributes:
            own = [operand for operand in op.operands if operand in ivs]
            shifted = [ir.AffineExpr.get_dim(k) + lows[ivs.index(iv)] for k, iv in enumerate(own)]
            inner = ir.AffineMap.get(len(own), 0, shifted)
            reindex(op, lambda exprs, inner=inner: [expr.compose(inner) for expr in exprs])
        for number, operand in enumerate(op.operands):
            if operand in arrays:
                op.operands[number] = arrays[operand]
