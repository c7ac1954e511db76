"""Chooses which parts of arrays stay on chip where there is no room for all of them (policy of ``stage``).

A plan says when whole arrays are on chip; what else passes from one segment to another goes through DRAM, by windows
of groups and by residents that come and go. In the room that is left a part of such an array stays between two of its
transfers, and those in between: it is written and read there.

Which parts is a linear program. For every array and every run of its transfers a variable says how much of it is on
chip from the first to the last of them; the room at each nest bounds what is on chip, one at each transfer what is of
one array. The parts are rounded down to whole indices of one dimension.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, prod
from typing import Any

from torch_mlir import ir

from polystage.analysis.groups import Refused, Tile
from polystage.analysis.index_boxes import Box, common, hull, whole
from polystage.dialects.npu import element_bytes
from polystage.passes.staging.group_search import larger_tiles
from polystage.passes.staging.groups import Frame, candidate
from polystage.passes.staging.plan import Array, Plan, Segment
from polystage.passes.staging.program import Program
from polystage.passes.staging.schedule import Resident, written
from polystage.passes.staging.slices import Slice
from polystage.passes.staging.streams import Streams
from polystage.passes.staging.sums import in_psum

LEAST = 1 / 64  # of an array; less is not worth transfers of its own
SHARE = 8  # part of the room that a nest by itself may take whose arrays are divided
ROOMS = 16  # tried for a nest by itself, to see how little it needs to move no more


@dataclass(frozen=True)
class Touch:
    """Bytes of an array that a segment or resident moves, and the nests during which a slice would be needed for it.

    ``open``: by transfers that can be divided, and not by the tiles of a nest by itself. ``leaves``: until then all of
    the array is on chip, and DRAM may have nothing of it.
    """

    first: int
    last: int
    loaded: int
    stored: int
    open: bool = True
    leaves: bool = False


@dataclass(frozen=True)
class Stay:
    """A possible part: an array from transfer ``first`` to ``last`` of it, and the bytes saved for all of it.

    ``fill``: what of the array is there before comes from DRAM first.
    """

    array: Array
    touches: tuple[Touch, ...]
    first: int
    last: int
    saved: int
    fill: bool

    @property
    def nests(self) -> range:
        """The nests during which it is on chip."""
        return range(self.touches[self.first].first, self.touches[self.last].last + 1)


def opened(plan: Plan, program: Program, streams: Streams) -> Plan:
    """The plan with nests by themselves that move intermediates as groups of one nest, so that transfers divide.

    Likewise intermediates that groups stream have windows where there is room.
    """
    segments = (_windowed(segment, plan, program, streams) for segment in plan.segments)
    return replace(plan, segments=tuple(_opened(segment, plan, program, streams) for segment in segments))


def with_borders(plan: Plan, program: Program) -> Plan:
    """The plan with the borders that need not be in DRAM: all that reads the arrays there does so by windows."""
    read = {each.array for each in plan.residents if each.loaded is not None}
    for segment in plan.segments:
        for k in range(segment.first, segment.last + 1):
            reads = {access.array for access in program.steps[k].nest.loads} - _on_chip(plan, segment)
            read |= reads if segment.group is None else reads & segment.group.streamed
    return replace(plan, borders=tuple(border for border in program.borders if border.array not in read))


def with_slices(plan: Plan, program: Program, capacity: int) -> Plan:
    """The plan with parts of its arrays on chip, in so many bytes per lane."""
    room = list(_room(plan, program, capacity))
    stays = [stay for array, touches in _touches(plan, program).items() for stay in _stays(array, touches, program)]
    if not stays:
        return plan
    slices = list[Slice]()
    saved = 0
    for stay, part in _parts(stays, room):
        found = _slice(stay, part, slices, program)
        if found is not None:
            inside = next((border.inside for border in plan.borders if border.array == found.array), None)
            loaded = found.loaded if inside is None else common(found.loaded, inside)
            found = replace(found, loaded=loaded)
            slices.append(found)
            extent = ir.MemRefType(found.array.type).shape[found.dim]
            saved += stay.saved * (found.high - found.low) // extent
    return replace(plan, slices=tuple(slices), cost=plan.cost - saved)


def _opened(segment: Segment, plan: Plan, program: Program, streams: Streams) -> Segment:
    """A nest by itself that moves an intermediate, as a group of one nest where that moves no more."""
    k = segment.first
    on_chip = _on_chip(plan, segment)
    passing = [v for v in program.touches[k] if v not in on_chip and program.arrays[v].kind == "intermediate"]
    if segment.group is not None or segment.held or not passing:
        return segment
    room = program.machine.usable_bytes_per_lane - sum(r.bytes_per_lane for r in plan.residents if r.during(k))
    found = program.single(k, on_chip, room)
    if found is None:
        return segment
    for share in (SHARE, 1):
        for tile in _tiles(k, program):
            group = candidate(program.uses, Frame(k, k, k), (tile,), on_chip)
            if isinstance(group, Refused) or group.sweep.repeated or group.outline.dram_bytes > found.moved:
                continue
            if not program.solid_windows(group.outline, on_chip):
                continue
            outline = streams.outline(group)
            takes = outline.needs[0] + sum(live.bytes_per_lane for live in outline.lives)
            if takes <= room // share and not outline.streamed.intersection(passing):
                return Segment(k, k, outline)
    return segment


def _windowed(segment: Segment, plan: Plan, program: Program, streams: Streams) -> Segment:
    """A group that streams intermediates, with windows for them if there is room."""
    group = segment.group
    if group is None:
        return segment
    passing = [v for v in group.streamed if program.arrays[v].kind == "intermediate"]
    found = candidate(program.uses, group.frame, group.tiles, frozenset()) if passing else None
    if found is None or isinstance(found, Refused):
        return segment
    outline = in_psum(streams.outline(found, frozenset(passing), group.shares.keys()), group.shares)
    windowed = replace(segment, group=outline)
    segments = tuple(windowed if each is segment else each for each in plan.segments)
    room = list(_room(replace(plan, segments=segments), program, program.machine.usable_bytes_per_lane))
    return windowed if min(room[group.first : group.last + 1]) >= 0 else segment


def _tiles(k: int, program: Program) -> Iterator[Tile]:
    """Tiles of one loop of a nest, large ones first, longer loops first."""
    extents = program.steps[k].nest.extents
    for loop in sorted((d for d, extent in enumerate(extents) if extent > 1), key=lambda d: -extents[d]):
        yield from (Tile(loop, size) for size in larger_tiles(program.steps[k], loop, program.machine))


def _on_chip(plan: Plan, segment: Segment) -> frozenset[ir.Value]:
    """What has no windows in a segment, as it is on chip as a whole when nests of it use it."""
    return frozenset(each.array for each in plan.residents if each.meets(segment.first, segment.last))


def _room(plan: Plan, program: Program, capacity: int) -> Iterator[int]:
    """What is left at each nest beside residents, windows and tiles."""
    residents = [
        sum(each.bytes_per_lane for each in plan.residents if each.during(k)) for k in range(len(program.steps))
    ]
    for segment in plan.segments:
        if segment.group is None:
            k = segment.first
            room = capacity - residents[k]
            yield room - _least_room(k, _on_chip(plan, segment), room, program)
            continue
        on_chip = _on_chip(plan, segment)
        lives = [live for live in segment.group.lives if live.array not in on_chip]
        for k, need in enumerate(segment.group.needs, segment.first):
            windows = sum(live.bytes_per_lane for live in lives if live.first <= k <= live.last)
            yield capacity - residents[k] - windows - need


def _least_room(k: int, on_chip: frozenset[ir.Value], room: int, program: Program) -> int:
    """Room with which a nest by itself moves as little as with all there is."""
    found = program.single(k, on_chip, room)
    if found is None:
        return room
    least, low, high = program.needs[k], 0, ROOMS
    while low < high:
        part = (low + high) // 2
        tried = program.single(k, on_chip, least + (room - least) * part // ROOMS)
        if tried is not None and tried.moved <= found.moved:
            high = part
        else:
            low = part + 1
    return least + (room - least) * low // ROOMS


def _touches(plan: Plan, program: Program) -> Mapping[ir.Value, Sequence[Touch]]:
    """The transfers of each array that could be on chip, in program order."""
    found: dict[ir.Value, list[Touch]] = {}
    for segment in plan.segments:
        k, on_chip = segment.first, _on_chip(plan, segment)
        if segment.group is None:
            for value in program.touches[k]:
                if value not in on_chip:
                    found.setdefault(value, []).append(Touch(k, k, 0, 0, open=False))
            continue
        for live in [live for live in segment.group.lives if live.array not in on_chip]:
            moved, stored = segment.group.moved[live.array], segment.group.stored[live.array]
            window = live.array not in segment.group.streamed
            found.setdefault(live.array, []).append(Touch(k, segment.last, moved - stored, stored, window))
    for each in plan.residents:
        if each.loaded is not None:
            found.setdefault(each.array, []).append(Touch(each.first, each.first, _bytes(each, each.loaded), 0))
        if each.stored is not None:
            found.setdefault(each.array, []).append(
                Touch(each.last, each.last, 0, _bytes(each, each.stored), leaves=True)
            )
    return {
        value: sorted(touches, key=lambda touch: (touch.first, touch.last))
        for value, touches in found.items()
        if not program.arrays[value].fixed
    }


def _bytes(resident: Resident, box: Box) -> int:
    return prod(high - low + 1 for low, high in box) * element_bytes(ir.MemRefType(resident.array.type).element_type)


def _stays(value: ir.Value, touches: Sequence[Touch], program: Program) -> Iterator[Stay]:
    """Runs of transfers for which a part of an array could stay on chip, and would save something."""
    array = program.arrays[value]
    if _dim(array) is None:
        return
    for first, begin in enumerate(touches):
        fill = program.has_contents(array, begin.first) and not begin.leaves
        if fill and not program.solid(value, begin.first):
            continue
        for last in range(first, len(touches)):
            own = touches[first : last + 1]
            if not own[-1].open:
                break
            kept = last == len(touches) - 1 and not array.is_result
            saved = sum(touch.loaded + (touch.stored if kept else 0) for touch in own) - (array.bytes if fill else 0)
            if saved > 0:
                yield Stay(array, tuple(touches), first, last, saved, fill)


def _parts(stays: Sequence[Stay], room: Sequence[int]) -> Iterator[tuple[Stay, float]]:
    """How much of each array stays, as parts of one, those that save most first."""
    from ortools.linear_solver.python import model_builder

    model = model_builder.Model()
    parts = [model.new_num_var(0, 1, None) for _ in stays]
    builder: Any = model_builder
    weighted = builder.LinearExpr.weighted_sum
    for k, bytes_per_lane in enumerate(room):
        users = [n for n, stay in enumerate(stays) if k in stay.nests]
        if users:
            sizes = [float(stays[n].array.lane_bytes) for n in users]
            model.add(weighted([parts[n] for n in users], sizes) <= float(max(0, bytes_per_lane)))
    for value in dict.fromkeys(stay.array.value for stay in stays):
        own = [n for n, stay in enumerate(stays) if stay.array.value == value]
        for at in range(len(stays[own[0]].touches)):
            users = [parts[n] for n in own if stays[n].first <= at <= stays[n].last]
            if len(users) > 1:
                model.add(sum(users) <= 1)
    model.maximize(weighted(parts, [float(stay.saved) for stay in stays]))
    solver = model_builder.Solver("glop")
    if solver.solve(model) != model_builder.SolveStatus.OPTIMAL:
        return
    found = [(stay, float(solver.value(part))) for stay, part in zip(stays, parts, strict=True)]
    yield from sorted(found, key=lambda each: -each[0].saved * each[1])


def _dim(array: Array) -> int | None:
    """The dimension along which parts of an array are taken: the longest that is not across the lanes."""
    shape = ir.MemRefType(array.value.type).shape
    dims = [dim for dim, extent in enumerate(shape) if dim != array.layout.dim and extent > 1]
    return max(dims, key=lambda dim: (shape[dim], -dim), default=None)


def _slice(stay: Stay, part: float, others: Sequence[Slice], program: Program) -> Slice | None:
    """The part of the array, beside the other slices of it that are on chip at the same time."""
    array, nests = stay.array, stay.nests
    type_, dim = ir.MemRefType(array.value.type), _dim(array)
    assert dim is not None
    extent, alignment = type_.shape[dim], program.machine.alignment
    taken = [each for each in others if each.array == array.value and each.first <= nests[-1] and nests[0] <= each.last]
    low, free = max(_gaps(extent, taken), key=lambda gap: gap[1])
    row = array.layout.physical_shape([1 if d == dim else size for d, size in enumerate(type_.shape)])
    bytes_per_row = prod(row[1:]) * element_bytes(type_.element_type)
    count = min(free, int(part * array.lane_bytes) // alignment * alignment // bytes_per_row)
    if count < max(1, extent * LEAST):
        return None
    whole_box = whole(array.value)
    loaded: Box | None = None
    if stay.fill:
        given = array.kind not in ("intermediate", "output")
        before = whole_box if given else hull(written(program.steps[: nests[0]], array.value))
        loaded = common(before, tuple((low, low + count - 1) if d == dim else span for d, span in enumerate(whole_box)))
    size = ceil(count * bytes_per_row / alignment) * alignment
    through = array.is_result or stay.last < len(stay.touches) - 1
    return Slice(array.value, array.layout, dim, low, low + count, size, nests[0], nests[-1], loaded, through)


def _gaps(extent: int, taken: Sequence[Slice]) -> Iterator[tuple[int, int]]:
    """What slices leave of a dimension: (first index, indices)."""
    at = 0
    for each in sorted(taken, key=lambda each: each.low):
        yield at, each.low - at
        at = each.high
    yield at, extent - at
