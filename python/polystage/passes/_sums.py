"""Which windows of a group lie in PSUM, so that they take nothing of SBUF (policy and legality of ``stage``).

Sums that products make in one step, or for one sweep, and elementwise nests take from there. As many banks stay free
as the other products, transposes and broadcasts of a group need.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from torch_mlir import ir

from polystage.analysis.intervals import matrix
from polystage.analysis.layouts import Layout
from polystage.analysis.sums import banks_of, column_dims, makes_or_takes
from polystage.analysis.tiling import in_place
from polystage.analysis.values import producer
from polystage.analysis.windows import Window
from polystage.machine import Machine
from polystage.passes._groups import Candidate, Live, Outline
from polystage.passes._schedule import Step

PASSING = 2  # banks for what passes through PSUM, so that one is written while the other one is used


@dataclass
class Sums:
    """Finds the sums of one schedule; remembers which arrays are."""

    steps: Sequence[Step]
    machine: Machine
    layouts: Mapping[ir.Value, Layout] = field(default_factory=dict[ir.Value, Layout])
    known: dict[ir.Value, bool] = field(default_factory=dict[ir.Value, bool])

    def __post_init__(self) -> None:
        self.users: dict[ir.Value, list[Step]] = {}
        for step in self.steps:
            for array in dict.fromkeys([*(access.array for access in step.nest.loads), step.nest.store.array]):
                self.users.setdefault(array, []).append(step)

    @property
    def most(self) -> int:
        """Banks that windows may take at one time."""
        return max(0, self.machine.psum.banks - PASSING)

    def are(self, array: ir.Value) -> bool:
        """Whether an array holds sums that could be made, and used, in PSUM."""
        if array not in self.known:
            op, type_ = producer(array), ir.MemRefType(array.type)
            alloc = op is not None and op.name == "memref.alloc"
            self.known[array] = (
                alloc
                and str(type_.element_type) == "f32"
                and all(self._legal(array, step) for step in self.users[array])
            )
        return self.known[array]

    def _legal(self, array: ir.Value, step: Step) -> bool:
        nest, chosen, placed = step.nest, step.implementation, {array: self.layouts[array]}
        if step.relayout or not makes_or_takes(array, nest, chosen):
            return False
        stored = nest.store.array == array
        accesses = [nest.store.access] if stored else [access for access in nest.loads if access.array == array]
        return all(in_place(nest, chosen, each, self.machine, placed, result=stored) for each in accesses)

    def of(self, group: Candidate) -> dict[ir.Value, int]:
        """The windows of a group that are put into PSUM, the largest first, and the banks that they take."""
        lives = [live for live in group.outline.lives if self.are(live.array)]
        return self._first_fit(group, sorted(lives, key=lambda live: -live.bytes_per_lane))

    def those(self, arrays: Collection[ir.Value], group: Candidate) -> dict[ir.Value, int] | None:
        """The windows that a group has of the arrays, with the banks they take; None where they cannot be in PSUM."""
        lives = [live for live in group.outline.lives if live.array in arrays]
        found = self._first_fit(group, lives)
        return found if len(found) == len(lives) else None

    def _first_fit(self, group: Candidate, lives: Sequence[Live]) -> dict[ir.Value, int]:
        found: dict[ir.Value, int] = {}
        taken = [0] * len(group.sweep.boxes)
        for live in lives:
            banks = self.banks(group, live.array)
            span = range(live.first - group.outline.first, live.last - group.outline.first + 1)
            if banks is not None and all(taken[k] + banks <= self.most for k in span):
                found[live.array] = banks
                for k in span:
                    taken[k] += banks
        return found

    def banks(self, group: Candidate, array: ir.Value) -> int | None:
        """Banks that a window takes; None where it cannot lie in PSUM."""
        held, first = group.windows[array], group.outline.first
        window = held.window
        if held.kept or window.loaded or window.stored:
            return None
        columns = list[frozenset[int]]()
        for number in group.sweep.group.writers.get(array, ()):
            step = self.steps[first + number]
            columns.append(column_dims(array, step.nest, step.implementation))
            if not self._whole(group, number, window, columns[-1]):
                return None
        return banks_of(window.extents, held.layout, columns, self.machine)

    def _whole(self, group: Candidate, number: int, window: Window, dims: frozenset[int]) -> bool:
        """Whether each box of a nest writes all of a window along some dimensions."""
        box = group.sweep.boxes[number]
        written = box.footprint(group.sweep.group.nests[number].store)
        for d in dims:
            (low, high), (first, end) = written.dims[d], window.dims[d]
            same = (matrix(low) == matrix(first)) & (matrix(high) == matrix(end))
            if not (same if box.active is None else same | ~box.active).all():
                return False
        return True


def in_psum(outline: Outline, banks: Mapping[ir.Value, int]) -> Outline:
    """The group with some of its windows in PSUM."""
    lives = tuple(replace(live, bytes_per_lane=0) if live.array in banks else live for live in outline.lives)
    return replace(outline, lives=lives, banks=dict(banks))
