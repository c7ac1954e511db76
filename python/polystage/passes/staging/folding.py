"""Folds arrays of few lanes over all lanes while they wait (legality and mechanism of ``stage``).

An array with a dimension of 32 on 128 lanes leaves three quarters of its bytes per lane empty. Nests that compute want
it like that; between two nests that use it nobody does. There it may lie *folded*: cut along another dimension into
blocks, each on lanes of its own. Nests of relayout copy it there behind what writes it, and back before what reads it::

    t[c, h, w]  ->  folded[c + 32 * (w floordiv 128), h, w mod 128]  ->  unfolded[c, h, w]

Each block is a nest, so that all accesses are linear. A border is not copied: it is filled where it is read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, prod

from torch_mlir import ir

from polystage.analysis.implementation import ATTRIBUTE, RELAYOUT
from polystage.analysis.index_boxes import Box, common, hull, span, whole
from polystage.analysis.layouts import Layout
from polystage.analysis.nests import Nest
from polystage.analysis.values import array_name, producer
from polystage.dialects import affine
from polystage.dialects.npu import element_bytes
from polystage.machine import Machine
from polystage.passes.nests.ir import op_after
from polystage.passes.nests.relayouts import innermost
from polystage.passes.staging.plan import Plan
from polystage.passes.staging.schedule import Step, Uses, layout_of, read, uses_of, written

PARTS = 64  # of the capacity: what takes less may wait as it is


@dataclass(frozen=True)
class Wait:
    """An array that nobody uses behind nest ``after`` and before nest ``before``; ``box`` of it is used later.

    Its elements along dimension ``dim`` are dealt out to so many ``blocks``, each ``lanes`` further than the one
    before.
    """

    array: ir.Value
    layout: Layout
    after: int
    before: int
    box: Box
    dim: int
    blocks: int
    lanes: int

    @property
    def size(self) -> int:
        """Elements of a block along ``dim`` at most."""
        low, high = self.box[self.dim]
        return ceil((high - low + 1) / self.blocks)

    @property
    def lane_dim(self) -> int:
        """The dimension across the lanes."""
        assert self.layout.dim is not None
        return self.layout.dim

    @property
    def type(self) -> ir.MemRefType:
        """The folded array: lanes first, the dimension that is cut last."""
        type_ = ir.MemRefType(self.array.type)
        shape = [self.blocks * self.lanes, *(self.box[d][1] - self.box[d][0] + 1 for d in self.free), self.size]
        plain = ir.MemRefType.get(shape, type_.element_type)
        return Layout(0, shape[0]).of_type(plain, on_chip=False)

    @property
    def free(self) -> list[int]:
        """The dimensions that are neither across the lanes nor cut."""
        return [d for d in range(len(self.box)) if d not in (self.layout.dim, self.dim)]


def waiting(plan: Plan, steps: Sequence[Step], machine: Machine) -> Iterator[Wait]:
    """What is worth folding of the arrays that wait in a plan from one segment to another."""
    uses = uses_of(steps, machine.lanes)
    segments = {k: number for number, each in enumerate(plan.segments) for k in range(each.first, each.last + 1)}
    for array in dict.fromkeys(step.nest.store.array for step in steps):
        wait = wait_of(array, uses[array], steps, machine)
        if wait is not None and segments[wait.after] < segments[wait.before]:
            shape = wait.layout.physical_shape([high - low + 1 for low, high in wait.box])
            size = prod(shape[1:]) * element_bytes(wait.type.element_type)
            if size * PARTS >= machine.usable_bytes_per_lane:
                yield wait


def wait_of(array: ir.Value, uses: Uses, steps: Sequence[Step], machine: Machine) -> Wait | None:
    """The longest wait of an array, if it can be folded meanwhile."""
    own, op = sorted({*uses.reads, *uses.writes}), producer(array)
    if uses.indirect or op is None or op.name != "memref.alloc" or len(own) < 2:
        return None
    after, before = max(pairwise(own), key=lambda gap: gap[1] - gap[0])
    layout = layout_of(ir.MemRefType(array.type), uses, machine)
    makers = [step for step in steps[: after + 1] if step.nest.store.array == array and step.nest.loads]
    box = common(hull(written(makers, array)), hull(read(steps[before:], array)))
    if box is None or layout.dim is None or any(step.nest.store.array == array for step in steps[before:]):
        return None
    if not _solid(makers, array, box) or box[layout.dim] != whole(array)[layout.dim]:
        return None
    return _folded(array, layout, after, before, box, machine)


def _folded(array: ir.Value, layout: Layout, after: int, before: int, box: Box, machine: Machine) -> Wait | None:
    """The wait with as many blocks as the lanes hold, along the last dimension that is long enough."""
    assert layout.dim is not None
    used = ir.MemRefType(array.type).shape[layout.dim]
    if used > machine.lanes // 2:
        return None
    multiple = machine.start_multiple(used)
    lanes = ceil(used / multiple) * multiple
    blocks = machine.lanes // lanes
    dims = [d for d, (low, high) in enumerate(box) if d != layout.dim and high - low + 1 >= blocks]
    return Wait(array, layout, after, before, box, dims[-1], blocks, lanes) if dims and blocks > 1 else None


def _solid(makers: Sequence[Step], array: ir.Value, box: Box) -> bool:
    """Whether nests leave no holes in a box."""
    boxes = {
        (each, prod(step.nest.extents[loop] for loop in step.nest.parallel))
        for step, each in zip(makers, written(makers, array), strict=True)
    }
    around = hull(each for each, _ in boxes)
    return around is not None and common(around, box) == box and sum(count for _, count in boxes) >= _volume(around)


def _volume(box: Box) -> int:
    return prod(high - low + 1 for low, high in box)


def folded_name(array: ir.Value) -> str:
    """The name of an array while it is folded."""
    return f"{array_name(array)}.folded"


def unfolded_name(array: ir.Value) -> str:
    """The name of what nests use instead of an array when it has waited."""
    return f"{array_name(array)}.unfolded"


def unfolded(wait: Wait) -> ir.Value:
    """A new array for the nests behind a wait."""
    alloc = producer(wait.array)
    assert alloc is not None
    with ir.InsertionPoint(alloc), alloc.location:
        return affine.alloc(ir.MemRefType(wait.array.type), unfolded_name(wait.array))


def end_of(wait: Wait, steps: Sequence[Step]) -> ir.Operation:
    """The nest before which a wait ends: its first reader, or what initialises the array that this one stores."""
    first, stored = wait.before, steps[wait.before].nest.store.array
    while first - 1 > wait.after and not steps[first - 1].nest.loads and steps[first - 1].nest.store.array == stored:
        first -= 1
    return steps[first].nest.op


def fold(wait: Wait, kept: Wait | None, target: ir.Value, steps: Sequence[Step]) -> None:
    """Let a part of an array that these nests use wait folded; nests behind the wait use ``target`` instead.

    The part ``kept`` and the border are there when they run. All else of the wait somebody has to put there.
    """
    first = end_of(wait, steps)
    makers = [step.nest for step in steps[: wait.after + 1] if step.nest.store.array == wait.array]
    behind = op_after(makers[-1].op)
    for nest in makers:
        if not nest.loads and common(span(nest.store.access, nest), wait.box) is None:
            _border(wait, steps, nest, first, target)
    if kept is not None:
        alloc = producer(wait.array)
        assert alloc is not None
        with ir.InsertionPoint(alloc), alloc.location:
            folded = affine.alloc(kept.type, folded_name(wait.array))
        for block in range(kept.blocks):
            _copy(kept, block, behind, wait.array, folded, into=True)
        for block in range(kept.blocks):
            _copy(kept, block, first, target, folded, into=False)
    for step in steps[wait.before :]:
        _turn(step.nest.op, wait.array, target)


def _border(wait: Wait, steps: Sequence[Step], fill: Nest, first: ir.Operation, target: ir.Value) -> None:
    """Fill a border where it is read: of what comes back, and of the array only if it is read before that."""
    box, nest = span(fill.store.access, fill), fill.op
    if any(common(box, each) for each in read(steps[: wait.after + 1], wait.array)):
        with ir.InsertionPoint(first):
            nest = fill.op.clone().operation
    else:
        nest.move_before(first)
    _turn(nest, wait.array, target)


def _turn(nest: ir.Operation, array: ir.Value, other: ir.Value) -> None:
    """Let a nest use another array."""
    for op in innermost(nest):
        for number, operand in enumerate(op.operands):
            if operand == array:
                op.operands[number] = other


def _copy(wait: Wait, block: int, before: ir.Operation, plain: ir.Value, folded: ir.Value, *, into: bool) -> None:
    """Write a nest of relayout for one block, ``into`` the folded array or from there."""
    loops = [wait.lane_dim, *wait.free, wait.dim]
    lows = [wait.box[d][0] for d in loops[:-1]] + [wait.box[wait.dim][0] + block]
    steps = [1] * (len(loops) - 1) + [wait.blocks]
    extents = [(wait.box[d][1] - low) // step + 1 for d, low, step in zip(loops, lows, steps, strict=True)]
    kept = [k for k, extent in enumerate(extents) if extent > 1]
    const, dim = ir.AffineExpr.get_constant, ir.AffineExpr.get_dim
    index = [dim(kept.index(k)) if k in kept else const(0) for k in range(len(loops))]
    there = ir.AffineMap.get(len(kept), 0, [index[k] * steps[k] + lows[k] for k in map(loops.index, range(len(loops)))])
    here = ir.AffineMap.get(len(kept), 0, [index[0] + block * wait.lanes, *index[1:]])
    marked = {ATTRIBUTE: RELAYOUT.to_attribute()}
    with ir.InsertionPoint(before), before.location, affine.nest([extents[k] for k in kept], marked) as ivs:
        if into:
            affine.store(affine.load(plain, there, ivs), folded, here, ivs)
        else:
            affine.store(affine.load(folded, here, ivs), plain, there, ivs)
