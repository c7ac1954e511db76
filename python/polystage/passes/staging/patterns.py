"""Which groups of a schedule are alike: the same nests on other arrays (shared by the policies of ``stage``).

The pattern of a group is a number. It is made from that of the group that ends one nest earlier and from what the last
nest adds to it, so that the patterns of all groups that begin with one nest take as long as that of the longest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch_mlir import ir

from polystage.analysis.nests import Gather, signature
from polystage.passes.staging.groups import Arrays
from polystage.passes.staging.schedule import Step


@dataclass
class _Row:
    """Groups that begin with one nest: their patterns and numbers of arrays by length, and these arrays in order."""

    patterns: list[int] = field(default_factory=list[int])
    counts: list[int] = field(default_factory=list[int])
    numbers: dict[int, int] = field(default_factory=dict[int, int])


class Patterns:
    """The patterns of all groups of a schedule; what takes and moves the same has the same pattern.

    ``needs`` are the bytes per lane of each nest's smallest tile with all of its arrays on chip.
    """

    def __init__(self, steps: Sequence[Step], uses: Arrays, needs: Sequence[int]) -> None:
        self.uses = uses
        self.known: dict[tuple[object, ...], int] = {}
        self.nests = [
            self._number(signature(step.nest), step.implementation, step.relayout, need)
            for step, need in zip(steps, needs, strict=True)
        ]
        ids: dict[ir.Value, int] = {}
        self.touched = [tuple(ids.setdefault(array, len(ids)) for array in _arrays(step)) for step in steps]
        self.arrays = list(ids)
        used = [uses.uses[array] for array in self.arrays]
        self.last_use = [
            len(steps) if uses.outside(array, len(steps), 1) else max((*own.reads, *own.writes))
            for array, own in zip(self.arrays, used, strict=True)
        ]
        self.rows: dict[int, _Row] = {}

    def of(self, first: int, last: int) -> int:
        """Equal for groups that differ only in which arrays they use."""
        return self._row(first, last).patterns[last - first]

    def arrays_of(self, first: int, last: int) -> list[ir.Value]:
        """The arrays of a group; those of a group alike stand at the same places."""
        row = self._row(first, last)
        return [self.arrays[array] for array in list(row.numbers)[: row.counts[last - first]]]

    def _row(self, first: int, last: int) -> _Row:
        row = self.rows.setdefault(first, _Row())
        for k in range(first + len(row.patterns), last + 1):
            before = row.patterns[-1] if row.patterns else -1
            added = tuple(self._about(array, first) for array in self.touched[k] if array not in row.numbers)
            used = tuple(
                (row.numbers.setdefault(array, len(row.numbers)), self.last_use[array] == k)
                for array in self.touched[k]
            )
            row.patterns.append(self._number(before, self.nests[k], used, added))
            row.counts.append(len(row.numbers))
        return row

    def _about(self, array: int, first: int) -> tuple[object, ...]:
        """What a group that begins with a nest needs to know of an array: what it holds, and what of it moves."""
        value = self.arrays[array]
        border = self.uses.borders.get(value)
        written = self.uses.outside(value, first, -1)
        return written, self.uses.before(value, first), border and border.inside

    def _number(self, *key: object) -> int:
        return self.known.setdefault(key, len(self.known))


def _arrays(step: Step) -> dict[ir.Value, None]:
    gathered = [node.array for node in step.nest.nodes if isinstance(node, Gather)]
    return dict.fromkeys([*(access.array for access in step.nest.loads), *gathered, step.nest.store.array])
