"""The DMA of one core: queues, engines, and the DRAM behind them, as servers that transfers occupy one after another.

A transfer takes the queue that is free first and holds it until its data have landed, so that at most as many
transfers are in flight as there are queues. After the fixed latency, which those of other transfers overlap, its data
take the DMA engines that are free first: all of them where it has as many descriptors, else one for each. So transfers
that use all engines share the bandwidth by turns. The DRAM serves in the same order at its own bandwidth; a transfer
that stays on chip does not use it.

Not modelled: conflicts of DRAM banks, turning the DRAM bus around, and the difference between reading and writing.
"""

from dataclasses import dataclass

from polystage.interp.durations import Load
from polystage.machine import Machine


@dataclass(frozen=True)
class Flight:
    """When a transfer leaves the issuing stream, and when its data have landed, in microseconds."""

    queue: int
    begin: float
    landed: float


class Channels:
    """Queues and engines; ``busy_us`` is what has been carried, counted as time of all engines together."""

    def __init__(self, machine: Machine) -> None:
        self.busy_us = 0.0
        self._fixed = machine.dma.fixed_ns / 1e3
        self._queues = [0.0] * machine.dma.queues
        self._engines = [0.0] * machine.dma.engines
        self._dram = 0.0

    def carry(self, ready: float, load: Load) -> Flight:
        """Carries a transfer that may begin at ``ready``."""
        free = min(self._queues)
        queue = self._queues.index(free)
        begin = max(ready, free)
        landed = self._move(begin + self._fixed, load)
        self._queues[queue] = landed
        return Flight(queue, begin, landed)

    def _move(self, ready: float, load: Load) -> float:
        engines, count = self._engines, load.engines
        start = max(ready, engines[count - 1])
        end = start + load.us
        if load.dram_us:
            self._dram = max(self._dram, start) + load.dram_us
            end = max(end, self._dram)
        engines[:count] = [end] * count
        engines.sort()
        self.busy_us += (end - start) * count / len(engines)
        return end
