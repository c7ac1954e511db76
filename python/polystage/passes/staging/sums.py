"""Which windows of a group lie in PSUM, so that they take nothing of SBUF (policy and legality of ``stage``).

Sums that products make in one step, or for one sweep, and elementwise nests take from there. As many banks stay free
as the other products, transposes and broadcasts of a group need.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, prod

from torch_mlir import ir

from polystage.analysis.intervals import matrix
from polystage.analysis.layouts import Layout
from polystage.analysis.sums import BYTES, banks_of, column_dims, makes_or_takes
from polystage.analysis.tiling import in_place
from polystage.analysis.values import producer
from polystage.analysis.windows import Window
from polystage.machine import Machine
from polystage.passes.staging.groups import Candidate, Live, Outline, Share
from polystage.passes.staging.schedule import Step

PASSING = 2  # banks for what passes through PSUM, so that one is written while the other one is used


@dataclass
class Sums:
    """Finds the sums of one schedule; remembers which arrays are. Unless ``used``, none are."""

    steps: Sequence[Step]
    machine: Machine
    layouts: Mapping[ir.Value, Layout] = field(default_factory=dict[ir.Value, Layout])
    used: bool = True
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
                self.used
                and alloc
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

    def of(self, group: Candidate) -> dict[ir.Value, Share]:
        """What is put into PSUM of the windows of a group, the largest first."""
        return self._first_fit(group, [live for live in group.outline.lives if self.are(live.array)])

    def those(self, arrays: Collection[ir.Value], group: Candidate) -> dict[ir.Value, Share] | None:
        """What is put into PSUM of the windows that a group has of the arrays; None where not all of them can be."""
        lives = [live for live in group.outline.lives if live.array in arrays]
        found = self._first_fit(group, lives)
        return found if len(found) == len(lives) else None

    def _first_fit(self, group: Candidate, lives: Sequence[Live]) -> dict[ir.Value, Share]:
        found: dict[ir.Value, Share] = {}
        taken = [0] * len(group.sweep.boxes)
        for live in sorted(lives, key=lambda live: -live.bytes_per_lane):
            span = range(live.first - group.outline.first, live.last - group.outline.first + 1)
            share = self.share(group, live.array, self.most - max(taken[k] for k in span))
            if share is not None:
                found[live.array] = share
                for k in span:
                    taken[k] += share.banks
        return found

    def share(self, group: Candidate, array: ir.Value, free: int) -> Share | None:
        """What of a window fits into so many banks, all of it or whole blocks of lanes; None where nothing can."""
        held, first = group.windows[array], group.outline.first
        window, layout = held.window, held.layout
        if held.kept or window.loaded or window.stored or layout.dim is None:
            return None
        columns = list[frozenset[int]]()
        for number in group.sweep.group.writers.get(array, ()):
            step = self.steps[first + number]
            columns.append(column_dims(array, step.nest, step.implementation))
            if not self._whole(group, number, window, columns[-1]):
                return None
        rows, shape = window.extents[layout.dim], list(window.extents)
        for kept in range(rows, 0, -layout.block) if self._divides(group, array, layout.dim) else (rows,):
            shape[layout.dim] = kept if kept == rows else kept // layout.block * layout.block
            banks = banks_of(shape, layout, columns, self.machine) if shape[layout.dim] else None
            if banks is None or banks > free:
                continue
            if kept == rows:
                return Share(banks)
            rest = [rows - shape[d] if d == layout.dim else extent for d, extent in enumerate(shape)]
            size, alignment = prod(layout.physical_shape(rest)[1:]) * BYTES, self.machine.alignment
            return Share(banks, shape[layout.dim], ceil(size / alignment) * alignment)
        return None

    def _divides(self, group: Candidate, array: ir.Value, dim: int) -> bool:
        """Whether each nest of a group that uses a window can be cut at any row: one of its loops runs over them."""
        low, high = group.windows[array].window.dims[dim]
        if not (isinstance(low, int) and isinstance(high, int)):
            return False
        steps = self.steps[group.outline.first : group.outline.last + 1]
        for nest in (step.nest for step in steps):
            accesses = [*nest.loads, *([] if nest.store.indirect else [nest.store.access])]
            rows = {access.indices[dim] for access in accesses if access.array == array}
            if len(rows) > 1 or any(sorted(filter(None, index.dims)) != [1] for index in rows):
                return False
        return True

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


def in_psum(outline: Outline, shares: Mapping[ir.Value, Share]) -> Outline:
    """The group with some of its windows in PSUM, or parts of them."""
    lives = tuple(
        replace(live, bytes_per_lane=shares[live.array].rest) if live.array in shares else live
        for live in outline.lives
    )
    return replace(outline, lives=lives, shares=dict(shares))
