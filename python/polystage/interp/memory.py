"""Memories of the machine as byte arrays, the buffers that lie in them, and the faults of programs that misuse them.

A memory is one array of bytes with real addresses: two buffers whose addresses overlap share bytes. An on-chip memory
is two-dimensional; byte ``b`` of lane ``l`` is byte ``l * pitch + b`` of the array.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from polystage.errors import UserError

if TYPE_CHECKING:
    from polystage.interp.shadow import Shadow

Array = np.ndarray[Any, np.dtype[Any]]

DTYPES: dict[str, np.dtype[Any]] = {
    "i1": np.dtype(np.bool_),
    "i8": np.dtype(np.int8),
    "i32": np.dtype(np.int32),
    "f16": np.dtype(np.float16),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "f32": np.dtype(np.float32),
}
"""How each MLIR element type is stored."""


class Fault(UserError):  # noqa: N818  (the field's word; it is an error by its base)
    """A program that does what the machine does not allow, found while it runs or while it is decoded.

    ``kind`` is one of: uninitialised, overwritten, in-flight, race, unwaited, out-of-bounds, read-only, index.
    """

    def __init__(self, kind: str, message: str, location: str | None = None) -> None:
        super().__init__(message, location)
        self.kind = kind


@dataclass(eq=False)
class Memory:
    """One memory. ``pitch`` is the number of bytes from a lane to the next; 0 where there are no lanes (DRAM)."""

    name: str
    data: Array
    pitch: int
    shadow: "Shadow | None"

    def describe(self, offset: int, size: int) -> str:
        """Where ``size`` bytes at ``offset`` lie, for messages."""
        lane, byte = divmod(offset, self.pitch) if self.pitch else (None, offset)
        span = f"byte {byte}" if size == 1 else f"bytes {byte} to {byte + size - 1}"
        return span if lane is None else f"lane {lane}, {span}"


@dataclass(eq=False)
class Buffer:
    """One array in a memory: a function argument, a constant, or a ``memref.alloc``.

    ``origin`` is the byte offset of its first element in ``memory.data`` and ``strides`` are bytes there. ``address``
    and ``extent`` are the byte interval it occupies (within each lane on chip). ``stamp`` says which windows on the
    buffer need no further check; it and what follows belong to ``shadow``, and without shadow memory stay as they are.
    """

    memory: Memory
    label: str
    element: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    origin: int
    address: int
    extent: int
    tensor: str = ""
    writable: bool = True
    stamp: int = 0
    generation: int = 0
    transfers: int = 0
    active: bool = False
    whole: int = -1
    unsettled: int = 0
    word: Any = None
    dtype: np.dtype[Any] = field(init=False)
    itemsize: int = field(init=False)
    nbytes: int = field(init=False)

    def __post_init__(self) -> None:
        self.dtype = DTYPES[self.element]
        self.itemsize = self.dtype.itemsize
        self.nbytes = prod(self.shape) * self.itemsize

    def window(self) -> "Window":
        """All of the buffer."""
        return Window(np.ndarray(self.shape, self.dtype, self.memory.data, self.origin, self.strides), self.origin, -2)

    def overlaps(self, other: "Buffer") -> bool:
        """Whether the two share addresses."""
        return self.address < other.address + other.extent and other.address < self.address + self.extent


class Window:
    """Some elements of a buffer: a strided view that begins at byte ``offset`` of the memory."""

    __slots__ = ("data", "offset", "stamp")

    def __init__(self, data: Array, offset: int, stamp: int) -> None:
        self.data = data
        self.offset = offset
        self.stamp = stamp


def row_major(shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """Strides in bytes of a row-major array."""
    strides: list[int] = []
    step = itemsize
    for extent in reversed(shape):
        strides.append(step)
        step *= extent
    return tuple(reversed(strides))


def bytes_of(array: Array) -> Array:
    """The bytes of a C-contiguous array, without a copy."""
    return array.reshape(-1).view(np.uint8)
