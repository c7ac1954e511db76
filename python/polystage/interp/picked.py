"""The indexed side of a gather or scatter: elements whose place depends on index values loaded from SBUF."""

from collections.abc import Sequence

import numpy as np

from polystage.interp.access import Access, Linear
from polystage.interp.core import Site
from polystage.interp.memory import Array, Buffer, Fault
from polystage.interp.shadow import Picked


class Picker:
    """Finds the elements of ``buffer`` that ``subscripts`` name for given index values.

    Dimension ``len(site.sizes) + j`` of the subscripts stands for the value of index memref ``j``, whose view spans the
    box (with extent 1 where it does not vary). Index values are checked against the memref's shape each time.
    """

    def __init__(self, site: Site, role: str, buffer: Buffer, subscripts: Sequence[Linear]) -> None:
        self.site, self.role, self.buffer = site, role, buffer
        self._itemsize = buffer.dtype.itemsize
        data = buffer.memory.data
        self.flat = data[: len(data) - len(data) % self._itemsize].view(buffer.dtype)
        self._checked = [
            (dim, index, self._grid(index)) for dim, index in enumerate(subscripts) if self._takes_value(index)
        ]
        place = Linear(buffer.origin)
        for index, stride in zip(subscripts, buffer.strides, strict=True):
            place = place.plus(index.times(stride))
        self._place, self._places = place, self._grid(place)
        self._strides = tuple(place.dims.get(dim, 0) for dim in range(len(site.sizes)))

    def pick(self, values: Sequence[Array]) -> Picked:
        """The elements for index values ``values``, in the shape of the box."""
        wide = [value.astype(np.int64) for value in values]
        for dim, index, grid in self._checked:
            self._check(dim, self._now(index, grid, wide), values)
        places = self._now(self._place, self._places, wide) // self._itemsize
        return Picked(np.broadcast_to(places, self.site.sizes), self.flat)

    def example(self, region: Picked) -> Array:
        """A view of the box's shape at the first element, strided like the indexed memref; not to be read."""
        first = int(region.elements.flat[0])
        return np.lib.stride_tricks.as_strided(self.flat[first : first + 1], self.site.sizes, self._strides)

    def complain(self, kind: str, text: str) -> Fault:
        """The fault ``text`` at this operand."""
        return self.site.fault(kind, f"{self.role} {self.buffer.label}: {text}")

    def _takes_value(self, index: Linear) -> bool:
        return any(dim >= len(self.site.sizes) for dim in index.dims)

    def _grid(self, index: Linear) -> Array:
        """The part of ``index`` that depends on the place in the box alone."""
        rank = len(self.site.sizes)
        total = np.zeros((1,) * rank, np.int64)
        for dim, scale in index.dims.items():
            if dim < rank:
                steps = np.arange(self.site.sizes[dim], dtype=np.int64) * scale
                total = total + steps.reshape([-1 if i == dim else 1 for i in range(rank)])
        return total

    def _now(self, index: Linear, grid: Array, values: Sequence[Array]) -> Array:
        rank, env = len(self.site.sizes), self.site.env
        total = grid + (index.constant + sum([scale * env[slot] for slot, scale in index.slots.items()]))
        for dim, scale in index.dims.items():
            if dim >= rank:
                total = total + values[dim - rank] * scale
        return total

    def _check(self, dim: int, taken: Array, values: Sequence[Array]) -> None:
        extent = self.buffer.shape[dim]
        wrong = (taken < 0) | (taken >= extent)
        if wrong.any():
            raise self._fault(dim, extent, tuple(np.argwhere(wrong)[0]), values)

    def _fault(self, dim: int, extent: int, point: tuple[int, ...], values: Sequence[Array]) -> Fault:
        shown = ", ".join(str(int(np.broadcast_to(value, self.site.sizes)[point])) for value in values)
        where = ", ".join(str(int(i)) for i in point)
        text = f"index value {shown} at ({where}) of the box is outside 0 to {extent - 1}, the range of dimension {dim}"
        return self.complain("index", text)


def varying(access: Access) -> tuple[int | slice, ...]:
    """Selects extent 1 where the view of ``access`` does not vary."""
    return tuple([slice(0, 1) if stride == 0 else slice(None) for stride in access.strides])
