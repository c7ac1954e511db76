"""Modelled time of one nest, engines and transfers, in ns: the one cost function of bank mapping and staging.

Engine time follows the target's rules (moving columns, least cycles, fixed cycles per instruction); transfer time is a
fixed cost plus bytes over the bandwidth that descriptors of the contiguous run reach. Nothing overlaps.

Not modelled: bank conflicts between engines, and runs that continue over several dimensions of an array.
"""

from collections.abc import Sequence
from math import ceil, inf, prod

from torch_mlir import ir

from polystage.analysis.expressions import is_float
from polystage.analysis.implementation import Implementation
from polystage.analysis.nests import Access, Gather, Linear, Load, Nest
from polystage.analysis.reductions import Product, cone, product_of, reduction_of
from polystage.analysis.tiling import NestTiling, TileBuffer, depth_of
from polystage.dialects.npu import element_bytes
from polystage.machine import Machine


def factor_accesses(nest: Nest, product: Product) -> tuple[Access, Access]:
    """The accesses of the two factors of a product."""
    lhs, rhs = nest.nodes[product.lhs], nest.nodes[product.rhs]
    assert isinstance(lhs, Load)
    assert isinstance(rhs, Load)
    return lhs.access, rhs.access


def engine_ns(nest: Nest, chosen: Implementation, sizes: Sequence[int], machine: Machine) -> float:
    """Engine time of one tile of these sizes."""
    if chosen.kind == "contraction":
        return _matrix_ns(nest, chosen, sizes, machine)
    lane = 1 if chosen.lane is None else sizes[chosen.lane]
    blocks = ceil(lane / machine.lanes)
    steps = prod(sizes) // lane * blocks
    reduced = prod(sizes[d] for d in nest.reduced if d != chosen.lane)
    instructions = blocks * max(1, len(nest.nodes) - len(nest.loads)) * (reduced if chosen.kind == "fold" else 1)
    operands = 2 if chosen.kind == "fold" or (chosen.kind == "reduce" and not reads_directly(nest)) else 1
    vector = machine.vector
    across = _across_ns(nest, sizes, machine) if chosen.lane in nest.reduced else 0.0
    gathered = sum(
        gather_ns(nest, node, chosen.lane, sizes, machine) for node in nest.nodes if isinstance(node, Gather)
    )
    return (steps * operands + instructions * vector.fixed_cycles) / vector.clock_ghz + across + gathered


def gather_ns(nest: Nest, node: Gather, lane: int | None, sizes: Sequence[int], machine: Machine) -> float:
    """Time of the indirect transfer of one tile: a run of its last index is one descriptor, but for the lanes' own."""
    size, last = element_bytes(node.type), node.indices[-1]
    loops = frozenset[int]().union(*(index.support for index in node.indices if isinstance(index, Linear)))
    chosen = [number for number in node.indices if isinstance(number, int)]
    for number in (k for each in chosen for k in cone(nest, each)):
        source = nest.nodes[number]
        loops |= source.access.support if isinstance(source, Load) else frozenset()
    run = 1
    if isinstance(last, Linear):
        run = prod(sizes[d] for d, factor in enumerate(last.dims) if factor == 1 and d != lane)
    return move_ns(prod(sizes[d] for d in loops) * size, run * size, machine)


def _across_ns(nest: Nest, sizes: Sequence[int], machine: Machine) -> float:
    """Time of summing over lanes: a product of the partial sums, one column each, with ones; then it is copied."""
    matrix, kept = machine.matrix, prod(sizes[d] for d in nest.parallel)
    columns = max(kept, matrix.min_cycles) * matrix.cycle_factor.get("f32", 1.0)
    return (columns + matrix.stationary_load_cycles) / matrix.clock_ghz + kept / machine.vector.clock_ghz


def reads_directly(nest: Nest) -> bool:
    """Whether the reduced value is a load, so that no temporary is needed."""
    reduction = reduction_of(nest)
    return reduction is not None and isinstance(nest.nodes[reduction.operand], Load)


def _matrix_ns(nest: Nest, chosen: Implementation, sizes: Sequence[int], machine: Machine) -> float:
    reduction = reduction_of(nest)
    product = product_of(nest, reduction) if reduction is not None else None
    assert product is not None
    assert chosen.lane is not None
    factors = factor_accesses(nest, product)
    stationary, moving = factors[chosen.stationary], factors[1 - chosen.stationary]
    matrix = machine.matrix
    moved = prod(sizes[d] for d in moving.support & nest.parallel if d not in stationary.support)
    rows = 1 if chosen.rows is None else sizes[chosen.rows]
    inner = sizes[chosen.lane] * rows * moved
    passes = ceil(sizes[chosen.lane] / matrix.rows) * ceil(rows / matrix.columns) * (prod(sizes) // inner)
    whole, rest = divmod(moved, machine.max_moving_f32)
    columns = whole * machine.max_moving_f32 + (max(rest, matrix.min_cycles) if rest else 0)
    instructions = whole + bool(rest)
    node = nest.nodes[product.lhs]
    assert isinstance(node, Load)
    cycles = passes * (columns * machine.cycle_factor(str(node.type)) + instructions * matrix.stationary_load_cycles)
    blocks = ceil(rows / min(machine.lanes, matrix.columns))
    boxes = prod(sizes[d] for d in nest.parallel) // (rows * moved) * blocks
    # sums start in PSUM and leave it once: nothing is added to the result
    drained = boxes * (moved + instructions * machine.vector.fixed_cycles)
    return cycles / matrix.clock_ghz + drained / machine.vector.clock_ghz


def move_ns(size: int, run: int, machine: Machine) -> float:
    """Time of one transfer of ``size`` bytes in runs of ``run`` contiguous bytes, on chip or to and from DRAM."""
    return machine.dma.fixed_ns + occupied_ns(size, run, machine)


def occupied_ns(size: int, run: int, machine: Machine) -> float:
    """Time for which such a transfer occupies the DMA engines: one for each run, as many as there are."""
    engines = max(1, min(machine.dma.engines, size // max(1, run)))
    rate = engines * machine.dma.bytes_per_s_per_engine * machine.dma.efficiency_at(run)
    return size / min(rate, machine.dram.bytes_per_s) * 1e9


def copy_ns(elements: int, machine: Machine) -> float:
    """Time of copying that many elements on each lane."""
    instructions = ceil(elements / machine.vector.max_free_elements_sbuf)
    return (elements + instructions * machine.vector.fixed_cycles) / machine.vector.clock_ghz


def transpose_ns(lanes: int, blocks: int, element: ir.Type, machine: Machine) -> float:
    """Time of exchanging the lanes of that many blocks, of so many lanes each, through PSUM."""
    matrix = machine.matrix
    cycles = max(lanes, matrix.min_cycles) * machine.cycle_factor(str(element)) + matrix.stationary_load_cycles
    banks = ceil(blocks * lanes * element_bytes(element) / machine.psum.bytes_per_bank)
    return blocks * cycles / matrix.clock_ghz + _drain_ns(blocks * lanes, banks, machine)


def exchange_ns(lanes: int, rows: int, others: int, element: ir.Type, machine: Machine) -> float:
    """Time of a copy with ``rows`` elements on the lanes of one with ``lanes``, ``others`` such planes of them, by the
    matrix engine; infinite where it does not take the type.
    """
    if str(element) not in machine.matrix.cycle_factor:
        return inf
    most = min(machine.matrix.rows, machine.psum.bytes_per_bank // element_bytes(element))
    blocks = others * ceil(lanes / most) * ceil(rows / machine.matrix.columns)
    return transpose_ns(min(lanes, most), blocks, element, machine)


def broadcast_ns(elements: int, element: ir.Type, machine: Machine) -> float:
    """Time of giving many lanes the elements of one, by products with a one; infinite where those are not exact."""
    matrix = machine.matrix
    if str(element) not in matrix.cycle_factor or not is_float(element):
        return inf
    products = ceil(elements / machine.max_moving_f32)
    columns = max(elements, products * matrix.min_cycles) * machine.cycle_factor(str(element))
    cycles = columns + products * matrix.stationary_load_cycles
    # one more instruction writes the one
    return cycles / matrix.clock_ghz + _drain_ns(elements, products + 1, machine)


def _drain_ns(elements: int, instructions: int, machine: Machine) -> float:
    """Time of copying what PSUM holds of each lane."""
    return (elements + instructions * machine.vector.fixed_cycles) / machine.vector.clock_ghz


def transfer_ns(buffer: TileBuffer, tiling: NestTiling, sizes: Sequence[int], machine: Machine) -> float:
    """Time of filling or emptying one tile buffer once."""
    size = element_bytes(buffer.element)
    moved = buffer.elements(sizes, tiling.blocks) * size
    efficiency = machine.dma.efficiency_at(run_elements(buffer, sizes) * size)
    return machine.dma.fixed_ns + moved / (machine.dma.bytes_per_s * efficiency) * 1e9


def run_elements(buffer: TileBuffer, sizes: Sequence[int]) -> int:
    """Contiguous elements of the array that one descriptor covers."""
    last = len(buffer.access.indices) - 1
    return max((dim.extent(sizes) for dim in buffer.free if dim.strides == ((last, 1),)), default=1)


def nest_ns(tiling: NestTiling, sizes: Sequence[int], order: Sequence[int], machine: Machine) -> float:
    """Time of the whole nest with these tile sizes and this order of tile loops."""
    trips = [ceil(extent / size) for extent, size in zip(tiling.nest.extents, sizes, strict=True)]
    total = prod(trips) * engine_ns(tiling.nest, tiling.implementation, sizes, machine)
    for buffer in tiling.buffers:
        times = prod(trips[loop] for loop in order[: depth_of(buffer.loops, trips, order)])
        total += times * (buffer.loaded + buffer.stored) * transfer_ns(buffer, tiling, sizes, machine)
    return total
