"""Modelled time of an executed program: each instruction on its engine, in program order.

The model. One stream issues instructions in order; ``dma_wait`` holds it until its transfer is done. Each compute
engine takes its instructions in order, one at a time; transfers run one after the other, since one transfer already
spreads over all DMA engines. An instruction starts when it is issued, its engine is free, and the buffers it touches
are ready: read after write, write after read and write after write, between buffers that share addresses as well.

The costs. ``matmul``: max(N, least) cycles for N moving columns x the factor of the element type, plus loading the
stationary operand; ``transpose`` is a product with the identity, whose N is the lanes of its source. Vector, scalar and
gpsimd engines: elements per lane x inputs that are whole tensors / rate, plus a fixed part. A transfer: a fixed part
plus bytes / bandwidth, which falls with the size of its descriptors; a descriptor is a run of bytes that lies
contiguous at both ends, so that each lane has its own. Sources: TARGETS.md and the target's own file.
"""

from collections import Counter as Tally
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from polystage.interp.core import Operand, Site
from polystage.interp.memory import Array, Buffer, Memory
from polystage.machine import Machine


@dataclass(frozen=True)
class Times:
    """Microseconds on the modelled machine; ``busy_us`` by engine.

    ``compute_bound_us`` is the matrix engine's work at peak rate, ``dram_bound_us`` the compulsory bytes at the DRAM's
    bandwidth: no schedule is faster than either.
    """

    modelled_us: float
    busy_us: dict[str, float]
    compute_bound_us: float
    dram_bound_us: float


@dataclass
class _Ready:
    """When the last write to a buffer and the last read of it are done, in microseconds."""

    written: float = 0.0
    read: float = 0.0


class Timeline:
    """Listener that plays the executed instructions on the engines of ``machine``."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._issue = 0.0
        self._end = 0.0
        self._free: dict[str, float] = {}
        self._busy: dict[str, float] = {}
        self._macs: Tally[str] = Tally()
        self._costs: dict[Site, float] = {}
        self._ready: dict[Memory, dict[Buffer, _Ready]] = {}
        self._landing: dict[int, float] = {}

    def __call__(self, site: Site, views: Sequence[Array], transfer: int) -> None:
        """Play one executed instruction."""
        if site.op == "dma_wait":
            self._issue = max(self._issue, self._landing.pop(transfer))
            return
        cost = self._costs.get(site)
        if cost is None:
            cost = self._costs[site] = self._cost(site, views)
        start = max(self._issue, self._free.get(site.engine, 0.0), self._inputs_ready(site.operands))
        end = start + cost
        self._free[site.engine] = end
        self._busy[site.engine] = self._busy.get(site.engine, 0.0) + cost
        self._end = max(self._end, end)
        if transfer >= 0:
            self._landing[transfer] = end
        for operand in site.operands:
            ready = self._ready[operand.buffer.memory][operand.buffer]
            if operand.kind == "write":
                ready.written = max(ready.written, end)
            else:
                ready.read = max(ready.read, end)
        if site.op == "matmul":
            self._macs[site.operands[0].element] += views[0].size * prod(views[1].shape[1:])

    def times(self, compulsory_bytes: int) -> Times:
        """The times so far; ``compulsory_bytes`` are the DRAM bytes that any schedule moves."""
        matrix = self.machine.matrix
        compute = sum(2 * macs / (matrix.tflops(dtype) * 1e6) for dtype, macs in self._macs.items())
        dram = compulsory_bytes / self.machine.dram.bytes_per_s * 1e6
        return Times(self._end, dict(sorted(self._busy.items())), compute, dram)

    def _inputs_ready(self, operands: Sequence[Operand]) -> float:
        latest = 0.0
        for operand in operands:
            known = self._ready.setdefault(operand.buffer.memory, {})
            ready = known.get(operand.buffer) or _enter(known, operand.buffer)
            latest = max(latest, ready.written)
            if operand.kind == "write":
                latest = max(latest, ready.read)
        return latest

    def _cost(self, site: Site, views: Sequence[Array]) -> float:
        if site.engine == "dma":
            return self._transfer_us(site, views)
        if site.engine == "tensor":
            return self._matrix_us(site, views)
        return self._lanes_us(site, views)

    def _lanes_us(self, site: Site, views: Sequence[Array]) -> float:
        engine = self.machine.engine(site.engine)
        free = [prod(view.shape[1:]) for view in views]
        elements = max(free)
        reads = [size for size, operand in zip(free, site.operands, strict=True) if operand.kind == "read"]
        inputs = max(1, reads.count(elements))
        per_lane = min(engine.rate(operand.element) for operand in site.operands) / self.machine.lanes
        return (elements * inputs / per_lane + engine.fixed_cycles) / engine.clock_ghz / 1e3

    def _matrix_us(self, site: Site, views: Sequence[Array]) -> float:
        matrix = self.machine.matrix
        columns = prod(views[1].shape[1:]) if site.op == "matmul" else views[0].shape[0]
        factor = matrix.cycle_factor.get(site.operands[0].element, max(matrix.cycle_factor.values()))
        cycles = max(columns, matrix.min_cycles) * factor + matrix.stationary_load_cycles
        return cycles / matrix.clock_ghz / 1e3

    def _transfer_us(self, site: Site, views: Sequence[Array]) -> float:
        dma = self.machine.dma
        size = views[0].nbytes
        descriptors = _descriptors(views[0], views[1])
        engines = min(dma.engines, descriptors)
        rate = engines * dma.bytes_per_s_per_engine * dma.efficiency_at(size / descriptors)
        return dma.fixed_ns / 1e3 + size / min(rate, self.machine.dram.bytes_per_s) * 1e6


def _descriptors(source: Array, target: Array) -> int:
    """Number of runs that lie contiguous in both views; the lanes of a memory are never next to each other."""
    run = source.itemsize
    for there, here, extent in sorted(zip(source.strides, target.strides, source.shape, strict=True)):
        if extent > 1:
            if (there, here) != (run, run):
                break
            run *= extent
    return source.nbytes // run


def _enter(known: dict[Buffer, _Ready], buffer: Buffer) -> _Ready:
    """``buffer`` takes its addresses over from the buffers that had them."""
    ready = _Ready()
    for other in [other for other in known if other.overlaps(buffer)]:
        before = known.pop(other)
        ready.written = max(ready.written, before.written, before.read)
    known[buffer] = ready
    return ready
