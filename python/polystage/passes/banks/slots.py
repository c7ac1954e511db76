"""What the accesses of a nest touch, and in which layout implementations want it (legality of ``map-banks``)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod

from torch_mlir import ir

from polystage.analysis.costs import move_ns
from polystage.analysis.implementation import Implementation
from polystage.analysis.layouts import Layout, is_direct, lane_dim
from polystage.analysis.nests import Access, Load, Nest
from polystage.analysis.tiling import lane_of_result
from polystage.analysis.values import argument_text, producer
from polystage.dialects.npu import element_bytes
from polystage.machine import Machine
from polystage.passes.banks.problem import ANY, ONE_LANE, REPLICATED, Choice


@dataclass(frozen=True)
class Slot:
    """An access of a nest: ``stored`` is its result, ``loaded`` that it is read (both: it accumulates)."""

    access: Access
    loaded: bool
    stored: bool

    @property
    def type(self) -> ir.MemRefType:
        """Type of the array."""
        return ir.MemRefType(self.access.array.type)

    @property
    def passes(self) -> int:
        """How often a private copy is made for it."""
        return self.loaded + self.stored


def is_given(array: ir.Value) -> bool:
    """Whether the array is not made by the function: an argument or a constant."""
    owner = producer(array)
    return owner is None or owner.name != "memref.alloc"


def slots_of(nest: Nest) -> Iterator[Slot]:
    """What a nest reads, each access once, then what it stores."""
    stored = None if nest.store.indirect else nest.store.access
    accumulates = any(isinstance(node := nest.nodes[k], Load) and node.access == stored for k in nest.self_loads)
    for access in dict.fromkeys(nest.loads):
        if access != stored:
            yield Slot(access, loaded=True, stored=False)
    if stored is not None:
        yield Slot(stored, loaded=accumulates, stored=True)


def loads_only(nest: Nest, slots: Sequence[Slot]) -> bool:
    """Whether the nest only brings a given array into one of the function's: a transfer, whatever the layouts."""
    given = [is_given(slot.access.array) for slot in slots]
    return len(nest.nodes) == 1 and given == [True, False]


def is_packed(array: ir.Value) -> bool:
    """Whether the program's loader may lay the array out as it likes: parameters and constants."""
    return producer(array) is not None or argument_text(ir.BlockArgument(array), "polystage.kind") not in (
        "input",
        "output",
    )


def wanted_layout(slot: Slot, chosen: Implementation, nest: Nest, machine: Machine) -> int:
    """The dimension that has to lie across the lanes, ANY where no layout lets instructions read in place."""
    loop = lane_of_result(nest, chosen) if slot.stored else chosen.lane
    others = [each for each in (chosen.lane, chosen.rows) if each is not None]
    if chosen.replicated and slot.stored:
        return REPLICATED
    if loop is None:
        return ONE_LANE
    dim = lane_dim(slot.access, loop)
    layout = Layout(dim, machine.lanes)
    if dim is None or not is_direct(slot.access, loop, nest.extents[loop], layout, machine, others=others):
        return ANY
    return dim


def is_on_every_lane(slot: Slot, chosen: Implementation) -> bool:
    """Whether every lane that an implementation uses reads all that the slot accesses."""
    if slot.stored:
        return False
    return chosen.replicated if chosen.lane is None else chosen.lane not in slot.access.support


def private_copy(slot: Slot, loop: int | None, nest: Nest, machine: Machine) -> tuple[int, int]:
    """Bytes of a copy that has ``loop`` across its lanes, or is on all of them, and of its runs."""
    extents = [1 if k == loop else extent for k, extent in enumerate(nest.extents)]
    hull = [high - low + 1 for low, high in (index.span(extents) for index in slot.access.indices)]
    free = min(prod(hull), prod(extents[k] for k in slot.access.support))
    lanes = machine.lanes if loop is None else nest.extents[loop]
    if loop not in slot.access.support:
        lanes = min(lanes, machine.lanes)
    element = element_bytes(slot.type.element_type)
    return lanes * free * element, min(free, run_of(hull, slot.type.shape)) * element


def moved_choices(nest: Nest, slots: Sequence[Slot], machine: Machine) -> tuple[Choice, ...]:
    """How a copy by a transfer may lie: with any loop across the lanes of both ends."""
    source, target = slots
    size = footprint(source, nest)
    found: list[Choice] = []
    for loop in sorted(nest.parallel):
        there, here = lane_dim(source.access, loop), lane_dim(target.access, loop)
        if there is not None and here is not None:
            _, run = private_copy(source, loop, nest, machine)
            found.append(Choice(move_ns(size, run, machine), (there, here)))
    return tuple(found)


def footprint(slot: Slot, nest: Nest) -> int:
    """Bytes of the box around all that the slot touches."""
    return prod(hull_of([slot.access], [nest])) * element_bytes(slot.type.element_type)


def box_of(accesses: Sequence[Access], nests: Sequence[Nest]) -> list[tuple[int, int]]:
    """Least and greatest index along each dimension that the accesses, each of its nest, touch."""
    spans = [
        [index.span(nest.extents) for index in access.indices] for access, nest in zip(accesses, nests, strict=True)
    ]
    return [(min(low for low, _ in dim), max(high for _, high in dim)) for dim in zip(*spans, strict=True)]


def hull_of(accesses: Sequence[Access], nests: Sequence[Nest]) -> list[int]:
    """Extents of the box around all elements that the accesses touch."""
    return [high - low + 1 for low, high in box_of(accesses, nests)]


def run_of(hull: Sequence[int], shape: Sequence[int]) -> int:
    """Contiguous elements of a box in a row-major array."""
    run = hull[-1] if hull else 1
    for (inner, whole), (outer, _) in pairwise(zip(reversed(hull), reversed(shape), strict=True)):
        if inner != whole:
            break
        run *= outer
    return run


def largest_dim(shape: Sequence[int]) -> int:
    """The first of the largest dimensions; one lane for a single element."""
    return max(range(len(shape)), key=lambda k: shape[k]) if prod(shape) > 1 else ONE_LANE
