"""Tile buffers of a nest: what each access needs on chip for a tile, what all of it takes, what it moves.

A *tile* is a box of the nest's iterations, given by one size per loop. The buffer of an access holds the footprint of
the tile: lanes by the loop that the implementation puts there, then free dimensions, one for each of the other loops or
one for each index, whichever is less. All numbers here are exact; ``stage`` allocates exactly these shapes.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from math import ceil, gcd, prod
from types import MappingProxyType

from torch_mlir import ir

from polystage.analysis.covering import EngineCosts
from polystage.analysis.implementation import Implementation
from polystage.analysis.layouts import Layout, is_direct
from polystage.analysis.nests import Access, Linear, Load, Nest, with_forms
from polystage.analysis.reductions import recurrence, reduction_of, sequential
from polystage.analysis.selection import Selection, Slot, is_float, select
from polystage.analysis.sums import columns_of
from polystage.dialects.npu import element_bytes, memory_of
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
    lane loop, every lane holds a copy; ``lanes`` do where there is no lane loop. ``loaded``/``stored``: it is filled
    before use, written back after.
    """

    access: Access
    loops: frozenset[int]
    element: ir.Type
    lane: int | None
    replicated: bool
    free: tuple[FreeDim, ...]
    loaded: bool
    stored: bool
    lanes: int = 1

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
        lanes = sizes[self.lane] if self.lane is not None else self.lanes
        return lanes * _elements(self.free, sizes)


def _split(size: int, block: int) -> tuple[int, int]:
    return min(size, block), ceil(size / block)


@dataclass(frozen=True)
class NestTiling:
    """What staging a nest needs to know: its buffers, temporaries and the loops that may be tiled.

    ``blocks`` gives the lane loops with the most lanes each may take; ``single`` the loops that must be tiled by one
    in program order; ``filling`` the bytes per lane that an instruction which fills a buffer needs besides.
    """

    nest: Nest
    implementation: Implementation
    buffers: tuple[TileBuffer, ...]
    blocks: Mapping[int, int]
    single: frozenset[int]
    whole: frozenset[int]
    alignment: int
    costs: EngineCosts
    filling: int
    # by pattern of loops; only remembers
    _slots: dict[tuple[bool, ...], tuple[Slot, ...]] = field(default_factory=dict[tuple[bool, ...], tuple[Slot, ...]])

    def demand(self, sizes: Sequence[int]) -> int:
        """Bytes per lane of SBUF that a tile needs, alignment and temporaries included."""
        total = sum(self._align(buffer.bytes_per_lane(sizes, self.blocks)) for buffer in self.buffers)
        return total + self.temporaries(sizes)

    def parts(self, sizes: Sequence[int]) -> Iterator[int]:
        """Bytes per lane of what ``demand`` adds up: each buffer, and all temporaries together."""
        yield from (buffer.bytes_per_lane(sizes, self.blocks) for buffer in self.buffers)
        yield self.temporaries(sizes)

    def temporaries(self, sizes: Sequence[int]) -> int:
        """Bytes per lane of the temporaries of the point nest that takes most, or of filling its buffers before.

        Which instructions cover a body depends on the loops that the point nest has: those of one trip are gone, and a
        lane loop of several blocks is two. Remainder tiles and blocks may differ in that.
        """
        if self.implementation.kind == "contraction":
            return self._align(self.filling)
        shapes = product(*(self._shapes(loop, size) for loop, size in enumerate(sizes)))
        return max(self._align(self.filling), *(self._temporaries(PointLoops(shape)) for shape in shapes))

    def _shapes(self, loop: int, size: int) -> Iterator[tuple[int, int]]:
        """Blocks and iterations in each, for whole tiles and remainders; of those that have the same loops the most."""
        block = self.blocks.get(loop, self.nest.extents[loop])
        most: dict[tuple[bool, bool], tuple[int, int]] = {}
        for tile in (size, self.nest.extents[loop] % size):
            for count, extent in ((tile // block, block), (1, tile % block)):
                if count and extent:
                    key = (count > 1, extent > 1)
                    before = most.get(key, (1, 1))
                    most[key] = (max(before[0], count), max(before[1], extent))
        yield from most.values()

    def _temporaries(self, loops: "PointLoops") -> int:
        if loops.pattern not in self._slots:
            nest, implementation = loops.nest(self.nest), loops.implementation(self.implementation)
            self._slots[loops.pattern] = extra_slots(
                nest, implementation, selection_of(nest, implementation, self.costs)
            )
        sizes = [
            1 if self.implementation.kind == "fold" and loop in self.nest.reduced else extent
            for loop, _, extent, _ in loops.kept
        ]
        return sum(self._align(slot.bytes(sizes)) for slot in self._slots[loops.pattern])

    def _align(self, size: int) -> int:
        return ceil(size / self.alignment) * self.alignment


@dataclass(frozen=True)
class PointLoops:
    """The loops of a point nest: ``shapes`` gives for each loop of its nest the blocks and the iterations of each."""

    shapes: tuple[tuple[int, int], ...]

    @cached_property
    def kept(self) -> list[tuple[int, bool, int, int]]:
        """Those of more than one trip: loop of the nest, whether over its blocks, trips, iterations in each."""
        entries = [
            entry
            for loop, (count, size) in enumerate(self.shapes)
            for entry in ((loop, True, count, size), (loop, False, size, 1))
        ]
        return [entry for entry in entries if entry[2] > 1]

    @property
    def pattern(self) -> tuple[bool, ...]:
        """Equal for point nests with the same loops."""
        return tuple(extent > 1 for shape in self.shapes for extent in shape)

    def implementation(self, whole: Implementation) -> Implementation:
        """The implementation of the nest as that of the point nest."""
        depth = {loop: k for k, (loop, over_blocks, _, _) in enumerate(self.kept) if not over_blocks}
        lane, rows = (None if loop is None else depth.get(loop) for loop in (whole.lane, whole.rows))
        return replace(whole, lane=lane, rows=rows)

    def nest(self, whole: Nest) -> Nest:
        """The point nest as a value, on the arrays of the nest: it depends on loops as the one on tile buffers does."""
        extents = tuple(extent for _, _, extent, _ in self.kept) or (1,)

        def form(index: Linear) -> Linear:
            dims = tuple(index.dims[loop] * factor for loop, _, _, factor in self.kept) or (0,)
            return Linear(index.const, dims, index.symbols)

        return with_forms(whole, extents, whole.symbols, form)


def depth_of(loops: frozenset[int], trips: Sequence[int], order: Sequence[int]) -> int:
    """How many of the tile loops, outermost first, enclose a transfer that depends on ``loops``."""
    return max((at + 1 for at, loop in enumerate(order) if loop in loops and trips[loop] > 1), default=0)


Placed = Mapping[ir.Value, Layout]
"""Arrays that are taken to be on chip, with their layouts."""


def tiling_of(
    nest: Nest,
    implementation: Implementation,
    machine: Machine,
    placed: Placed = MappingProxyType({}),
    sums: Collection[ir.Value] = (),
) -> NestTiling:
    """Everything about staging a nest that does not depend on tile sizes; NotSelectableError where it cannot be run.

    ``placed`` are arrays on chip besides those whose types say so, ``sums`` those of them that are in PSUM. The nest is
    replicated only where its result is in place on every lane; otherwise one lane computes it.
    """
    if implementation.replicated and not in_place(
        nest, implementation, nest.store.access, machine, placed, result=True
    ):
        implementation = replace(implementation, replicated=False)
    blocks: dict[int, int] = {}
    if implementation.lane is not None:
        contracts = implementation.kind == "contraction"
        blocks[implementation.lane] = min(machine.lanes, machine.matrix.rows) if contracts else machine.lanes
    if implementation.rows is not None:
        blocks[implementation.rows] = min(machine.lanes, machine.matrix.columns)
    costs = EngineCosts.of(machine)
    selection_of(nest, implementation, costs)
    buffers = tuple(_buffers(nest, implementation, machine, placed))
    in_psum = nest.store.array in sums or memory_of(nest.store.array.type) == "psum"
    banked = columns_of(nest, implementation) if in_psum else frozenset[int]()
    return NestTiling(
        nest=nest,
        implementation=implementation,
        buffers=buffers,
        blocks=blocks,
        single=sequential(nest),
        whole=frozenset(_crossing(nest, implementation, machine, placed)) - sequential(nest) | banked,
        alignment=machine.alignment,
        costs=costs,
        filling=max((_filling(buffer, placed) for buffer in buffers), default=0),
    )


def _filling(buffer: TileBuffer, placed: Placed) -> int:
    """Bytes of the one that is multiplied with what lies in one lane on chip to give it to all lanes."""
    array = buffer.access.array
    on_chip = array in placed or memory_of(array.type) == "sbuf"
    multiplied = buffer.replicated and buffer.loaded and on_chip and is_float(buffer.element)
    return element_bytes(buffer.element) if multiplied else 0


def _crossing(nest: Nest, implementation: Implementation, machine: Machine, placed: Placed) -> Iterator[int]:
    """Loops that move an array in place over blocks of lanes, and do not lie across them."""
    stored = None if nest.store.indirect else nest.store.access
    for access in (*nest.loads, *([] if stored is None else [stored])):
        result = access == stored
        if not in_place(nest, implementation, access, machine, placed, result=result):
            continue
        type_ = ir.MemRefType(access.array.type)
        layout = placed.get(access.array) or Layout.of(type_, machine.lanes)
        lane = lane_of_result(nest, implementation) if result else implementation.lane
        if layout.dim is not None and type_.shape[layout.dim] > layout.block:
            index = access.indices[layout.dim]
            yield from (loop for loop, factor in enumerate(index.dims) if loop != lane and factor % layout.block)


def lane_of_result(nest: Nest, implementation: Implementation) -> int | None:
    """The loop across the lanes of the stored array's buffer."""
    if implementation.kind == "contraction":
        return implementation.rows
    return None if implementation.lane in nest.reduced else implementation.lane


def in_place(
    nest: Nest, implementation: Implementation, access: Access, machine: Machine, placed: Placed, *, result: bool
) -> bool:
    """Whether instructions of that implementation access an array on chip where it lies."""
    type_ = ir.MemRefType(access.array.type)
    layout = placed.get(access.array)
    if layout is None and memory_of(type_) == "dram":
        return False
    layout = layout or Layout.of(type_, machine.lanes)
    lane = lane_of_result(nest, implementation) if result else implementation.lane
    if lane is None and (result or implementation.replicated):
        # every lane of a replicated nest reads what it holds itself, and only such a nest writes to every lane
        if layout.replicated != implementation.replicated:
            return False
        return layout.replicated or is_direct(access, None, 1, layout, machine)
    extent = 1 if lane is None else nest.extents[lane]
    others = [loop for loop in (implementation.lane, implementation.rows) if loop is not None]
    return is_direct(access, lane, extent, layout, machine, others=others)


def _buffers(nest: Nest, implementation: Implementation, machine: Machine, placed: Placed) -> Iterator[TileBuffer]:
    stored = None if nest.store.indirect else nest.store.access
    accumulates = any(
        isinstance(node := nest.nodes[number], Load) and node.access == stored for number in nest.self_loads
    )
    seen = set[Access]()
    for node in nest.nodes:
        if isinstance(node, Load) and node.access != stored and node.access not in seen:
            seen.add(node.access)
            if not in_place(nest, implementation, node.access, machine, placed, result=False):
                on_all = implementation.replicated and implementation.lane is None
                lanes = machine.lanes if on_all else 1
                yield _buffer(nest, node.access, implementation.lane, loaded=True, lanes=lanes)
    if stored is not None and not in_place(nest, implementation, stored, machine, placed, result=True):
        yield _buffer(nest, stored, lane_of_result(nest, implementation), loaded=accumulates, stored=True)


def _buffer(
    nest: Nest, access: Access, lane: int | None, *, loaded: bool = False, stored: bool = False, lanes: int = 1
) -> TileBuffer:
    element = ir.MemRefType(access.array.type).element_type
    replicated = lanes > 1 if lane is None else lane not in access.support
    by_loop, by_index = tuple(_dims_by_loop(access, lane)), tuple(_dims_by_index(access, lane))
    free = by_index
    # what is written back are the elements that the nest stores, and no gap between them
    if stored or _elements(by_loop, nest.extents) < _elements(by_index, nest.extents):
        free = by_loop
    loops = access.support
    if access.array == nest.store.array and recurrence(nest):
        loops |= sequential(nest)
    return TileBuffer(access, loops, element, lane, replicated, free, loaded, stored, lanes)


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


def selection_of(nest: Nest, implementation: Implementation, costs: EngineCosts) -> Selection | None:
    """The instructions of the nest's body; None for a contraction, which is one ``matmul``."""
    if implementation.kind == "contraction":
        return None
    free = frozenset(range(len(nest.extents))) - {implementation.lane, implementation.rows}
    if implementation.kind == "reduce":
        reduction = reduction_of(nest)
        assert reduction is not None
        return select(nest, reduction.operand, lane=implementation.lane, result=None, loops=free, costs=costs)
    loops = frozenset(d for d in free if d in nest.parallel or nest.extents[d] == 1)
    if nest.store.indirect:
        return select(nest, nest.store.value, lane=implementation.lane, result=None, loops=loops, costs=costs)
    element = ir.MemRefType(nest.store.array.type).element_type
    return select(nest, nest.store.value, lane=implementation.lane, result=element, loops=loops, costs=costs)


def extra_slots(nest: Nest, implementation: Implementation, selection: Selection | None) -> tuple[Slot, ...]:
    """Temporaries of the body and, for reductions, the partial result and the column of ones."""
    if selection is None:
        return ()
    slots = selection.slots
    if implementation.kind == "reduce":
        f32 = ir.F32Type.get()
        kept = frozenset(d for d in nest.parallel if d not in (implementation.lane, implementation.rows))
        type_ = nest.nodes[nest.store.value].type
        slots += (Slot(f32 if is_float(type_) else type_, kept),)
        if implementation.lane in nest.reduced or implementation.replicated:
            slots += (Slot(f32, frozenset()),)
    return slots
