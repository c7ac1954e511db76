"""The schedule as ``stage`` sees it: nests, who uses an array and how, intervals during which one is on chip."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import prod

from torch_mlir import ir

from polystage.analysis.implementation import Implementation
from polystage.analysis.index_boxes import Box, span, whole
from polystage.analysis.layouts import Layout, lane_dim
from polystage.analysis.nests import Access, Gather, Nest
from polystage.analysis.tiling import lane_of_result, tiling_of
from polystage.machine import Machine
from polystage.passes.staging.tile_sizes import smallest


@dataclass(frozen=True)
class Step:
    """A nest of the schedule and how it is run; a ``relayout`` only brings an array into another layout."""

    nest: Nest
    implementation: Implementation
    relayout: bool = False


@dataclass(frozen=True)
class Resident:
    """An array that is on chip for the nests ``first`` to ``last``; ``bytes_per_lane`` with alignment.

    ``loaded`` is the part of it that comes from DRAM, ``stored`` the part that goes there.
    """

    array: ir.Value
    layout: Layout
    bytes_per_lane: int
    first: int
    last: int
    loaded: Box | None
    stored: Box | None

    def during(self, k: int) -> bool:
        """Whether it is on chip for nest ``k``."""
        return self.meets(k, k)

    def meets(self, first: int, last: int) -> bool:
        """Whether it is on chip for some of these nests."""
        return self.first <= last and first <= self.last


@dataclass
class Uses:
    """What the schedule does with one array: positions of nests, for ``copies`` one for each lane that wants a copy."""

    reads: list[int] = field(default_factory=list[int])
    copies: list[int] = field(default_factory=list[int])
    writes: list[int] = field(default_factory=list[int])
    wanted: Counter[int | None] = field(default_factory=Counter[int | None])
    indirect: bool = False


def uses_of(steps: Sequence[Step], lanes: int) -> dict[ir.Value, Uses]:
    """Readers, writers and wanted lane dimensions of every array."""
    found: dict[ir.Value, Uses] = {}
    for position, (nest, implementation) in enumerate((step.nest, step.implementation) for step in steps):
        for node in nest.nodes:
            if isinstance(node, Gather):
                uses = found.setdefault(node.array, Uses())
                uses.indirect = True
                uses.reads.append(position)
        stored = None if nest.store.indirect else nest.store.access
        for access in nest.loads:
            lane = lane_of_result(nest, implementation) if access == stored else implementation.lane
            uses = found.setdefault(access.array, Uses())
            _note(uses, access, lane, nest)
            uses.reads.append(position)
            if lane is not None and lane not in access.support:
                uses.copies += [position] * min(nest.extents[lane], lanes)
        uses = found.setdefault(nest.store.array, Uses())
        uses.writes.append(position)
        if stored is None:
            uses.indirect = True
        else:
            _note(uses, stored, lane_of_result(nest, implementation), nest)
    return found


def _note(uses: Uses, access: Access, lane: int | None, nest: Nest) -> None:
    uses.wanted[lane_dim(access, lane)] += prod(nest.extents[loop] for loop in access.support)


def written(steps: Sequence[Step], array: ir.Value) -> Iterator[Box]:
    """What each of some nests stores in an array."""
    for nest in (step.nest for step in steps):
        if nest.store.array == array:
            yield whole(array) if nest.store.indirect else span(nest.store.access, nest)


def read(steps: Sequence[Step], array: ir.Value) -> Iterator[Box]:
    """What each of some nests loads of an array."""
    for nest in (step.nest for step in steps):
        yield from (span(access, nest) for access in nest.loads if access.array == array)


def layout_of(type_: ir.MemRefType, uses: Uses, machine: Machine) -> Layout:
    """The layout that ``map-banks`` gave the array; without one, what most of its accesses want."""
    if type_.affine_map != ir.AffineMap.get_identity(type_.rank):
        return Layout.of(type_, machine.lanes)
    dim = max(uses.wanted, key=lambda dim: uses.wanted[dim], default=0)
    return Layout(dim, 0 if dim is None else machine.lanes)


def demand(step: Step, machine: Machine) -> int:
    """Bytes per lane of the smallest tile of a nest whose arrays are all in DRAM: never less than with some on chip."""
    tiling = tiling_of(step.nest, step.implementation, machine)
    return tiling.demand(smallest(tiling))
