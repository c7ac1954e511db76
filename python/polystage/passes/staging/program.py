"""A schedule with what planning needs to know of it and what does not depend on a plan (shared by the policies)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from math import ceil, prod

from torch_mlir import ir

from polystage.analysis.coverage import written_by
from polystage.analysis.descriptors import Order, excess_bytes, tile_run
from polystage.analysis.index_boxes import Box, hull
from polystage.analysis.nests import Nest, signature
from polystage.analysis.tiling import NestTiling, TileBuffer, tiling_of
from polystage.analysis.values import argument_text, producer
from polystage.dialects.npu import element_bytes
from polystage.machine import Machine
from polystage.passes.staging.borders import Border
from polystage.passes.staging.groups import Arrays, Outline
from polystage.passes.staging.plan import Array
from polystage.passes.staging.schedule import Step, layout_of, written
from polystage.passes.staging.tile_sizes import Choice, choose, smallest, tile_transfers


@dataclass(frozen=True)
class Alone:
    """Tiles of a nest by itself, the DRAM bytes that they move, and those that small descriptors stand for besides."""

    choice: Choice
    moved: int
    excess: int


@dataclass
class Program:
    """Arrays and nests of one schedule on one machine; remembers what was asked.

    What is in ``borders`` is taken not to move.

    ``touches`` are the arrays of each nest, ``needs`` the bytes per lane of its smallest tile with all of them on chip.
    """

    steps: Sequence[Step]
    machine: Machine
    borders: Sequence[Border] = ()
    arrays: dict[ir.Value, Array] = field(init=False)
    uses: Arrays = field(init=False)
    tilings: dict[tuple[object, ...], NestTiling] = field(default_factory=dict[tuple[object, ...], NestTiling])
    singles: dict[tuple[object, ...], Alone] = field(default_factory=dict[tuple[object, ...], Alone])
    without_holes: dict[tuple[ir.Value, int], bool] = field(default_factory=dict[tuple[ir.Value, int], bool])

    def __post_init__(self) -> None:
        self.uses = Arrays(self.steps, self.machine, borders=self.borders)
        self.arrays = dict(self._arrays())
        self.layouts = {value: array.layout for value, array in self.arrays.items()}
        self.signatures = [signature(step.nest) for step in self.steps]
        self.needs = [self._smallest(k, frozenset(self.arrays)) for k in range(len(self.steps))]
        self.touches = [
            [v for v in dict.fromkeys([*(a.array for a in s.nest.loads), s.nest.store.array]) if v in self.arrays]
            for s in self.steps
        ]

    @cached_property
    def compulsory(self) -> int:
        """DRAM bytes of arguments, each once; gathered rows are moved by every plan and counted in none."""
        return self.later[0]

    @cached_property
    def later(self) -> list[int]:
        """DRAM bytes of the arguments that no nest before a position uses, by position."""
        found, seen = [0] * (len(self.steps) + 1), set[ir.Value]()
        for k, touches in enumerate(self.touches):
            found[k] = sum(
                self.arrays[v].bytes for v in touches if self.arrays[v].kind != "intermediate" and v not in seen
            )
            seen |= {*touches}
        return list(accumulate(reversed(found)))[::-1]

    @cached_property
    def starts(self) -> list[int]:
        """Positions where the nest before is more than an initialisation of what follows."""
        return [k for k in range(len(self.steps)) if k == 0 or self.steps[k - 1].nest.loads]

    def _arrays(self) -> Iterator[tuple[ir.Value, Array]]:
        for value, uses in self.uses.uses.items():
            op, type_ = producer(value), ir.MemRefType(value.type)
            kind = argument_text(ir.BlockArgument(value), "polystage.kind") if op is None else "intermediate"
            layout = layout_of(type_, uses, self.machine)
            size = element_bytes(type_.element_type)
            lane = prod(layout.physical_shape(type_.shape)[1:]) * size
            touched = tuple(sorted({*uses.reads, *uses.writes}))
            fixed = uses.indirect or (op is not None and op.name != "memref.alloc")
            fixed = fixed or (kind == "output" and not self._solid(value, uses.writes, len(self.steps)))
            fixed = fixed or (op is None and not uses.writes and self._brought_once(uses.reads, prod(type_.shape)))
            yield value, Array(
                value, layout, prod(type_.shape) * size, self._aligned(lane), kind, touched,
                tuple(sorted(set(uses.reads))), tuple(sorted(set(uses.writes))), fixed,
                self.uses.excess(value, layout, tuple(type_.shape), prod(type_.shape) * size),
            )  # fmt: skip

    def _aligned(self, size: int) -> int:
        return ceil(size / self.machine.alignment) * self.machine.alignment

    def tiling(self, k: int, on_chip: frozenset[ir.Value]) -> NestTiling:
        """The tiling of a nest when these arrays are on chip."""
        own = frozenset(v for v in on_chip if v in self.layouts and self.touches_array(k, v))
        key = (k, own)
        if key not in self.tilings:
            step = self.steps[k]
            placed = {v: self.layouts[v] for v in own}
            self.tilings[key] = tiling_of(step.nest, step.implementation, self.machine, placed)
        return self.tilings[key]

    def touches_array(self, k: int, value: ir.Value) -> bool:
        """Whether nest ``k`` loads from an array or stores in it."""
        nest = self.steps[k].nest
        return nest.store.array == value or any(access.array == value for access in nest.loads)

    def _smallest(self, k: int, on_chip: frozenset[ir.Value]) -> int:
        on_chip = frozenset(v for v in on_chip if not self.arrays[v].fixed)
        tiling = self.tiling(k, on_chip)
        return tiling.demand(smallest(tiling))

    def single(self, k: int, on_chip: frozenset[ir.Value], room: int) -> Alone | None:
        """Tiles of a nest by itself and what they move; None where the smallest tile does not fit."""
        tiling = self.tiling(k, on_chip)
        if tiling.demand(smallest(tiling)) > room:
            return None
        key = (self.steps[k].implementation, self.signatures[k], tuple(b.access.indices for b in tiling.buffers), room)
        if key not in self.singles:
            choice = choose(tiling, self.machine, room)
            moved = tile_transfers(tiling, choice, on_chip)
            excess = sum(self._excess(tiling, choice, buffer, size) for buffer, size in moved)
            own = self._moved(k, on_chip) or sum(size for _, size in moved)
            self.singles[key] = Alone(choice, own, excess)
        return self.singles[key]

    def _excess(self, tiling: NestTiling, choice: Choice, buffer: TileBuffer, moved: int) -> int:
        """What would move besides if the descriptors of a nest's tiles were long ones."""
        order = Order.of(ir.MemRefType(buffer.access.array.type), self.machine.lanes)
        lanes = 1 if buffer.lane is None else tiling.blocks[buffer.lane]
        run = tile_run(order, buffer, choice.sizes, lanes) * element_bytes(buffer.element)
        return excess_bytes(moved, run, self.machine)

    def _moved(self, k: int, on_chip: frozenset[ir.Value]) -> int:
        """DRAM bytes of a nest that only brings elements on chip, or from there: not those of the box around them."""
        nest = self.steps[k].nest
        if not _copies(nest) or (nest.loads[0].array in on_chip) == (nest.store.array in on_chip):
            return 0
        return prod(nest.extents) * element_bytes(ir.MemRefType(nest.store.array.type).element_type)

    def _brought_once(self, reads: Sequence[int], elements: int) -> bool:
        """Whether nests only bring an array elsewhere, in parts that are no more than it: there it needs no place."""
        nests = [self.steps[k].nest for k in set(reads)]
        return all(map(_copies, nests)) and sum(prod(nest.extents) for nest in nests) <= elements

    def solid(self, value: ir.Value, first: int) -> bool:
        """Whether what nests before ``first`` wrote of an array leaves no holes, so that a box of it can move."""
        return self._solid(value, self.uses.uses[value].writes, first)

    def solid_windows(self, group: Outline, on_chip: frozenset[ir.Value]) -> bool:
        """Whether that holds of all that moves between windows of a group and DRAM."""
        return all(
            self.solid(array, group.first) for array, moved in group.moved.items() if moved and array not in on_chip
        )

    def _solid(self, value: ir.Value, writes: Sequence[int], first: int) -> bool:
        before = [at for at in writes if at < first]
        key = (value, len(before))
        if key not in self.without_holes:
            around = hull(written([self.steps[at] for at in before], value))
            there = written_by([self.uses.nests[at] for at in before])
            self.without_holes[key] = around is None or there == _volume(around)
        return self.without_holes[key]

    def has_contents(self, array: Array, first: int) -> bool:
        """Whether an array holds something in DRAM before a segment."""
        return array.kind not in ("intermediate", "output") or any(at < first for at in array.writes)

    def lanes_read(self, k: int, value: ir.Value) -> int:
        """How many lanes want a copy of an array."""
        step = self.steps[k]
        lane = step.implementation.lane
        if lane is None:
            return 1
        return max(
            (
                min(step.nest.extents[lane], self.machine.lanes)
                for a in step.nest.loads
                if a.array == value and lane not in a.support
            ),
            default=1,
        )

    def both(self, k: int, value: ir.Value) -> bool:
        """Whether a nest reads and writes an array."""
        nest = self.steps[k].nest
        return nest.store.array == value and any(access.array == value for access in nest.loads)


def _copies(nest: Nest) -> bool:
    """Whether a nest only moves elements."""
    return len(nest.nodes) == 1 and len(nest.loads) == 1 and not nest.store.indirect


def _volume(box: Box) -> int:
    return prod(high - low + 1 for low, high in box)
