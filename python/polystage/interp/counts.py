"""What a program moves and executes: the results, and the listener that counts them while a program runs."""

from collections import Counter as Tally
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from polystage.interp.core import Site
from polystage.interp.memory import Array


@dataclass(frozen=True, order=True)
class Row:
    """Bytes of one kind. ``memory`` is dram, sbuf or psum; ``tensor`` and ``cause`` are empty on chip; ``kind`` is
    read or write.
    """

    memory: str
    tensor: str
    engine: str
    cause: str
    kind: str
    bytes: int


@dataclass(frozen=True)
class ByteCounts:
    """Bytes moved, in sorted rows that differ in more than their bytes."""

    rows: tuple[Row, ...]

    def dram(self) -> tuple[int, int]:
        """Bytes read from DRAM, bytes written to it."""
        moved = self._totals(lambda row: row.kind, in_dram=True)
        return moved.get("read", 0), moved.get("write", 0)

    def onchip_by_engine(self) -> dict[str, int]:
        """Bytes that each engine reads and writes in SBUF and PSUM."""
        return self._totals(lambda row: row.engine, in_dram=False)

    def by_cause(self) -> dict[str, int]:
        """DRAM bytes by the cause of the transfer."""
        return self._totals(lambda row: row.cause, in_dram=True)

    def by_tensor(self) -> dict[str, int]:
        """DRAM bytes by tensor."""
        return self._totals(lambda row: row.tensor, in_dram=True)

    def _totals(self, key: Callable[[Row], str], in_dram: bool) -> dict[str, int]:
        totals: Tally[str] = Tally()
        for row in self.rows:
            if (row.memory == "dram") == in_dram:
                totals[key(row)] += row.bytes
        return dict(sorted(totals.items()))


@dataclass(frozen=True)
class Counts:
    """One execution: bytes, instructions by op, multiply-accumulates of the matrix engine."""

    bytes: ByteCounts
    instructions: Mapping[str, int]
    macs: int


class Counter:
    """Listener that adds up the views each instruction really touched; ``counts`` is the result so far."""

    def __init__(self) -> None:
        self._sites: dict[Site, list[int]] = {}
        self._macs = 0

    def __call__(self, site: Site, views: Sequence[Array], _transfer: int) -> None:
        """Count one executed instruction."""
        tally = self._sites.get(site)
        if tally is None:
            tally = self._sites[site] = [0] * (len(views) + 1)
        tally[-1] += 1
        for position, view in enumerate(views):
            tally[position] += view.nbytes
        if site.op == "matmul":
            stationary, moving = views[0], views[1]
            self._macs += stationary.size * prod(moving.shape[1:])

    def counts(self) -> Counts:
        """Everything counted so far."""
        moved: Tally[tuple[str, str, str, str, str]] = Tally()
        executed: Tally[str] = Tally()
        for site, (*sizes, times) in self._sites.items():
            executed[site.op] += times
            for operand, size in zip(site.operands, sizes, strict=True):
                cause = site.cause if operand.memory == "dram" else ""
                moved[(operand.memory, operand.tensor, site.engine, cause, operand.kind)] += size
        rows = tuple([Row(*key, size) for key, size in sorted(moved.items())])
        return Counts(ByteCounts(rows), dict(sorted(executed.items())), self._macs)
