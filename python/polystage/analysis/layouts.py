"""How an array lies in lanes: the layout map of its memref type.

A *layout* spreads one dimension of an array over the lanes in blocks, keeps the array in one lane, or holds a copy of
it on every lane. It is the memref type's own affine layout map, whose first result is the lane::

    memref<1x256x14x14xf32, affine_map<(n, c, h, w) -> (c mod 128, c floordiv 128, n, h, w)>>

A constant lane is the one that holds the array, 0; a negative one, ``-n``, stands for each of the first n lanes: the
array is *replicated*. Only on chip: in DRAM it is there once.

Wherever the array is, it lies in that order: on chip (``#npu.sbuf``) the first result is the lane and the others are
row-major inside it; in DRAM all of them are row-major, so that what one lane holds is one run of bytes. The identity is
both "dimension 0 on the lanes" and, in DRAM, the plain order, which are the same bytes.

Not handled: layouts of several digits (two dimensions across the lanes, row blocks on idle lanes).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import gcd

from torch_mlir import ir

from polystage.analysis.nests import Access
from polystage.dialects import npu
from polystage.machine import Machine


class UnknownLayoutError(Exception):
    """A layout map that is not of the form that ``Layout`` writes."""


@dataclass(frozen=True)
class Layout:
    """``dim`` is the array dimension across the lanes in blocks of ``block`` lanes.

    None keeps all in one lane, or with a ``block`` on each of so many lanes.
    """

    dim: int | None
    block: int = 0

    @property
    def replicated(self) -> bool:
        """Whether every lane holds all of the array."""
        return self.dim is None and self.block > 0

    def affine_map(self, shape: Sequence[int]) -> ir.AffineMap:
        """The layout map for an array of that shape: lane, block of lanes where there are several, then the rest."""
        dims: list[ir.AffineExpr] = [ir.AffineExpr.get_dim(k) for k in range(len(shape))]
        if self.dim is None:
            return ir.AffineMap.get(len(shape), 0, [ir.AffineExpr.get_constant(-self.block), *dims])
        lane, free = dims[self.dim], dims[: self.dim] + dims[self.dim + 1 :]
        if shape[self.dim] <= self.block:
            return ir.AffineMap.get(len(shape), 0, [lane, *free])
        digits = [ir.AffineExpr.get_mod(lane, self.block), ir.AffineExpr.get_floor_div(lane, self.block)]
        return ir.AffineMap.get(len(shape), 0, [*digits, *free])

    def physical_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Shape of the physical array, lanes first; a ragged last block is padded."""
        if self.dim is None:
            return (max(1, self.block), *shape)
        extent, free = shape[self.dim], (*shape[: self.dim], *shape[self.dim + 1 :])
        if extent <= self.block:
            return (extent, *free)
        return (self.block, -(-extent // self.block), *free)

    @classmethod
    def of(cls, type_: ir.MemRefType, lanes: int) -> "Layout":
        """The layout that a type carries on a machine with so many lanes; UnknownLayoutError where it has none such."""
        access, shape = type_.affine_map, type_.shape
        if not shape and not access.results:
            return cls(None)
        constant = access.results[0] if isinstance(access.results[0], ir.AffineConstantExpr) else None
        copies = [] if constant is None else [cls(None, max(0, -ir.AffineConstantExpr(constant).value))]
        spread = [cls(dim, block) for dim in range(len(shape)) for block in (lanes, *_blocks(access))]
        for layout in (*copies, *spread):
            if layout.affine_map(shape) == access:
                return layout
        raise UnknownLayoutError(f"layout {access} does not spread one dimension over the lanes")

    def of_type(self, type_: ir.MemRefType, *, on_chip: bool) -> ir.MemRefType:
        """That type with this layout, in SBUF or in DRAM."""
        shape = list(type_.shape)
        space = npu.sbuf() if on_chip else None
        return ir.MemRefType.get(shape, type_.element_type, ir.AffineMapAttr.get(self.affine_map(shape)), space)


def lane_dim(access: Access, loop: int | None) -> int | None:
    """The array dimension that a lane loop runs along, one element per iteration; None where there is no such."""
    if loop is None:
        return None
    dims = [dim for dim, index in enumerate(access.indices) if index.dims[loop]]
    return dims[0] if len(dims) == 1 and access.indices[dims[0]].dims[loop] == 1 else None


def is_direct(
    access: Access, loop: int | None, extent: int, layout: Layout, machine: Machine, *, others: Iterable[int] = ()
) -> bool:
    """Whether instructions can use the access in place when ``loop`` (of that extent) is to be on its lanes.

    ``others`` are loops that lie across the lanes of other operands: they must not move this one from lane to lane.
    What every lane holds is read on any of them.
    """
    if layout.replicated:
        return loop not in access.support
    if layout.dim is None:
        return loop is None
    index = access.indices[layout.dim]
    if loop is None:
        return not any(index.dims) and not any(index.symbols) and index.const == 0
    if lane_dim(access, loop) != layout.dim:
        return False
    if any(index.dims[other] % layout.block for other in others if other != loop):
        return False
    offset = gcd(index.const, *(f for k, f in enumerate(index.dims) if k != loop), *index.symbols)
    return lane_chunk(offset, min(extent, layout.block), machine) is not None


def lane_chunk(offset: int, lanes: int, machine: Machine) -> int | None:
    """How many of ``lanes`` lanes one access takes when it starts at multiples of ``offset``; None if no number may."""
    for chunk in (lanes, *(rule.lanes for rule in reversed(machine.start_lanes) if rule.lanes < lanes)):
        multiple = machine.start_multiple(chunk)
        if offset % multiple == 0 and (chunk == lanes or chunk % multiple == 0):
            return chunk
    return None


def _blocks(access: ir.AffineMap) -> list[int]:
    """The divisor of a map's first result, if it is a ``mod``."""
    first = access.results[0] if access.results else None
    if isinstance(first, ir.AffineModExpr) and isinstance(first.rhs, ir.AffineConstantExpr):
        return [first.rhs.value]
    return []
