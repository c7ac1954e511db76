"""Shadow memory: for every byte of a memory the buffer that last wrote it.

Each byte has a 16-bit owner: 0 = never written, ``k`` = written through buffer ``k``, IN_FLIGHT = a transfer into it
has started and was not waited for. Reading through buffer ``k`` requires that ``k`` owns every byte. A second array,
made when the first transfer is really left in flight, locks the bytes that a transfer still reads.

The owners of one element are compared as one word: an element of 4 bytes has 4 owners of 16 bits, which is one
``uint64`` at the same place with all strides doubled.

Most checks are remembered. A buffer is *active* while no buffer that shares its addresses has been touched since; what
an active buffer owns it keeps, so a window that was checked or written once carries the buffer's stamp and needs
nothing more until the stamp changes. The stamp is -1 (which no window carries) while a transfer involves the buffer.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from polystage.interp.memory import Array, Buffer, Fault, Memory, Window

IN_FLIGHT = 0xFFFF
_OWNER_WORD: dict[int, np.dtype[Any]] = {1: np.dtype(np.uint16), 2: np.dtype(np.uint32), 4: np.dtype(np.uint64)}
_LOCK_WORD: dict[int, np.dtype[Any]] = {1: np.dtype(np.uint8), 2: np.dtype(np.uint16), 4: np.dtype(np.uint32)}

Complain = Callable[[str, str], Fault]
"""Makes the fault of a given kind and text for the operand at hand: adds instruction, operand, loops and location."""


class Picked:
    """Elements of a memory that a gather or scatter touches: ``flat[elements]``; ``flat`` is all of the memory."""

    __slots__ = ("elements", "flat")

    def __init__(self, elements: Array, flat: Array) -> None:
        self.elements = elements
        self.flat = flat


Region = Window | Picked


class Shadow:
    """Owners and locks of one memory of ``size`` bytes."""

    def __init__(self, size: int) -> None:
        self.owners = np.zeros(_padded(size), np.uint16)
        self.locks: Array | None = None
        self.buffers: list[Buffer] = []
        self._active: list[Buffer] = []
        self._flying = 0
        self._sources: list[Region] = []

    def adopt(self, buffer: Buffer) -> None:
        """Give ``buffer`` its owner id. Ids repeat after 65,534 buffers."""
        buffer.owner = len(self.buffers) % (IN_FLIGHT - 1) + 1
        self.buffers.append(buffer)

    def read(self, buffer: Buffer, region: Region, complain: Complain) -> None:
        """Check that ``buffer`` owns all of ``region``."""
        self._activate(buffer)
        if isinstance(region, Window) and self._owned_whole(buffer, region.data.nbytes):
            region.stamp = buffer.stamp
            return
        words = self._owner_words(region)
        if not (words == _word(buffer.owner, _itemsize(region))).all():
            raise self._read_fault(buffer, region, words, complain)
        if isinstance(region, Window) and not buffer.transfers:
            region.stamp = buffer.stamp

    def write(self, buffer: Buffer, region: Region, complain: Complain) -> None:
        """Make ``buffer`` the owner of ``region``, which no transfer may be using."""
        self._activate(buffer)
        self._refuse_races(region, complain)
        if buffer.whole != buffer.generation or buffer.transfers:
            self._set_owner(region, buffer.owner)
        if isinstance(region, Window) and not buffer.transfers:
            region.stamp = buffer.stamp

    def forget(self, buffer: Buffer) -> None:
        """A new life of ``buffer`` begins (an allocation inside a loop): what it held is undefined."""
        words = self._owner_words(buffer.window())
        words[words == _word(buffer.owner, buffer.dtype.itemsize)] = 0
        self._renew(buffer)

    def depart(self, buffer: Buffer, region: Region, complain: Complain) -> None:
        """A transfer into ``region`` starts."""
        self._activate(buffer)
        self._refuse_races(region, complain)
        self._set_owner(region, IN_FLIGHT)
        self._flying += 1
        self._engage(buffer, 1)

    def land(self, buffer: Buffer, region: Region) -> None:
        """A transfer into ``region`` ends."""
        self._set_owner(region, buffer.owner)
        self._flying -= 1
        self._engage(buffer, -1)

    def lock(self, buffer: Buffer, region: Region) -> None:
        """A transfer that reads ``region`` starts."""
        if self.locks is None:
            self.locks = np.zeros(len(self.owners), np.uint8)
        self._sources.append(region)
        self._set_lock(region, 1)
        self._engage(buffer, 1)

    def unlock(self, buffer: Buffer, region: Region) -> None:
        """A transfer that reads ``region`` ends."""
        self._sources.remove(region)
        self._set_lock(region, 0)
        for other in self._sources:
            self._set_lock(other, 1)
        self._engage(buffer, -1)

    def _activate(self, buffer: Buffer) -> None:
        if buffer.active:
            return
        for other in self._active:
            if other.overlaps(buffer):
                other.active = False
                self._renew(other)
        self._active = [other for other in self._active if other.active]
        self._active.append(buffer)
        buffer.active = True

    def _renew(self, buffer: Buffer) -> None:
        buffer.generation += 1
        self._engage(buffer, 0)

    def _engage(self, buffer: Buffer, change: int) -> None:
        buffer.transfers += change
        buffer.stamp = -1 if buffer.transfers else buffer.generation

    def _owned_whole(self, buffer: Buffer, cost: int) -> bool:
        """Whether the whole buffer is known to be owned; looked up once as many bytes were checked piece by piece."""
        if buffer.transfers:
            return False
        if buffer.whole == buffer.generation:
            return True
        buffer.unsettled += cost
        all_of_it = buffer.window()
        if buffer.unsettled < all_of_it.data.nbytes:
            return False
        buffer.unsettled = 0
        if not (self._owner_words(all_of_it) == _word(buffer.owner, buffer.dtype.itemsize)).all():
            return False
        buffer.whole = buffer.generation
        return True

    def _owner_words(self, region: Region) -> Array:
        """Owners of the elements of ``region``: a view for a window, a copy otherwise."""
        word = _OWNER_WORD[_itemsize(region)]
        if isinstance(region, Picked):
            return self.owners.view(word)[region.elements]
        strides = tuple([2 * stride for stride in region.data.strides])
        return np.ndarray(region.data.shape, word, self.owners, 2 * region.offset, strides)

    def _set_owner(self, region: Region, owner: int) -> None:
        itemsize = _itemsize(region)
        if isinstance(region, Picked):
            self.owners.view(_OWNER_WORD[itemsize])[region.elements] = _word(owner, itemsize)
        else:
            self._owner_words(region).fill(_word(owner, itemsize))

    def _lock_words(self, region: Region, locks: Array) -> Array:
        word = _LOCK_WORD[_itemsize(region)]
        if isinstance(region, Picked):
            return locks.view(word)[region.elements]
        return np.ndarray(region.data.shape, word, locks, region.offset, region.data.strides)

    def _set_lock(self, region: Region, value: int) -> None:
        assert self.locks is not None
        if isinstance(region, Picked):
            self.locks.view(_LOCK_WORD[_itemsize(region)])[region.elements] = value
        else:
            self._lock_words(region, self.locks).fill(value)

    def _refuse_races(self, region: Region, complain: Complain) -> None:
        if self._flying:
            words = self._owner_words(region)
            busy = words == _word(IN_FLIGHT, _itemsize(region))
            if busy.any():
                place = _place(region, busy)
                where = self._where(place, _itemsize(region))
                raise complain("race", f"{where} touched while dma in flight into it (missing wait)")
        if self._sources and self.locks is not None:
            busy = self._lock_words(region, self.locks) != 0
            if busy.any():
                where = self._where(_place(region, busy), _itemsize(region))
                raise complain("race", f"{where} written while dma in flight still reads it (missing wait)")

    def _read_fault(self, buffer: Buffer, region: Region, words: Array, complain: Complain) -> Fault:
        size = _itemsize(region)
        wrong = words != _word(buffer.owner, size)
        place = _place(region, wrong)
        owners = [int(owner) for owner in self.owners[place : place + size]]
        owner = next(owner for owner in owners if owner != buffer.owner)
        where = self._where(place, size)
        count = f"{int(wrong.sum())} of {wrong.size} elements"
        if owner == 0:
            return complain("uninitialised", f"read of uninitialised bytes: {where} never written ({count})")
        if owner == IN_FLIGHT:
            return complain("in-flight", f"{where} touched while dma in flight into it (missing wait)")
        culprit = self._named(owner, place)
        return complain("overwritten", f"{where} overwritten by buffer {culprit} ({count})")

    def _named(self, owner: int, place: int) -> str:
        return self.buffers[owner - 1].label

    def _where(self, place: int, size: int) -> str:
        return self.buffers[0].memory.describe(place, size)


def attach(memory: Memory) -> None:
    """Give ``memory`` a shadow."""
    memory.shadow = Shadow(len(memory.data))


def _padded(size: int) -> int:
    return size + -size % 8


def _itemsize(region: Region) -> int:
    return (region.flat if isinstance(region, Picked) else region.data).itemsize


def _word(owner: int, itemsize: int) -> Any:
    return _OWNER_WORD[itemsize].type(sum(owner << 16 * i for i in range(itemsize)))


def _place(region: Region, wrong: Array) -> int:
    """Byte offset of the first element of ``region`` where ``wrong`` holds."""
    first = np.argwhere(wrong)[0]
    if isinstance(region, Picked):
        return int(region.elements[tuple(first)]) * _itemsize(region)
    return region.offset + sum(int(i) * stride for i, stride in zip(first, region.data.strides, strict=True))
