"""Writes reductions: along the free axis by the vector engine, over lanes by a product with ones (mechanism of
``lower-to-npu``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from torch_mlir import ir

from polystage.analysis.covering import EngineCosts
from polystage.analysis.implementation import Implementation
from polystage.analysis.nests import Nest
from polystage.analysis.reductions import reduction_of
from polystage.analysis.selection import Selection, Slot
from polystage.analysis.tiling import extra_slots, selection_of
from polystage.dialects import affine, npu
from polystage.dialects.npu import scalars
from polystage.machine import Machine
from polystage.passes.lowering.emission import Emitter, chunked, fit, most_elements


@dataclass(frozen=True)
class _Boxes:
    """Loops that one instruction takes ``whole``, the one it takes ``cut`` into chunks of so many iterations, and those
    ``around`` it; ``at_once`` where it takes everything that is reduced to one result.
    """

    whole: tuple[int, ...]
    cut: tuple[int | None, int]
    around: tuple[int, ...]
    at_once: bool


def reduced_at_once(nest: Nest, implementation: Implementation, machine: Machine) -> bool:
    """Whether no result is put together from those of several instructions."""
    return _boxes(nest, implementation, machine).at_once


def _boxes(nest: Nest, implementation: Implementation, machine: Machine) -> _Boxes:
    lane, rows = implementation.lane, implementation.rows
    kept = [d for d in range(len(nest.extents)) if d not in (lane, rows) and d in nest.parallel]
    summed = [d for d in range(len(nest.extents)) if d != lane and d not in nest.parallel]
    limit = most_elements(nest, machine)
    inner, cut, size = fit(nest, summed, limit, machine.vector.max_free_dims)
    room = max(1, limit // (prod(nest.extents[d] for d in inner) * max(1, size)))
    dims = machine.vector.max_free_dims - sum(nest.extents[d] > 1 for d in inner) - (cut is not None)
    if _is_across(nest, implementation):
        room = min(room, machine.max_moving_f32)
    outer, cut_kept, kept_size = fit(nest, kept, room, dims)
    if cut is not None:
        outer, cut_kept = [d for d in kept if nest.extents[d] == 1], None
    chosen = (cut, size) if cut is not None else (cut_kept, kept_size)
    whole = (*inner, *outer)
    around = tuple(d for d in (*kept, *summed) if d not in whole and d != chosen[0])
    return _Boxes(whole, chosen, around, set(summed) <= set(inner))


def _is_across(nest: Nest, implementation: Implementation) -> bool:
    """Whether lanes are summed up."""
    return implementation.lane in nest.reduced or implementation.replicated


def write_reduction(nest: Nest, implementation: Implementation, machine: Machine, *, starts: bool = False) -> None:
    """Evaluate, reduce along the free axis, and over a reduced lane loop by a product with ones.

    What comes out is added to the result; with ``starts`` it is the result, for a nest that is reduced at once.
    """
    reduction = reduction_of(nest)
    selection = selection_of(nest, implementation, EngineCosts.of(machine))
    assert reduction is not None
    assert selection is not None
    boxes = _boxes(nest, implementation, machine)
    assert boxes.at_once or not starts
    slots = extra_slots(nest, implementation, selection)
    emitter = Emitter(nest, implementation.lane)
    operation = scalars.instruction_op(reduction.combine, None, str(nest.nodes[nest.store.value].type))
    assert operation is not None
    writer = _Writer(emitter, selection, slots, operation, implementation, _is_across(nest, implementation), starts)
    direct = starts and not writer.across
    chunked(emitter, boxes.around, boxes.whole, boxes.cut, selection.slots if direct else slots, writer.box)


@dataclass(frozen=True)
class _Writer:
    """Writes the instructions of one box; the slots behind those of the selection are for partial results."""

    emitter: Emitter
    selection: Selection
    slots: Sequence[Slot]
    operation: str
    implementation: Implementation
    across: bool
    starts: bool

    def box(self) -> None:
        """Evaluate and reduce one box."""
        emitter, nest, rows = self.emitter, self.emitter.nest, self.implementation.rows
        emitter.steps(self.selection)
        count, symbols = len(self.selection.slots), emitter.symbols()
        box = emitter.box([loop for loop in range(len(nest.extents)) if loop != rows])
        kept = [d for d in box if d in nest.parallel]
        if self.starts and not self.across:
            target, rank = nest.store.array, len(box) + 1
            self.reduce(target, emitter.access_map(nest.store.access, emitter.dims(box), rank), box)
            return
        partial = emitter.temporaries[count]
        self.reduce(partial, emitter.temporary_map(self.slots[count], box), box)
        part_map, lanes, dims = emitter.temporary_map(self.slots[count], kept), emitter.lanes, emitter.dims(kept)
        if self.across:
            lanes = 1 if rows is None else nest.extents[rows]
            ones = emitter.temporaries[count + 1]
            partial, part_map = _across_lanes(emitter, partial, part_map, kept, ones, lanes)
            dims |= {} if rows is None else {rows: 0}
        array, sizes = nest.store.array, [lanes, *emitter.sizes(kept)[1:]]
        result = emitter.access_map(nest.store.access, dims, len(kept) + 1)
        if self.starts:
            npu.activation(array, partial, symbols, sizes=sizes, maps=[result, part_map], func="copy")
        else:
            maps = [result, result, part_map]
            npu.tensor_tensor(array, array, partial, symbols, sizes=sizes, maps=maps, op=self.operation)

    def reduce(self, target: ir.Value, target_map: ir.AffineMap, box: Sequence[int]) -> None:
        """The value of a box, reduced over its own loops."""
        emitter, symbols = self.emitter, self.emitter.symbols()
        source, source_map = emitter.operand(self.selection.value, self.slots, box)
        sizes, maps = emitter.sizes(box), [target_map, source_map]
        if any(d not in emitter.nest.parallel for d in box):
            npu.tensor_reduce(target, source, symbols, sizes=sizes, maps=maps, op=self.operation)
        else:
            npu.tensor_copy(target, source, symbols, sizes=sizes, maps=maps)


def _across_lanes(
    emitter: Emitter, partial: ir.Value, partial_map: ir.AffineMap, kept: Sequence[int], ones: ir.Value, rows: int
) -> tuple[ir.Value, ir.AffineMap]:
    """Sum ``partial`` over its lanes: a product with ones into ``rows`` equal rows of PSUM.

    For several rows the column of ones is read as a square, which takes the matrix engine no longer.
    """
    symbols = emitter.symbols()
    free = emitter.sizes(kept)[1:]
    rank, lanes = len(kept) + 1, emitter.lanes
    dim, const = ir.AffineExpr.get_dim, ir.AffineExpr.get_constant
    npu.memset(ones, symbols, sizes=[lanes], maps=[ir.AffineMap.get(1, len(symbols), [dim(0)])], value=1.0)
    row = affine.alloc(ir.MemRefType.get([rows, *free], ir.F32Type.get(), memory_space=npu.psum()), "row")
    moved = [dim(k + 2) for k in range(len(free))]
    moving = ir.AffineMap.get(rank + 1, len(symbols), [_shifted(expr, rank) for expr in partial_map.results])
    maps = [
        ir.AffineMap.get(rank + 1, len(symbols), [dim(1), *moved]),
        ir.AffineMap.get(rank + 1, len(symbols), [dim(0)]),
        moving,
    ]
    npu.matmul(row, ones, partial, symbols, sizes=[lanes, rows, *free], maps=maps, accumulate=False)
    flat = [dim(k + 1) for k in range(len(free))]
    return row, ir.AffineMap.get(rank, len(symbols), [dim(0) if rows > 1 else const(0), *flat])


def _shifted(expr: ir.AffineExpr, rank: int) -> ir.AffineExpr:
    """Box dimensions ``[lane, free...]`` renamed for the box ``[lane, row, free...]`` of a product."""
    if isinstance(expr, ir.AffineDimExpr) and 0 < expr.position < rank:
        return ir.AffineExpr.get_dim(expr.position + 1)
    return expr
