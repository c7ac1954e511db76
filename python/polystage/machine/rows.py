"""Targets as rows of a table."""

from collections.abc import Iterable
from dataclasses import dataclass

from polystage.machine.model import Machine
from polystage.machine.sizes import format_bytes

HEADERS = ("target", "SBUF", "PSUM", "matrix engine", "TFLOPS", "DRAM GB/s", "DMA GB/s", "standing")


@dataclass(frozen=True)
class TargetRow:
    """What ``polystage targets`` shows of one machine; bandwidths in GB/s, rates in TFLOPS by element type."""

    name: str
    sbuf: str
    psum: str
    matrix: str
    tflops: tuple[tuple[str, float], ...]
    dram_gb_s: float
    dma_gb_s: float
    standing: str

    def cells(self) -> tuple[str, ...]:
        """The row as text, under ``HEADERS``."""
        rates = ", ".join(f"{rate:.3g} {dtype}" for dtype, rate in self.tflops)
        bandwidths = (f"{self.dram_gb_s:.4g}", f"{self.dma_gb_s:.4g}")
        return (self.name, self.sbuf, self.psum, self.matrix, rates, *bandwidths, self.standing)


def rows(machines: Iterable[Machine]) -> tuple[TargetRow, ...]:
    """One row per machine."""
    return tuple(_row(machine) for machine in machines)


def _row(machine: Machine) -> TargetRow:
    psum, matrix = machine.psum, machine.matrix
    return TargetRow(
        name=machine.name,
        sbuf=f"{machine.lanes} x {format_bytes(machine.bytes_per_lane)} = {format_bytes(machine.sbuf_bytes)}",
        psum=f"{psum.lanes} x {psum.banks} x {format_bytes(psum.bytes_per_bank)}",
        matrix=f"{matrix.rows} x {matrix.columns} @ {matrix.clock_ghz:g} GHz",
        tflops=tuple((dtype, matrix.tflops(dtype)) for dtype in matrix.cycle_factor),
        dram_gb_s=machine.dram.bytes_per_s / 1e9,
        dma_gb_s=machine.dma.bytes_per_s / 1e9,
        standing=machine.standing,
    )
