"""Boxes of nests on windows that lie partly in PSUM (mechanism of ``stage``)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch_mlir import ir

from polystage.analysis.nests import Linear, Nest
from polystage.passes.staging.groups import Share
from polystage.passes.staging.held import Held, value


@dataclass(frozen=True)
class Part:
    """Starts and extents of a box of iterations, and the windows of which it uses the ``rest`` that is in SBUF."""

    lows: tuple[int, ...]
    extents: tuple[int, ...]
    rest: frozenset[ir.Value] = frozenset()

    def cut(self, loop: int, at: int, array: ir.Value) -> Iterator["Part"]:
        """What is before iteration ``at`` of a loop, and what is not, which is on the rest of a window."""
        first = min(max(at - self.lows[loop], 0), self.extents[loop])
        if first:
            yield Part(self.lows, _with(self.extents, loop, first), self.rest)
        if first < self.extents[loop]:
            lows = _with(self.lows, loop, self.lows[loop] + first)
            yield Part(lows, _with(self.extents, loop, self.extents[loop] - first), self.rest | {array})


def parts_of(
    nest: Nest, box: Part, shares: Mapping[ir.Value, Share], windows: Mapping[ir.Value, Held]
) -> Iterator[Part]:
    """A box of a nest, cut where it goes from what is in PSUM of a window to the rest."""
    parts = [box]
    for array, share in shares.items():
        dim = windows[array].layout.dim
        rows = None if dim is None else _index(nest, array, dim)
        if share.rows is None or rows is None or dim is None:
            continue
        at = value(windows[array].window.dims[dim].low, 0, 0) + share.rows - rows.const
        parts = [part for each in parts for part in each.cut(rows.dims.index(1), at, array)]
    yield from parts


def _index(nest: Nest, array: ir.Value, dim: int) -> Linear | None:
    """The index of an array along a dimension; all accesses of a nest to a window that is divided have the same."""
    accesses = [*nest.loads, *([] if nest.store.indirect else [nest.store.access])]
    return next((access.indices[dim] for access in accesses if access.array == array), None)


def _with(values: tuple[int, ...], position: int, new: int) -> tuple[int, ...]:
    return (*values[:position], new, *values[position + 1 :])
