"""Which arrays of a group need no window: the tiles of the nests that use them bring each element once.

(policy of ``stage``)

A weight that one nest of a group reads need not be on chip for a whole step. The nest that uses it is staged by itself
on the windows of the others, so that it can take the weight tile by tile from DRAM; likewise a result that one nest
writes and no other uses, and an input of which each of several nests reads its own part. That is worth it where it
moves no more bytes than a window would, and takes less room.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from torch_mlir import ir

from polystage.analysis.intervals import extent, grain
from polystage.analysis.layouts import Layout, lane_chunk
from polystage.analysis.nests import signature
from polystage.analysis.swept_nests import Reference
from polystage.analysis.tiling import NestTiling, tiling_of
from polystage.machine import Machine
from polystage.passes.staging.groups import Candidate, Live, Outline, on_lanes
from polystage.passes.staging.schedule import Step
from polystage.passes.staging.tile_sizes import Choice, moved_bytes, orders, smallest

PARTS = 64  # of the capacity: smaller windows are not worth transfers of their own
Extents = tuple[int, ...]


@dataclass(frozen=True)
class _Tiles:
    """Bytes per lane of tiles that bring what they stream, and the bytes of each array that they move."""

    need: int
    moved: Mapping[ir.Value, int]


@dataclass
class Streams:
    """Takes the windows from groups that need not be; remembers tiles by nest, box and what is on chip.

    ``needs`` are the bytes per lane of each nest's smallest tile with all of its arrays on chip.
    """

    steps: Sequence[Step]
    machine: Machine
    needs: Sequence[int]
    known: dict[tuple[object, ...], tuple[int, tuple[int, ...]]] = field(
        default_factory=dict[tuple[object, ...], tuple[int, tuple[int, ...]]]
    )
    leasts: dict[tuple[object, ...], int] = field(default_factory=dict[tuple[object, ...], int])

    def __post_init__(self) -> None:
        self.signatures = [signature(step.nest) for step in self.steps]

    def outline(
        self, group: Candidate, windowed: frozenset[ir.Value] = frozenset(), sums: Collection[ir.Value] = ()
    ) -> Outline:
        """The group without windows for what can be streamed, and with the room that its nests need for that.

        What is ``windowed`` is not streamed. Windows of ``sums`` are in PSUM.
        """
        outline = group.outline
        count = outline.last + 1 - outline.first
        needs, streamed = [self.need(group, number, sums) for number in range(count)], set[ir.Value]()
        alone = {
            number: [live for live in lives if live.array not in sums]
            for number, lives in self.alone(group).items()
            if windowed.isdisjoint(live.array for live in lives)
        }
        for number, windows in alone.items():
            arrays = [live.array for live in windows]
            tiles = self.tiles_of(group, number, arrays, sums)
            more = [array for array in arrays if tiles.moved[array] > outline.moved[array]]
            if more:
                arrays = [array for array in arrays if array not in more]
                tiles = self.tiles_of(group, number, arrays, sums)
            taken = sum(live.bytes_per_lane for live in windows if live.array in arrays)
            no_more = all(tiles.moved[array] <= outline.moved[array] for array in arrays)
            if no_more and tiles.need < taken + needs[number]:
                needs[number] = max(needs[number], tiles.need)
                streamed |= {*arrays}
        for live, users in self.shared(group):
            if live.array in windowed:
                continue
            parts = {} if alone.keys() & users else {k: self.tiles_of(group, k, [live.array], sums) for k in users}
            moved = sum(tiles.moved[live.array] for tiles in parts.values())
            if (
                parts
                and moved <= outline.moved[live.array]
                and all(tiles.need < live.bytes_per_lane + needs[k] for k, tiles in parts.items())
            ):
                for k, tiles in parts.items():
                    needs[k] = max(needs[k], tiles.need)
                streamed.add(live.array)
        lives = tuple(replace(live, bytes_per_lane=0) if live.array in streamed else live for live in outline.lives)
        return replace(outline, lives=lives, needs=tuple(needs), streamed=frozenset(streamed))

    def need(self, group: Candidate, number: int, sums: Collection[ir.Value]) -> int:
        """Bytes per lane of the smallest tile of a nest; what lies where its lanes cannot start comes by tiles."""
        k, references = group.outline.first + number, group.sweep.group.nests[number].references
        moved = {reference.array for reference in references if not self.starts_on_lanes(group, number, reference)}
        if not moved:
            return self.needs[k]
        placed = {array: held.layout for array, held in group.windows.items() if array not in moved}
        return max(self.needs[k], self.least(k, placed, sums))

    def starts_on_lanes(self, group: Candidate, number: int, reference: Reference) -> bool:
        """Whether boxes of an array start where instructions may in its window."""
        held = group.windows.get(reference.array)
        dim = None if held is None else held.layout.dim
        if held is None or dim is None:
            return True
        used = group.sweep.boxes[number].footprint(reference).dim(dim, by_steps=True)
        lanes = min(held.layout.block, int(extent(used).max()))
        return lane_chunk(grain(used, held.window.dims[dim].low), lanes, self.machine) is not None

    def alone(self, group: Candidate) -> dict[int, list[Live]]:
        """Windows that only one nest uses, which reads or writes the array, by the number of the nest."""
        found: dict[int, list[Live]] = {}
        references = group.sweep.group.references
        for live in group.outline.lives:
            users = {number for number, _ in references[live.array]}
            window = group.windows[live.array].window
            number = min(users, default=0)
            runs = group.sweep.boxes[number].runs_in(group.sweep.sweeps)
            again = window.level < runs  # it stays over several boxes of the nest
            if again or not self.on_lanes(group, number):
                continue
            large = live.bytes_per_lane * PARTS >= self.machine.usable_bytes_per_lane
            if large and len(users) == 1 and window.loaded != window.stored:
                found.setdefault(number, []).append(live)
        return found

    def shared(self, group: Candidate) -> Iterator[tuple[Live, set[int]]]:
        """Large windows that several nests only read, with the numbers of these; no two of them share a nest."""
        swept, taken = group.sweep.group, set[int]()
        for live in group.outline.lives:
            users = {number for number, _ in swept.references[live.array]}
            large = live.bytes_per_lane * PARTS >= self.machine.usable_bytes_per_lane
            read = len(users) > 1 and live.array not in swept.writers
            in_one_lane = group.windows[live.array].layout.dim is None  # in tiles of its nests wherever it lies
            legal = in_one_lane or all(self.on_lanes(group, number) for number in users)
            if large and read and legal and not users & taken:
                taken |= users
                yield live, users

    def on_lanes(self, group: Candidate, number: int) -> bool:
        """Whether the boxes of a nest start where its instructions may, also on arrays that have no window."""
        return on_lanes(self.steps[group.outline.first + number], group.sweep.boxes[number], self.machine)

    def tiles_of(self, group: Candidate, number: int, arrays: Sequence[ir.Value], sums: Collection[ir.Value]) -> _Tiles:
        """Tiles with which a nest of a group streams arrays."""
        swept, moved = group.sweep, dict.fromkeys(arrays, 0)
        placed = {array: held.layout for array, held in group.windows.items() if array not in arrays}
        need = self.least(group.outline.first + number, placed, sums)
        for extents, times in swept.boxes[number].extents(swept.sweeps, swept.steps).items():
            tiles = self.tiles(group.outline.first + number, extents, placed, sums)
            need = max(need, tiles.need)
            for array in arrays:
                moved[array] += times * tiles.moved[array]
        return _Tiles(need, moved)

    def least(self, k: int, placed: Mapping[ir.Value, Layout], sums: Collection[ir.Value]) -> int:
        """Bytes per lane of the smallest tile of a nest; larger ones, which other instructions cover, may need less."""
        step = self.steps[k]
        arrays = dict.fromkeys([*(access.array for access in step.nest.loads), step.nest.store.array])
        key = (k, step.nest.store.array in sums, *map(placed.get, arrays))
        if key not in self.leasts:
            tiling = tiling_of(step.nest, step.implementation, self.machine, placed, sums)
            self.leasts[key] = tiling.demand(smallest(tiling))
        return self.leasts[key]

    def tiles(self, k: int, extents: Extents, placed: Mapping[ir.Value, Layout], sums: Collection[ir.Value]) -> _Tiles:
        """Tiles of a nest over a box that move what is not on chip once if any do."""
        step = self.steps[k]
        arrays = dict.fromkeys([*(access.array for access in step.nest.loads), step.nest.store.array])
        in_psum = step.nest.store.array in sums
        key = (self.signatures[k], step.implementation, extents, tuple(placed.get(array) for array in arrays), in_psum)
        if key not in self.known:
            own = {array: placed[array] for array in arrays if array in placed}
            tiling = tiling_of(replace(step.nest, extents=extents), step.implementation, self.machine, own, sums)
            need, moved = _once(tiling, frozenset(own))
            self.known[key] = need, tuple(moved.get(array, 0) for array in arrays)
        need, each = self.known[key]
        return _Tiles(need, dict(zip(arrays, each, strict=True)))


def _once(tiling: NestTiling, on_chip: frozenset[ir.Value]) -> tuple[int, Mapping[ir.Value, int]]:
    """The smallest tiles that are whole along every loop that some of what is not on chip does not depend on.

    Their bytes per lane, and the bytes of each array that they move.
    """
    own = [buffer.loops for buffer in tiling.buffers if buffer.access.array not in on_chip]
    every = frozenset[int]().union(*own).intersection(*own)
    sizes = tuple(
        size if loop in every or loop in tiling.single else tiling.nest.extents[loop]
        for loop, size in enumerate(smallest(tiling))
    )
    ways = (moved_bytes(tiling, Choice(sizes, order, 0), on_chip) for order in orders(tiling))
    return tiling.demand(sizes), min(ways, key=lambda moved: sum(moved.values()))
