"""How long instructions take on their engines, from the sizes of what they touch and the rates of the target.

- ``matmul``: max(N, least) cycles for N moving columns times the factor of the element type; ``transpose`` is a product
  with the identity, whose N is the lanes of its source. Loading the stationary operand comes on top and may overlap
  with the product before.
- Vector, scalar and gpsimd engines: elements per lane times the inputs that are whole tensors over the rate, plus a
  fixed part.
- A transfer occupies as many DMA engines as it has descriptors, at most all of them, for its bytes over their
  bandwidth, which falls with the size of the descriptors; a descriptor is a run of bytes that lies contiguous at both
  ends, so that each lane has its own. What it moves in DRAM occupies the DRAM for those bytes over its bandwidth.

Sources: TARGETS.md and the target's own file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from polystage.interp.core import Site
from polystage.interp.memory import Array
from polystage.machine import Machine


@dataclass(frozen=True)
class Work:
    """One instruction of a compute engine.

    ``load_us`` is for the stationary operand, which is operand 0; ``lanes`` is the share of the lanes that work, for
    the matrix engine the share of its rows x columns.
    """

    us: float
    load_us: float
    lanes: float


@dataclass(frozen=True)
class Load:
    """One transfer: the DMA engines it occupies, for how long, and for how long the DRAM."""

    engines: int
    us: float
    dram_us: float


def work_of(site: Site, views: Sequence[Array], machine: Machine) -> Work:
    """The work of an instruction that touches ``views``, in the order of its operands."""
    return _matrix(site, views, machine) if site.engine == "tensor" else _by_lanes(site, views, machine)


def _by_lanes(site: Site, views: Sequence[Array], machine: Machine) -> Work:
    engine = machine.engine(site.engine)
    free = [prod(view.shape[1:]) for view in views]
    elements = max(free)
    reads = [size for size, operand in zip(free, site.operands, strict=True) if operand.kind == "read"]
    inputs = max(1, reads.count(elements))
    per_lane = min(engine.rate(operand.element) for operand in site.operands) / machine.lanes
    cycles = elements * inputs / per_lane + engine.fixed_cycles
    return Work(cycles / engine.clock_ghz / 1e3, 0.0, max(len(view) for view in views) / machine.lanes)


def _matrix(site: Site, views: Sequence[Array], machine: Machine) -> Work:
    matrix, stationary = machine.matrix, views[0]
    columns = prod(views[1].shape[1:]) if site.op == "matmul" else len(stationary)
    factor = matrix.cycle_factor.get(site.operands[0].element, max(matrix.cycle_factor.values()))
    cycles = max(columns, matrix.min_cycles) * factor
    to_us = 1 / matrix.clock_ghz / 1e3
    return Work(cycles * to_us, matrix.stationary_load_cycles * to_us, stationary.size / matrix.rows / matrix.columns)


def load_of(site: Site, views: Sequence[Array], machine: Machine) -> Load:
    """The load of a transfer from ``views[0]`` to ``views[1]``."""
    dma, size = machine.dma, views[0].nbytes
    descriptors = _descriptors(views[0], views[1])
    engines = min(dma.engines, descriptors)
    rate = engines * dma.bytes_per_s_per_engine * dma.efficiency_at(size / descriptors)
    in_dram = sum(view.nbytes for view, operand in zip(views, site.operands, strict=True) if operand.memory == "dram")
    return Load(engines, size / rate * 1e6, in_dram / machine.dram.bytes_per_s * 1e6)


def _descriptors(source: Array, target: Array) -> int:
    """Number of runs that lie contiguous in both views; the lanes of a memory are never next to each other.

    Rows that a gather or scatter chooses have stride 0 here: each of them is a run of its own.
    """
    run = source.itemsize
    for there, here, extent in sorted(zip(source.strides, target.strides, source.shape, strict=True)):
        if extent > 1 and (there, here) == (run, run):
            run *= extent
    return source.nbytes // run
