"""DMA: a transfer captures its source when it starts, and its data lands when it is waited for.

In between its destination is marked as in flight and its source is locked, so that a missing wait is seen whatever is
read or written. A start with its wait right behind it is executed as one step, since nothing could come between.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
from torch_mlir import ir

from polystage.dialects import npu
from polystage.dialects.npu import Instruction
from polystage.interp.access import finder, views, windows
from polystage.interp.core import Decoder, Listener, Operand, Site, Step
from polystage.interp.memory import Array, Buffer, Window
from polystage.interp.operands import (
    access_of,
    buffer_of,
    operand_of,
    picked_operand,
    refuse_write,
    site_of,
    subscripts,
)
from polystage.interp.picked import Picker, varying
from polystage.interp.plans import Use, box
from polystage.interp.shadow import Complain, Region


@dataclass(frozen=True)
class Captured:
    """One execution of a transfer: its data, where they go, what they came from, and the views that listeners get."""

    payload: Array
    target: Region
    sources: Sequence[tuple[Buffer, Region]]
    seen: Sequence[Array]


@dataclass(frozen=True)
class Mover:
    """A transfer as decoded. ``capture`` reads and checks the source; ``buffer`` is the destination.

    ``at_once`` does the whole transfer and returns the views that listeners get.
    """

    site: Site
    buffer: Buffer
    complain: Complain
    capture: Callable[[], Captured]
    at_once: Callable[[], Sequence[Array]]


@dataclass(eq=False)
class Flight:
    """A transfer that was started."""

    number: int
    mover: Mover
    captured: Captured
    landed: bool = False


class Transfers:
    """The transfers of one execution."""

    def __init__(self) -> None:
        self._numbers = count()
        self._flying: dict[int, Flight] = {}
        self._blocking: dict[ir.Value, Callable[[], int]] = {}

    def dma_start(self, decoder: Decoder, op: ir.Operation) -> Step | None:
        """``dma_start``: a strided copy."""
        instruction = npu.decode(op)
        return self._start(decoder, op, _copier(decoder, instruction))

    def gather(self, decoder: Decoder, op: ir.Operation) -> Step | None:
        """``gather``: reads elements of DRAM that index values name."""
        return self._start(decoder, op, _gatherer(decoder, npu.decode(op)))

    def scatter(self, decoder: Decoder, op: ir.Operation) -> Step | None:
        """``scatter``: writes elements of DRAM that index values name."""
        return self._start(decoder, op, _scatterer(decoder, npu.decode(op)))

    def dma_wait(self, decoder: Decoder, op: ir.Operation) -> Step:
        """``dma_wait``: the data of its transfer land."""
        token = op.operands[0]
        site = site_of(decoder, npu.decode(op))
        listeners = decoder.listeners
        run = self._blocking.get(token) or self._land(decoder, site, token)
        if not listeners:
            return run

        def observed() -> None:
            number = run()
            for listener in listeners:
                listener(site, (), number)

        return observed

    def finish(self) -> None:
        """Raise Fault (unwaited) where a transfer was started and never waited for."""
        for flight in self._flying.values():
            raise flight.mover.site.fault(
                "unwaited", "the program ends with this transfer in flight (its token is never waited for)", False
            )

    def _start(self, decoder: Decoder, op: ir.Operation, mover: Mover) -> Step | None:
        token, listeners = op.results[0], decoder.listeners
        if _waited_at_once(op, decoder.following):
            self._blocking[token] = _blocking(mover, self._numbers, listeners)
            return None
        slot, env, flying, numbers = decoder.slot_of(token), decoder.env, self._flying, self._numbers

        def start() -> None:
            captured = mover.capture()
            flight = Flight(next(numbers), mover, _depart(mover, captured))
            env[slot] = flying[flight.number] = flight
            for listener in listeners:
                listener(mover.site, captured.seen, flight.number)

        return start

    def _land(self, decoder: Decoder, site: Site, token: ir.Value) -> Callable[[], int]:
        slot, env, flying = decoder.slot_of(token), decoder.env, self._flying

        def land() -> int:
            flight = env[slot]
            if not isinstance(flight, Flight) or flight.landed:
                raise site.fault("unwaited", "waits for a transfer that is not in flight")
            _arrive(flight.mover, flight.captured)
            flight.landed = True
            del flying[flight.number]
            return flight.number

        return land


def _waited_at_once(op: ir.Operation, following: ir.Operation | None) -> bool:
    return following is not None and following.name == "npu.dma_wait" and following.operands[0] == op.results[0]


def _blocking(mover: Mover, numbers: "count[int]", listeners: Sequence[Listener]) -> Callable[[], int]:
    """Start and wait in one."""
    run, site = mover.at_once, mover.site

    def start_and_wait() -> int:
        seen = run()
        number = next(numbers)
        for listener in listeners:
            listener(site, seen, number)
        return number

    return start_and_wait


def _whole(capture: Callable[[], Captured], buffer: Buffer, complain: Complain) -> Callable[[], Sequence[Array]]:
    shadow = buffer.memory.shadow

    def run() -> Sequence[Array]:
        captured = capture()
        if shadow is not None:
            shadow.write(buffer, captured.target, complain)
        _put(captured.target, captured.payload)
        return captured.seen

    return run


def _depart(mover: Mover, captured: Captured) -> Captured:
    shadow = mover.buffer.memory.shadow
    if shadow is not None:
        shadow.depart(mover.buffer, captured.target, mover.complain)
    for buffer, region in captured.sources:
        if buffer.memory.shadow is not None:
            buffer.memory.shadow.lock(buffer, region)
    return Captured(captured.payload.copy(), captured.target, captured.sources, ())


def _arrive(mover: Mover, captured: Captured) -> None:
    _put(captured.target, captured.payload)
    shadow = mover.buffer.memory.shadow
    if shadow is not None:
        shadow.land(mover.buffer, captured.target)
    for buffer, region in captured.sources:
        if buffer.memory.shadow is not None:
            buffer.memory.shadow.unlock(buffer, region)


def _put(target: Region, payload: Array) -> None:
    if isinstance(target, Window):
        np.copyto(target.data, payload)
    else:
        target.flat[target.elements] = payload


def _copier(decoder: Decoder, instruction: Instruction) -> Mover:
    site = site_of(decoder, instruction)
    source = access_of(decoder, site, instruction, Use(0, box(instruction)))
    target = access_of(decoder, site, instruction, Use(1, box(instruction), write=True))
    site.operands = (operand_of(source), operand_of(target, write=True))
    read, find, buffer = windows(source, write=False), finder(target), source.buffer
    take, give = views(source, write=False), views(target, write=True)

    def capture() -> Captured:
        window, destination = read(), find()
        return Captured(window.data, destination, ((buffer, window),), (window.data, destination.data))

    def copy() -> Sequence[Array]:
        origin = take()
        destination = give()
        destination[...] = origin
        return origin, destination

    return Mover(site, target.buffer, target.complain, capture, copy)


def _gatherer(decoder: Decoder, instruction: Instruction) -> Mover:
    site = site_of(decoder, instruction)
    target = access_of(decoder, site, instruction, Use(1, box(instruction), write=True))
    picker = Picker(site, "src", buffer_of(decoder, instruction, 0), subscripts(decoder, instruction, 0))
    read_indices, index_operands = _index_reader(decoder, site, instruction)
    source, shadow, find, seen_by = picker.buffer, picker.buffer.memory.shadow, finder(target), decoder.listeners
    site.operands = (picked_operand("src", source), operand_of(target, write=True), *index_operands)

    def capture() -> Captured:
        values, indices = read_indices()
        region = picker.pick(values)
        if shadow is not None:
            shadow.read(source, region, picker.complain)
        destination = find()
        seen = (picker.example(region), destination.data, *[p.data for _, p in indices]) if seen_by else ()
        return Captured(picker.flat[region.elements], destination, ((source, region), *indices), seen)

    return Mover(site, target.buffer, target.complain, capture, _whole(capture, target.buffer, target.complain))


def _scatterer(decoder: Decoder, instruction: Instruction) -> Mover:
    site = site_of(decoder, instruction)
    source = access_of(decoder, site, instruction, Use(0, box(instruction)))
    picker = Picker(site, "dst", buffer_of(decoder, instruction, 1), subscripts(decoder, instruction, 1))
    refuse_write(site, "dst", picker.buffer)
    read_indices, index_operands = _index_reader(decoder, site, instruction)
    read, seen_by = windows(source, write=False), decoder.listeners
    site.operands = (operand_of(source), picked_operand("dst", picker.buffer, write=True), *index_operands)

    def capture() -> Captured:
        window = read()
        values, indices = read_indices()
        region = picker.pick(values)
        seen = (window.data, picker.example(region), *[p.data for _, p in indices]) if seen_by else ()
        return Captured(window.data, region, ((source.buffer, window), *indices), seen)

    return Mover(site, picker.buffer, picker.complain, capture, _whole(capture, picker.buffer, picker.complain))


_IndexReader = Callable[[], tuple[list[Array], list[tuple[Buffer, Window]]]]


def _index_reader(decoder: Decoder, site: Site, instruction: Instruction) -> tuple[_IndexReader, list[Operand]]:
    """Reads the index memrefs: their values, as narrow as they vary, and the windows they come from."""
    positions = range(2, len(instruction.memrefs))
    accesses = [access_of(decoder, site, instruction, Use(i, box(instruction))) for i in positions]
    reads = [(access.buffer, varying(access), windows(access, write=False)) for access in accesses]

    def read() -> tuple[list[Array], list[tuple[Buffer, Window]]]:
        found = [(buffer, part, window()) for buffer, part, window in reads]
        return [window.data[part] for _, part, window in found], [(buffer, window) for buffer, _, window in found]

    return read, [operand_of(access) for access in accesses]
