"""Tile buffers of a nest: what each access needs on chip for a tile, what all of it takes, what it moves.

A *tile* is a box of the nest's iterations, given by one size per loop. The buffer of an access holds the footprint of
the tile: lanes by the loop that the implementation puts there, then free dimensions, one for each of the other loops or
one for each index, whichever is less. All numbers here are exact; ``stage`` allocates exactly these shapes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, gcd, prod

from torch_mlir import ir

from polystage.analysis.implementation import Implementation
from polystage.analysis.nests import Access, Load, Nest
from polystage.analysis.reductions import recurrence, reduction_of, sequential
from polystage.analysis.selection import Selection, Slot, is_float, select
from polystage.dialects.npu import element_bytes
from polystage.machine import Machine


@dataclass(frozen=True)
class FreeDim:
    """One free dimension of a buffer: the hull of one index of the array, or the iterations of one loop.

    ``factors`` are (loop, steps along the dimension for one iteration), ``strides`` (index, what one step adds to it).
    """

    factors: tuple[tuple[int, int], ...]
    strides: tuple[tuple[int, int], ...]

    def extent(self, sizes: Sequence[int]) -> int:
        """Steps that a tile of these sizes spans."""
        return 1 + sum(abs(factor) * (sizes[loop] - 1) for loop, factor in self.factors)

    def least(self, sizes: Sequence[int]) -> int:
        """Offset of the first element relative to the tile's origin, in steps."""
        return sum(factor * (sizes[loop] - 1) for loop, factor in self.factors if factor < 0)


@dataclass(frozen=True)
class TileBuffer:
    """The on-chip buffer of one access.

    ``loops`` are those whose tile position changes the contents, or in a recurrence what other iterations see of them.
    ``lane`` is the loop across its lanes, or None for one lane; ``replicated``: the element does not depend on the
    lane loop, every lane holds a copy. ``loaded``/``stored``: it is filled before use, written back after.
    """

    access: Access
    loops: frozenset[int]
    element: ir.Type
    lane: int | None
    replicated: bool
    free: tuple[FreeDim, ...]
    loaded: bool
    stored: bool

    @property
    def blocked(self) -> bool:
        """Whether it has a dimension for blocks of lanes."""
        return self.lane is not None and not self.replicated

    def shape(self, sizes: Sequence[int], blocks: Mapping[int, int]) -> tuple[int, ...]:
        """Lanes, blocks of lanes where there is more than one, free extents."""
        free = tuple(dim.extent(sizes) for dim in self.free)
        if self.lane is None:
            return (1, *free)
        lanes, count = _split(sizes[self.lane], blocks[self.lane])
        return (lanes, count, *free) if self.blocked and count > 1 else (lanes, *free)

    def bytes_per_lane(self, sizes: Sequence[int], blocks: Mapping[int, int]) -> int:
        """Unaligned bytes on each lane."""
        return prod(self.shape(sizes, blocks)[1:]) * element_bytes(self.element)

    def elements(self, sizes: Sequence[int], blocks: Mapping[int, int]) -> int:
        """Elements that one transfer of the buffer moves."""
        lanes = sizes[self.lane] if self.lane is not None else 1
        return lanes * _elements(self.free, sizes)


def _split(size: int, block: int) -> tuple[int, int]:
    return min(size, block), ceil(size / block)


@dataclass(frozen=True)
class NestTiling:
    """What staging a nest needs to know: its buffers, temporaries and the loops that may be tiled.

    ``blocks`` gives the lane loops with the most lanes each may take; ``single`` the loops that must be tiled by one
    in program order.
    """

    nest: Nest
    implementation: Implementation
    buffers: tuple[TileBuffer, ...]
    selection: Selection | None
    blocks: Mapping[int, int]
    single: frozenset[int]
    alignment: int

    def demand(self, sizes: Sequence[int]) -> int:
        """Bytes per lane of SBUF that a tile needs, alignment and temporaries included."""
        total = sum(self._align(buffer.bytes_per_lane(sizes, self.blocks)) for buffer in self.buffers)
        lane = self.implementation.lane
        blocks = 1 if lane is None else ceil(sizes[lane] / self.blocks[lane])
        return total + sum(self._align(slot.bytes(sizes, blocks)) for slot in self.slots)

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """Temporaries that the instructions of the nest need."""
        return extra_slots(self.nest, self.implementation, self.selection)

    def _align(self, size: int) -> int:
        return ceil(size / self.alignment) * self.alignment


def depth_of(loops: frozenset[int], trips: Sequence[int], order: Sequence[int]) -> int:
    """How many of the tile loops, outermost first, enclose a transfer that depends on ``loops``."""
    return max((at + 1 for at, loop in enumerate(order) if loop in loops and trips[loop] > 1), default=0)


def tiling_of(nest: Nest, implementation: Implementation, machine: Machine) -> NestTiling:
    """Everything about staging a nest that does not depend on tile sizes."""
    blocks: dict[int, int] = {}
    if implementation.lane is not None:
        contracts = implementation.kind == "contraction"
        blocks[implementation.lane] = min(machine.lanes, machine.matrix.rows) if contracts else machine.lanes
    if implementation.rows is not None:
        blocks[implementation.rows] = min(machine.lanes, machine.matrix.columns)
    return NestTiling(
        nest=nest,
        implementation=implementation,
        buffers=tuple(_buffers(nest, implementation)),
        selection=selection_of(nest, implementation),
        blocks=blocks,
        single=sequential(nest),
        alignment=machine.alignment,
    )


def lane_of_result(nest: Nest, implementation: Implementation) -> int | None:
    """The loop across the lanes of the stored array's buffer."""
    if implementation.kind == "contraction":
        return implementation.rows
    return None if implementation.lane in nest.reduced else implementation.lane


def _buffers(nest: Nest, implementation: Implementation) -> Iterator[TileBuffer]:
    stored = None if nest.store.indirect else nest.store.access
    accumulates = any(
        isinstance(node := nest.nodes[number], Load) and node.access == stored for number in nest.self_loads
    )
    seen = set[Access]()
    for node in nest.nodes:
        if isinstance(node, Load) and node.access != stored and node.access not in seen:
            seen.add(node.access)
            yield _buffer(nest, node.access, implementation.lane, loaded=True)
    if stored is not None:
        yield _buffer(nest, stored, lane_of_result(nest, implementation), loaded=accumulates, stored=True)


def _buffer(nest: Nest, access: Access, lane: int | None, *, loaded: bool = False, stored: bool = False) -> TileBuffer:
    element = ir.MemRefType(access.array.type).element_type
    replicated = lane is not None and lane not in access.support
    by_loop, by_index = tuple(_dims_by_loop(access, lane)), tuple(_dims_by_index(access, lane))
    free = by_index
    # what is written back are the elements that the nest stores, and no gap between them
    if stored or _elements(by_loop, nest.extents) < _elements(by_index, nest.extents):
        free = by_loop
    loops = access.support
    if access.array == nest.store.array:
        loops |= recurrence(nest)
    return TileBuffer(access, loops, element, lane, replicated, free, loaded, stored)


def _dims_by_index(access: Access, lane: int | None) -> Iterator[FreeDim]:
    for position, index in enumerate(access.indices):
        factors = {loop: factor for loop, factor in enumerate(index.dims) if factor and loop != lane}
        if factors:
            stride = gcd(*factors.values())
            yield FreeDim(tuple((loop, f // stride) for loop, f in factors.items()), ((position, stride),))


def _dims_by_loop(access: Access, lane: int | None) -> Iterator[FreeDim]:
    for loop in sorted(access.support - {lane}):
        strides = [(position, index.dims[loop]) for position, index in enumerate(access.indices)]
        yield FreeDim(((loop, 1),), tuple((position, stride) for position, stride in strides if stride))


def _elements(dims: Sequence[FreeDim], sizes: Sequence[int]) -> int:
    return prod(dim.extent(sizes) for dim in dims)


def selection_of(nest: Nest, implementation: Implementation) -> Selection | None:
    """The instructions of the nest's body; None for a contraction, which is one ``matmul``."""
    if implementation.kind == "contraction":
        return None
    free = frozenset(range(len(nest.extents))) - {implementation.lane}
    if implementation.kind == "reduce":
        reduction = reduction_of(nest)
        assert reduction is not None
        return select(nest, reduction.operand, lane=implementation.lane, result=None, loops=free)
    loops = frozenset(d for d in free if d in nest.parallel or nest.extents[d] == 1)
    if nest.store.indirect:
        return select(nest, nest.store.value, lane=implementation.lane, result=None, loops=loops)
    element = ir.MemRefType(nest.store.array.type).element_type
    return select(nest, nest.store.value, lane=implementation.lane, result=element, loops=loops)


def extra_slots(nest: Nest, implementation: Implementation, selection: Selection | None) -> tuple[Slot, ...]:
    """Temporaries of the body and, for reductions, the partial result and the column of ones."""
    if selection is None:
        return ()
    slots = selection.slots
    if implementation.kind == "reduce":
        f32 = ir.F32Type.get()
        kept = frozenset(d for d in nest.parallel if d != implementation.lane)
        type_ = nest.nodes[nest.store.value].type
        spread = implementation.lane in nest.parallel
        slots += (Slot(f32 if is_float(type_) else type_, kept, spread),)
        if implementation.lane in nest.reduced:
            slots += (Slot(f32, frozenset(), False),)
    return slots
