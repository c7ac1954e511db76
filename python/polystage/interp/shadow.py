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

from polystage.interp.memory import Array, Buffer, Fault, Window

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
        self._names: list[str] = []
        self._born = 0
        self._active: list[Buffer] = []
        self._targets: list[Buffer] = []
        self._sources: list[tuple[Buffer, Region]] = []

    def adopt(self, buffer: Buffer) -> None:
        """A life of ``buffer`` begins (an allocation inside a loop has many): it gets an owner id and owns nothing.

        Ids come again after 65,534 lives.
        """
        owner = self._born % (IN_FLIGHT - 1) + 1
        self._born += 1
        self._names[owner - 1 : owner] = [buffer.label]
        buffer.word = _word(owner, buffer.itemsize)
        self._renew(buffer)

    def read(self, buffer: Buffer, region: Region, complain: Complain) -> None:
        """Check that ``buffer`` owns all of ``region``."""
        self._activate(buffer)
        if isinstance(region, Window) and self._owned_whole(buffer, region.data.nbytes):
            region.stamp = buffer.stamp
            return
        words = self._owner_words(region)
        if not (words == buffer.word).all():
            raise self._read_fault(buffer, region, words, complain)
        if isinstance(region, Window) and not buffer.transfers:
            region.stamp = buffer.stamp

    def write(self, buffer: Buffer, region: Region, complain: Complain) -> None:
        """Make ``buffer`` the owner of ``region``, which no transfer may be using."""
        self._activate(buffer)
        if self._targets or self._sources:
            self._refuse_races(buffer, region, complain)
        if buffer.whole != buffer.generation or buffer.transfers:
            self._set_owner(region, buffer.word)
        if isinstance(region, Window) and not buffer.transfers:
            region.stamp = buffer.stamp

    def depart(self, buffer: Buffer, region: Region, complain: Complain) -> None:
        """A transfer into ``region`` starts."""
        self._activate(buffer)
        self._refuse_races(buffer, region, complain)
        self._set_owner(region, _IN_FLIGHT_WORD[buffer.itemsize])
        self._targets.append(buffer)
        self._engage(buffer, 1)

    def land(self, buffer: Buffer, region: Region) -> None:
        """A transfer into ``region`` ends."""
        self._set_owner(region, buffer.word)
        self._targets.remove(buffer)
        self._engage(buffer, -1)

    def lock(self, buffer: Buffer, region: Region) -> None:
        """A transfer that reads ``region`` starts."""
        if self.locks is None:
            self.locks = np.zeros(len(self.owners), np.uint8)
        self._sources.append((buffer, region))
        self._set_lock(region, locked=True)
        self._engage(buffer, 1)

    def unlock(self, buffer: Buffer, region: Region) -> None:
        """A transfer that reads ``region`` ends."""
        self._sources.remove((buffer, region))
        self._set_lock(region, locked=False)
        for other, part in self._sources:
            if other.overlaps(buffer):
                self._set_lock(part, locked=True)
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
        if buffer.unsettled < buffer.nbytes:
            return False
        buffer.unsettled = 0
        if not (self._owner_words(buffer.window()) == buffer.word).all():
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

    def _owners_by_byte(self, region: Region) -> Array:
        """Owners with the bytes of an element as one more dimension, since an element may be partly in flight."""
        words = self._owner_words(region)
        return np.ascontiguousarray(words)[..., np.newaxis].view(np.uint16)

    def _set_owner(self, region: Region, word: Any) -> None:
        if isinstance(region, Picked):
            self.owners.view(word.dtype)[region.elements] = word
        else:
            self._owner_words(region).fill(word)

    def _lock_words(self, region: Region, locks: Array) -> Array:
        word = _LOCK_WORD[_itemsize(region)]
        if isinstance(region, Picked):
            return locks.view(word)[region.elements]
        return np.ndarray(region.data.shape, word, locks, region.offset, region.data.strides)

    def _set_lock(self, region: Region, locked: bool) -> None:
        assert self.locks is not None
        word = _LOCK_WORD[_itemsize(region)]
        value = np.iinfo(word).max if locked else 0  # every byte of the word, since others may look at a part of it
        if isinstance(region, Picked):
            self.locks.view(word)[region.elements] = value
        else:
            self._lock_words(region, self.locks).fill(value)

    def _refuse_races(self, buffer: Buffer, region: Region, complain: Complain) -> None:
        if any(other.overlaps(buffer) for other in self._targets):
            busy = (self._owners_by_byte(region) == IN_FLIGHT).any(axis=-1)
            if busy.any():
                where = buffer.memory.describe(_place(region, busy), buffer.itemsize)
                raise complain("race", f"{where} touched while dma in flight into it (missing wait)")
        if self.locks is not None and any(other.overlaps(buffer) for other, _ in self._sources):
            busy = self._lock_words(region, self.locks) != 0
            if busy.any():
                where = buffer.memory.describe(_place(region, busy), buffer.itemsize)
                raise complain("race", f"{where} written while dma in flight still reads it (missing wait)")

    def _read_fault(self, buffer: Buffer, region: Region, words: Array, complain: Complain) -> Fault:
        wrong = words != buffer.word
        place = _place(region, wrong)
        owners = [int(owner) for owner in self.owners[place : place + buffer.itemsize]]
        owner = next(owner for owner in owners if owner != int(buffer.word) & 0xFFFF)
        where = buffer.memory.describe(place, buffer.itemsize)
        count = f"{int(wrong.sum())} of {wrong.size} elements"
        if owner == 0:
            return complain("uninitialised", f"read of uninitialised bytes: {where} never written ({count})")
        if owner == IN_FLIGHT:
            return complain("in-flight", f"{where} touched while dma in flight into it (missing wait)")
        culprit = self._names[owner - 1]
        if culprit == buffer.label:
            text = f"read of uninitialised bytes: {where} last written in an earlier trip of the loop ({count})"
            return complain("uninitialised", text)
        return complain("overwritten", f"{where} overwritten by buffer {culprit} ({count})")


def _padded(size: int) -> int:
    return size + -size % 8


def _itemsize(region: Region) -> int:
    return (region.flat if isinstance(region, Picked) else region.data).itemsize


def _word(owner: int, itemsize: int) -> Any:
    return _OWNER_WORD[itemsize].type(sum(owner << 16 * i for i in range(itemsize)))


_IN_FLIGHT_WORD = {itemsize: _word(IN_FLIGHT, itemsize) for itemsize in _OWNER_WORD}


def _place(region: Region, wrong: Array) -> int:
    """Byte offset of the first element of ``region`` where ``wrong`` holds."""
    first = np.argwhere(wrong)[0]
    if isinstance(region, Picked):
        return int(region.elements[tuple(first)]) * _itemsize(region)
    return region.offset + sum(int(i) * stride for i, stride in zip(first, region.data.strides, strict=True))
