"""What plans of a schedule are made of (data of ``stage``)."""

from dataclasses import dataclass
from functools import cached_property

from torch_mlir import ir

from polystage.analysis.layouts import Layout
from polystage.passes.staging.borders import Border
from polystage.passes.staging.groups import Outline
from polystage.passes.staging.schedule import Resident
from polystage.passes.staging.slices import Slice


@dataclass(frozen=True)
class Array:
    """What the planner knows of an array."""

    value: ir.Value
    layout: Layout
    bytes: int
    lane_bytes: int
    kind: str
    touched: tuple[int, ...]
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    fixed: bool  # never on chip as a whole: gathered or scattered, no alloc, or a result written in part
    excess: int = 0  # bytes that could move besides while all of it does, if its descriptors were long ones

    def used_after(self, position: int) -> int | None:
        """The next nest after ``position`` that uses it."""
        return next((at for at in self.touched if at > position), None)

    @cached_property
    def is_result(self) -> bool:
        """Whether it is an output of the function."""
        return self.kind == "output"


@dataclass(frozen=True)
class Segment:
    """Nests ``first`` to ``last`` as a group, or one nest by itself.

    ``held`` are arrays on chip for this segment only; the others on chip are those of the state.
    """

    first: int
    last: int
    group: Outline | None
    held: frozenset[ir.Value] = frozenset()


@dataclass(frozen=True)
class State:
    """After the nests before ``position``: what is on chip, what of it DRAM does not have, and how it came to that.

    ``excess`` are bytes that could have moved besides ``cost`` with long descriptors, ``peak`` the most bytes per lane
    that were taken at one time.
    """

    position: int
    cost: int
    on_chip: frozenset[ir.Value]
    dirty: frozenset[ir.Value]
    before: "State | None" = None
    segment: Segment | None = None
    loads: frozenset[ir.Value] = frozenset()  # came on chip from DRAM before the segment
    stores: frozenset[ir.Value] = frozenset()  # left before the segment, to DRAM unless it is there too
    peak: int = 0
    excess: int = 0

    def price(self, part: int) -> tuple[int, int]:
        """What is least in the best state, then bytes on chip, as parts of arrays may stay in the rest."""
        return priced(self.cost, self.excess, part), self.peak


def priced(moved: int, excess: int, part: int) -> int:
    """DRAM bytes, and one ``part`` of those that could move besides in the same time with long descriptors.

    A part, as they are those of the smallest tiles: tiles grow when a plan is written.
    """
    return moved + excess // part


@dataclass(frozen=True)
class Plan:
    """Segments in order, the intervals during which arrays are on chip, and those for parts of others.

    What is in ``borders`` does not move: transfers to and from windows leave it out. ``cost`` are its DRAM bytes,
    ``least`` those of the arguments, each once.
    """

    segments: tuple[Segment, ...]
    residents: tuple[Resident, ...]
    cost: int
    least: int = 0
    slices: tuple[Slice, ...] = ()
    borders: tuple[Border, ...] = ()
