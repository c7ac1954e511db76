"""Which arrays stay on chip from their first use to their last (policy of ``stage``).

Greedy: arrays in the order of DRAM bytes saved for each byte of scratchpad and nest that it is held, taken where all
nests meanwhile keep room for their smallest tile.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, prod

from torch_mlir import ir

from polystage.analysis.implementation import RELAYOUT, Implementation
from polystage.analysis.layouts import Layout, lane_dim
from polystage.analysis.nests import Access, Gather, Nest
from polystage.analysis.tiling import lane_of_result, tiling_of
from polystage.analysis.values import argument_text, producer
from polystage.dialects.npu import element_bytes
from polystage.machine import Machine
from polystage.passes._tile_sizes import smallest


@dataclass(frozen=True)
class Step:
    """A nest of the schedule and how it is run."""

    nest: Nest
    implementation: Implementation

    @property
    def relayout(self) -> bool:
        """Whether the nest only brings an array into another layout."""
        return self.implementation == RELAYOUT


@dataclass(frozen=True)
class Resident:
    """An array that is on chip for the nests ``first`` to ``last``; ``bytes_per_lane`` with alignment.

    ``loaded``: its contents come from DRAM, ``stored``: they go there.
    """

    array: ir.Value
    layout: Layout
    bytes_per_lane: int
    first: int
    last: int
    saved: int
    loaded: bool
    stored: bool

    @property
    def worth(self) -> float:
        """DRAM bytes saved for each byte held during one nest."""
        return self.saved / (max(1, self.bytes_per_lane) * (self.last - self.first + 1))


@dataclass
class _Uses:
    """What the schedule does with one array: positions of nests, for ``copies`` one for each lane that wants a copy."""

    reads: list[int] = field(default_factory=list[int])
    copies: list[int] = field(default_factory=list[int])
    writes: list[int] = field(default_factory=list[int])
    wanted: Counter[int | None] = field(default_factory=Counter[int | None])
    indirect: bool = False


def uses_of(steps: Sequence[Step], lanes: int) -> Mapping[ir.Value, _Uses]:
    """Readers, writers and wanted lane dimensions of every array."""
    found: dict[ir.Value, _Uses] = {}
    for position, (nest, implementation) in enumerate((step.nest, step.implementation) for step in steps):
        wanted = implementation != RELAYOUT
        for node in nest.nodes:
            if isinstance(node, Gather):
                found.setdefault(node.array, _Uses()).indirect = True
        stored = None if nest.store.indirect else nest.store.access
        for access in nest.loads:
            lane = lane_of_result(nest, implementation) if access == stored else implementation.lane
            uses = found.setdefault(access.array, _Uses())
            if wanted:
                _note(uses, access, lane, nest)
            uses.reads.append(position)
            if lane is not None and lane not in access.support:
                uses.copies += [position] * min(nest.extents[lane], lanes)
        uses = found.setdefault(nest.store.array, _Uses())
        uses.writes.append(position)
        if stored is None:
            uses.indirect = True
        elif wanted:
            _note(uses, stored, lane_of_result(nest, implementation), nest)
    return found


def _note(uses: _Uses, access: Access, lane: int | None, nest: Nest) -> None:
    uses.wanted[lane_dim(access, lane)] += prod(nest.extents[loop] for loop in access.support)


def candidates(steps: Sequence[Step], machine: Machine) -> Iterator[Resident]:
    """Arrays whose bytes would cross the memory interface more often than they have to."""
    for array, uses in uses_of(steps, machine.lanes).items():
        type_ = ir.MemRefType(array.type)
        op = producer(array)
        if uses.indirect or (op is not None and op.name != "memref.alloc"):
            continue
        touched = sorted({*uses.reads, *uses.writes})
        kind = argument_text(ir.BlockArgument(array), "polystage.kind") if op is None else "intermediate"
        needed = {"intermediate": 0, "output": 1}.get(kind, 1)
        size = prod(type_.shape) * element_bytes(type_.element_type)
        transfers = len(set(uses.reads)) + len(set(uses.writes)) + len(uses.copies)
        if transfers <= needed:
            continue
        layout = layout_of(type_, uses, machine)
        lanes = prod(layout.physical_shape(type_.shape)[1:]) * element_bytes(type_.element_type)
        yield Resident(
            array, layout, ceil(lanes / machine.alignment) * machine.alignment, touched[0], touched[-1],
            (transfers - needed) * size, loaded=op is None and kind != "output", stored=kind == "output",
        )  # fmt: skip


def layout_of(type_: ir.MemRefType, uses: _Uses, machine: Machine) -> Layout:
    """The layout that ``map-banks`` gave the array; without one, what most of its accesses want."""
    if type_.affine_map != ir.AffineMap.get_identity(type_.rank):
        return Layout.of(type_, machine.lanes)
    dim = max(uses.wanted, key=lambda dim: uses.wanted[dim], default=0)
    return Layout(dim, 0 if dim is None else machine.lanes)


def residents(steps: Sequence[Step], machine: Machine) -> list[Resident]:
    """The arrays that are to stay on chip, in the order of their first use."""
    room = [machine.usable_bytes_per_lane - demand(step, machine) for step in steps]
    taken = list[Resident]()
    for each in sorted(candidates(steps, machine), key=lambda each: (-each.worth, each.first)):
        if all(room[k] >= each.bytes_per_lane for k in range(each.first, each.last + 1)):
            for k in range(each.first, each.last + 1):
                room[k] -= each.bytes_per_lane
            taken.append(each)
    return sorted(taken, key=lambda each: each.first)


def demand(step: Step, machine: Machine) -> int:
    """Bytes per lane of the smallest tile of a nest whose arrays are all in DRAM: never less than with some on chip."""
    if step.relayout:
        return 0
    tiling = tiling_of(step.nest, step.implementation, machine)
    return tiling.demand(smallest(tiling))
