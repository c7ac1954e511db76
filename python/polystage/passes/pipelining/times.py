"""How long instructions of an npu program take, for ``pipeline-dma``: engine time before each gap, time of transfers.

Estimates from the sizes in the program text and the rates of the target; waits are not among them. Transfers count what
the DMA engines are occupied for, not their latency, which others overlap.
"""

from collections.abc import Mapping
from math import prod

from torch_mlir import ir

from polystage.analysis.costs import occupied_ns
from polystage.dialects import npu
from polystage.dialects.npu.linear import rows
from polystage.machine import Machine
from polystage.passes.pipelining.accesses import counts_of
from polystage.passes.pipelining.blocks import Block, Flight, Item

_PER_LANE = frozenset({"bias", "scale", "scalar", "scalar0", "scalar1"})


def times_of(block: Block, machine: Machine) -> list[float]:
    """Engine time in ns before each gap of a block, as if every engine worked without waiting."""
    busy: dict[str, float] = {}
    times = [0.0]
    for item in block.items:
        for engine, ns in item_ns(item, machine).items():
            busy[engine] = busy.get(engine, 0.0) + ns
        times.append(max(busy.values(), default=0.0))
    return times


def flight_ns(flight: Flight, machine: Machine) -> float:
    """Time in ns for which a transfer that the block starts occupies the DMA engines; 0 for another one."""
    if flight.start is None:
        return 0.0
    instruction = npu.decode(flight.start)
    source, target = instruction.memrefs[0], instruction.memrefs[1]
    size = npu.element_bytes(ir.MemRefType(source.type).element_type)
    total, run = prod(instruction.sizes) * size, 1
    there, here = (_strides(memref, access) for memref, access in zip((source, target), instruction.maps, strict=False))
    for a, b, extent in sorted(zip(there, here, instruction.sizes, strict=False)):  # looked-up indices come behind
        if extent > 1 and (a, b) == (run, run):
            run *= extent
    return occupied_ns(total, run * size, machine)


def _strides(memref: ir.Value, access: ir.AffineMap) -> list[int]:
    """Elements that each dimension of a box moves inside its lane; 0 where it changes the lane or is looked up."""
    type_ = ir.MemRefType(memref.type)
    linear = rows(access)
    assert linear is not None, "the verifier takes linear maps only"
    on_chip = npu.memory_of(type_) != "dram"
    strides = [prod(type_.shape[k + 1 :]) for k in range(type_.rank)]
    moved = [sum(row.dims[d] * s for row, s in zip(linear, strides, strict=True)) for d in range(access.n_dims)]
    return [0 if on_chip and linear[0].dims[d] else step for d, step in enumerate(moved)]


def item_ns(item: Item, machine: Machine) -> Mapping[str, float]:
    """Time in ns for which an item occupies each engine."""
    if item.body is None:
        instruction = npu.decode(item.op)
        return {instruction.engine: _instruction_ns(instruction, machine)}
    found: dict[str, float] = {}
    for inner in item.body.items:
        for engine, ns in item_ns(inner, machine).items():
            found[engine] = found.get(engine, 0.0) + ns * len(counts_of(item.op))
    return found


def _instruction_ns(instruction: npu.Instruction, machine: Machine) -> float:
    sizes = instruction.sizes
    if instruction.engine == "tensor":
        columns = prod(sizes[2:]) if instruction.op == "matmul" else sizes[0]
        element = str(ir.MemRefType(instruction.memrefs[1].type).element_type)
        return max(columns, machine.matrix.min_cycles) * machine.cycle_factor(element) / machine.matrix.clock_ghz
    engine = machine.engine(instruction.engine)
    inputs = sum(instruction.roles[k] not in _PER_LANE for k in instruction.reads)
    per_lane = engine.elements_per_cycle / machine.lanes
    return (prod(sizes[1:]) * max(1, inputs) / per_lane + engine.fixed_cycles) / engine.clock_ghz
