"""Descriptors of transfers: the runs of elements that lie one after another both in DRAM and in a lane.

A transfer moves each such run by itself; small ones do not use the bandwidth (``machine.dma.efficiency_at``).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, prod

from torch_mlir import ir

from polystage.analysis.layouts import Layout
from polystage.analysis.tiling import TileBuffer
from polystage.machine import Machine


@dataclass(frozen=True)
class Order:
    """An array of that shape in DRAM, row-major in the order of its ``layout``; without one, of its dimensions."""

    shape: tuple[int, ...]
    layout: Layout | None = None

    @classmethod
    def of(cls, type_: ir.MemRefType, lanes: int) -> "Order":
        """The order that a type says, on a machine with so many lanes."""
        plain = type_.affine_map == ir.AffineMap.get_identity(type_.rank)
        return cls(tuple(type_.shape), None if plain else Layout.of(type_, lanes))

    @cached_property
    def _strides(self) -> tuple[int, ...]:
        return row_major(self.shape if self.layout is None else self.layout.physical_shape(self.shape))

    def apart(self, dim: int, step: int = 1) -> int:
        """Elements from one index to that ``step`` further along a dimension; whole blocks where it lies in blocks."""
        layout = self.layout
        if layout is None:
            return step * self._strides[dim]
        if layout.dim is None:
            return step * self._strides[dim + 1]
        blocks = int(self.shape[layout.dim] > layout.block)
        if dim == layout.dim:
            return step // layout.block * self._strides[1] if blocks else step * self._strides[0]
        return step * self._strides[blocks + dim + int(dim < layout.dim)]


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """Elements from one index to the next along each dimension."""
    return tuple(prod(shape[k + 1 :]) for k in range(len(shape)))


def longest_run(spans: Iterable[tuple[int, int, int]]) -> int:
    """Elements that lie one after another at both ends, from (elements apart there, here, extent) of each loop."""
    run = 1
    for there, here, extent in sorted(spans):
        if extent > 1:
            if (there, here) != (run, run):
                break
            run *= extent
    return run


def box_run(order: Order, layout: Layout, extents: Sequence[int]) -> int:
    """Elements of a run of a box of an array, between DRAM and a window with that layout."""
    window = Order(tuple(extents), layout)
    spans = [(order.apart(d), window.apart(d), extent) for d, extent in enumerate(extents) if d != layout.dim]
    if layout.dim is not None and extents[layout.dim] > layout.block:
        step, blocks = layout.block, ceil(extents[layout.dim] / layout.block)
        spans.append((order.apart(layout.dim, step), window.apart(layout.dim, step), blocks))
    return longest_run(spans)


def tile_run(order: Order, buffer: TileBuffer, sizes: Sequence[int], lanes: int) -> int:
    """Elements of a run of a tile, between DRAM and a tile buffer whose blocks are of so many lanes."""
    free = [dim.extent(sizes) for dim in buffer.free]
    spans = [
        (sum(order.apart(k, step) for k, step in dim.strides), here, extent)
        for dim, here, extent in zip(buffer.free, row_major(free), free, strict=True)
    ]
    if buffer.lane is not None and buffer.blocked:
        steps = [(index.dims[buffer.lane] * lanes, k) for k, index in enumerate(buffer.access.indices)]
        spans.append((sum(order.apart(k, step) for step, k in steps if step), prod(free), sizes[buffer.lane] // lanes))
    return longest_run(spans)


def excess_bytes(size: int, run: int, machine: Machine) -> int:
    """What would move besides in the time that ``size`` bytes take, if their runs of ``run`` bytes were long ones."""
    return int(size / machine.dma.efficiency_at(run)) - size
