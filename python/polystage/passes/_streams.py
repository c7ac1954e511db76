"""Which arrays of a group need no window: one nest uses them, and its own tiles bring each element once.

(policy of ``stage``)

A weight that one nest of a group reads need not be on chip for a whole step. The nest that uses it is staged by itself
on the windows of the others, so that it can take the weight tile by tile from DRAM; likewise a result that one nest
writes and no other uses. That is worth it where it moves no more bytes than a window would, and takes less room.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from torch_mlir import ir

from polystage.analysis.intervals import matrix
from polystage.analysis.layouts import Layout
from polystage.analysis.nests import signature
from polystage.analysis.tiling import NestTiling, tiling_of
from polystage.machine import Machine
from polystage.passes._groups import Candidate, Live, Outline
from polystage.passes._schedule import Step
from polystage.passes._tile_sizes import Choice, dram_bytes, orders, smallest

PARTS = 64  # of the capacity: smaller windows are not worth transfers of their own
Extents = tuple[int, ...]


@dataclass(frozen=True)
class _Tiles:
    """Bytes per lane of tiles that bring what they stream, and the bytes that they move."""

    need: int
    moved: int


@dataclass
class Streams:
    """Takes the windows from groups that need not be; remembers tiles by nest, box and what is on chip.

    ``needs`` are the bytes per lane of each nest's smallest tile with all of its arrays on chip.
    """

    steps: Sequence[Step]
    machine: Machine
    needs: Sequence[int]
    known: dict[tuple[object, ...], _Tiles] = field(default_factory=dict[tuple[object, ...], _Tiles])

    def __post_init__(self) -> None:
        self.signatures = [signature(step.nest) for step in self.steps]

    def outline(self, group: Candidate) -> Outline:
        """The group without windows for what can be streamed, and with the room that its nests need for that."""
        outline = group.outline
        needs, streamed = list(self.needs[outline.first : outline.last + 1]), set[ir.Value]()
        for number, windows in self.alone(group).items():
            taken = sum(live.bytes_per_lane for live in windows)
            need = self.need(group, number, [live.array for live in windows])
            if need is not None and need < taken + needs[number]:
                needs[number] = max(needs[number], need)
                streamed |= {live.array for live in windows}
        lives = tuple(replace(live, bytes_per_lane=0) if live.array in streamed else live for live in outline.lives)
        return replace(outline, lives=lives, needs=tuple(needs), streamed=frozenset(streamed))

    def alone(self, group: Candidate) -> dict[int, list[Live]]:
        """Windows that only one nest uses, which reads or writes the array, by the number of the nest."""
        found: dict[int, list[Live]] = {}
        references = group.sweep.group.references
        for live in group.outline.lives:
            users = {number for number, _ in references[live.array]}
            window = group.windows[live.array].window
            if not users or not self.on_lanes(group, min(users)):
                continue
            large = live.bytes_per_lane * PARTS >= self.machine.usable_bytes_per_lane
            if large and len(users) == 1 and window.loaded != window.stored:
                found.setdefault(users.pop(), []).append(live)
        return found

    def on_lanes(self, group: Candidate, number: int) -> bool:
        """Whether the boxes of a nest start where its instructions may, also on arrays that have no window."""
        chosen, box = self.steps[group.outline.first + number].implementation, group.sweep.boxes[number]
        for loop in (chosen.lane, chosen.rows):
            if loop is not None:
                low, high = map(matrix, box.loops[loop])
                step = self.machine.start_multiple(min(self.machine.lanes, int((high - low).max())))
                if (low % step).any():
                    return False
        return True

    def need(self, group: Candidate, number: int, arrays: Sequence[ir.Value]) -> int | None:
        """Bytes per lane with which a nest streams arrays, moving no more than windows would; None where it cannot."""
        swept, moved = group.sweep, 0
        placed = {array: held.layout for array, held in group.windows.items() if array not in arrays}
        need = 0
        for extents, times in swept.boxes[number].extents(swept.sweeps, swept.steps).items():
            tiles = self.tiles(group.outline.first + number, extents, placed)
            need, moved = max(need, tiles.need), moved + times * tiles.moved
        return need if moved <= sum(group.outline.moved[array] for array in arrays) else None

    def tiles(self, k: int, extents: Extents, placed: Mapping[ir.Value, Layout]) -> _Tiles:
        """Tiles of a nest over a box that move what is not on chip once if any do."""
        step = self.steps[k]
        arrays = dict.fromkeys([*(access.array for access in step.nest.loads), step.nest.store.array])
        key = (self.signatures[k], step.implementation, extents, tuple(placed.get(array) for array in arrays))
        if key not in self.known:
            own = {array: placed[array] for array in arrays if array in placed}
            tiling = tiling_of(replace(step.nest, extents=extents), step.implementation, self.machine, own)
            self.known[key] = _once(tiling, frozenset(own))
        return self.known[key]


def _once(tiling: NestTiling, on_chip: frozenset[ir.Value]) -> _Tiles:
    """The smallest tiles that are whole along every loop that some of what is not on chip does not depend on."""
    own = [buffer.loops for buffer in tiling.buffers if buffer.access.array not in on_chip]
    every = frozenset[int]().union(*own).intersection(*own)
    sizes = tuple(
        size if loop in every or loop in tiling.single else tiling.nest.extents[loop]
        for loop, size in enumerate(smallest(tiling))
    )
    moved = min(dram_bytes(tiling, Choice(sizes, order, 0), on_chip) for order in orders(tiling))
    return _Tiles(tiling.demand(sizes), moved)
