"""Borders of arrays: what nests that load nothing write around what the others write, all of it one value.

Zeros around an image need not go to DRAM and come back: who takes a part of the array on chip writes them there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch_mlir import ir

from polystage.analysis.index_boxes import Box, common, hull, span, whole
from polystage.analysis.layouts import Layout
from polystage.analysis.nests import Constant, Gather
from polystage.analysis.values import producer
from polystage.machine import Machine
from polystage.passes.staging.schedule import Step


@dataclass(frozen=True)
class Border:
    """What is not ``inside`` of an array has the ``value`` wherever a nest reads it."""

    array: ir.Value
    inside: Box
    value: Constant


def borders_of(steps: Sequence[Step], machine: Machine) -> Iterator[Border]:
    """The intermediates with a border that is not across the lanes."""
    writers: dict[ir.Value, list[Step]] = {}
    for step in steps:
        writers.setdefault(step.nest.store.array, []).append(step)
    gathered = {node.array for step in steps for node in step.nest.nodes if isinstance(node, Gather)}
    for array, own in writers.items():
        op, type_ = producer(array), ir.MemRefType(array.type)
        if op is None or op.name != "memref.alloc" or array in gathered or any(s.nest.store.indirect for s in own):
            continue
        if type_.affine_map == ir.AffineMap.get_identity(type_.rank):
            continue
        found = _border(array, own)
        lane = Layout.of(type_, machine.lanes).dim
        if found is not None and lane is not None and found.inside[lane] == whole(array)[lane]:
            yield found


def _border(array: ir.Value, writers: Sequence[Step]) -> Border | None:
    fills = [step for step in writers if not step.nest.loads]
    inside = hull(span(step.nest.store.access, step.nest) for step in writers if step.nest.loads)
    values = {_constant(step) for step in fills}
    value = values.pop() if len(values) == 1 else None
    outside = [step for step in fills if common(span(step.nest.store.access, step.nest), inside) is None]
    inner = [step for step in fills if step not in outside]
    if value is None or inside is None or not outside or any(not _within(step, inside) for step in inner):
        return None
    return Border(array, inside, value)


def _constant(step: Step) -> Constant | None:
    """The constant that a nest stores everywhere."""
    node = step.nest.nodes[step.nest.store.value]
    return node if isinstance(node, Constant) else None


def _within(step: Step, box: Box) -> bool:
    own = span(step.nest.store.access, step.nest)
    return common(own, box) == own


def around(box: Box, inside: Box) -> Iterator[Box]:
    """What a box has outside of another, in boxes that are apart."""
    rest = box
    for dim, (least, most) in enumerate(inside):
        low, high = rest[dim]
        if low < least:
            yield (*rest[:dim], (low, min(high, least - 1)), *rest[dim + 1 :])
        if high > most:
            yield (*rest[:dim], (max(low, most + 1), high), *rest[dim + 1 :])
        low, high = max(low, least), min(high, most)
        if low > high:
            return
        rest = (*rest[:dim], (low, high), *rest[dim + 1 :])
