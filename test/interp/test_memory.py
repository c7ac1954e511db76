"""Shadow memory by itself, against a plain record of who wrote each byte."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from polystage.interp.memory import Buffer, Fault, Memory, Window, row_major
from polystage.interp.shadow import Complain, Region, Shadow

SIZE, PITCH, LANES = 256, 64, 4


def complain(kind: str, text: str) -> Fault:
    return Fault(kind, text)


def make_memory() -> tuple[Memory, Shadow]:
    shadow = Shadow(SIZE)
    return Memory("sbuf", np.zeros(SIZE, np.uint8), PITCH, shadow), shadow


def make_buffer(memory: Memory, shadow: Shadow, label: str, element: str, address: int, columns: int) -> Buffer:
    itemsize = {"f32": 4, "bf16": 2, "i8": 1}[element]
    shape = (LANES, columns)
    strides = (PITCH, *row_major(shape[1:], itemsize))
    buffer = Buffer(memory, label, element, shape, strides, address, address, columns * itemsize)
    shadow.adopt(buffer)
    return buffer


def window(buffer: Buffer, lanes: slice, columns: slice) -> Window:
    part = buffer.window().data[lanes, columns]
    offset = part.__array_interface__["data"][0] - buffer.memory.data.__array_interface__["data"][0]
    return Window(part, offset, -2)


def bytes_of(part: Window) -> set[int]:
    itemsize = part.data.itemsize
    return {
        part.offset + sum(i * stride for i, stride in zip(point, part.data.strides, strict=True)) + byte
        for point in np.ndindex(part.data.shape)
        for byte in range(itemsize)
    }


LAYOUTS = [("f32", 0, 4), ("bf16", 8, 6), ("i8", 4, 20), ("f32", 24, 3), ("bf16", 36, 4)]


def overlapping_buffers(rng: np.random.Generator) -> tuple[Shadow, list[tuple[Buffer, Window]]]:
    """Buffers of several element types that share addresses, with windows on them that are used again and again."""
    memory, shadow = make_memory()
    known: list[tuple[Buffer, Window]] = []
    for i, layout in enumerate(LAYOUTS):
        buffer = make_buffer(memory, shadow, f"b{i}", *layout)
        for _ in range(4):
            lane, column = int(rng.integers(0, LANES)), int(rng.integers(0, buffer.shape[1]))
            step = int(rng.integers(1, 3))
            known.append((buffer, window(buffer, slice(lane, None), slice(column, None, step))))
        known.append((buffer, buffer.window()))
    return shadow, known


@pytest.mark.parametrize("seed", range(20))
def test_reads_are_refused_exactly_where_another_buffer_wrote_last(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shadow, known = overlapping_buffers(rng)
    writer: dict[int, Buffer] = {}
    seen = {True: 0, False: 0}
    for _ in range(400):
        buffer, part = known[int(rng.integers(0, len(known)))]
        touched = bytes_of(part)
        if rng.random() < 0.5:
            assert allowed(shadow.write, buffer, part)
            writer |= dict.fromkeys(touched, buffer)
            continue
        fine = all(writer.get(byte) is buffer for byte in touched)
        seen[fine] += 1
        assert fine == allowed(shadow.read, buffer, part)
    assert min(seen.values()) > 10


@dataclass
class Flying:
    """A transfer that the plain record knows of: from ``source`` into ``target``."""

    source: tuple[Buffer, Window]
    target: tuple[Buffer, Window]
    reads: set[int]
    writes: set[int]


@pytest.mark.parametrize("seed", range(20))
def test_transfers_in_flight_make_faults_exactly_where_they_are_touched(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shadow, known = overlapping_buffers(rng)
    writer: dict[int, Buffer] = {}
    flights: list[Flying] = []
    seen = {True: 0, False: 0}
    for _ in range(600):
        arriving = {byte for flight in flights for byte in flight.writes}
        locked = {byte for flight in flights for byte in flight.reads}
        buffer, part = known[int(rng.integers(0, len(known)))]
        touched = bytes_of(part)
        owned = all(writer.get(byte) is buffer and byte not in arriving for byte in touched)
        free = not touched & (arriving | locked)
        match int(rng.integers(0, 5)):
            case 0 | 1:
                seen[owned] += 1
                assert owned == allowed(shadow.read, buffer, part)
            case 2:
                seen[free] += 1
                assert free == allowed(shadow.write, buffer, part)
                writer |= dict.fromkeys(touched, buffer) if free else {}
            case 3 if len(flights) < 3:
                source = known[int(rng.integers(0, len(known)))]
                reads = bytes_of(source[1])
                sound = all(writer.get(byte) is source[0] and byte not in arriving for byte in reads)
                if sound and free and not touched & reads:
                    assert allowed(shadow.read, *source)
                    shadow.depart(buffer, part, complain)
                    shadow.lock(*source)
                    flights.append(Flying(source, (buffer, part), reads, touched))
            case _:
                if flights:
                    flight = flights.pop(int(rng.integers(0, len(flights))))
                    shadow.land(*flight.target)
                    shadow.unlock(*flight.source)
                    writer |= dict.fromkeys(flight.writes, flight.target[0])
    assert min(seen.values()) > 10


def allowed(check: Callable[[Buffer, Region, Complain], None], buffer: Buffer, part: Window) -> bool:
    """Whether an access goes through: its window carries the buffer's stamp, or it passes the check."""
    if part.stamp == buffer.stamp:
        return True
    try:
        check(buffer, part, complain)
    except Fault:
        return False
    return True


def test_messages_name_lane_bytes_and_culprit() -> None:
    memory, shadow = make_memory()
    a = make_buffer(memory, shadow, "a", "f32", 0, 4)
    b = make_buffer(memory, shadow, "b", "i8", 5, 1)
    shadow.write(a, a.window(), complain)
    shadow.write(b, window(b, slice(2, 3), slice(None)), complain)
    with pytest.raises(Fault, match=r"^error: lane 2, bytes 4 to 7 overwritten by buffer b \(1 of 16 elements\)$"):
        shadow.read(a, a.window(), complain)
    with pytest.raises(
        Fault, match=r"^error: read of uninitialised bytes: lane 0, byte 5 never written|overwritten by"
    ):
        shadow.read(b, b.window(), complain)


def test_a_checked_window_is_not_checked_again_until_its_addresses_are_used() -> None:
    memory, shadow = make_memory()
    a, b = (make_buffer(memory, shadow, name, "f32", address, 4) for name, address in (("a", 0), ("b", 8)))
    part = a.window()
    shadow.write(a, part, complain)
    assert part.stamp == a.stamp
    shadow.write(b, window(b, slice(None), slice(3, None)), complain)
    assert part.stamp != a.stamp
    shadow.read(a, part, complain)  # b wrote elsewhere
    assert part.stamp == a.stamp


def test_no_window_counts_as_checked_while_a_transfer_involves_its_buffer() -> None:
    memory, shadow = make_memory()
    a = make_buffer(memory, shadow, "a", "f32", 0, 4)
    part = a.window()
    shadow.write(a, part, complain)
    arriving = window(a, slice(0, 1), slice(None))
    shadow.depart(a, arriving, complain)
    assert part.stamp != a.stamp
    shadow.read(a, window(a, slice(1, None), slice(None)), complain)  # the other lanes may be read
    with pytest.raises(Fault, match="in flight"):
        shadow.read(a, part, complain)
    shadow.land(a, arriving)
    shadow.read(a, part, complain)


def test_owner_ids_start_again_before_they_run_out() -> None:
    memory, shadow = make_memory()
    ids: set[int] = set()
    for i in range(70_000):
        buffer = Buffer(memory, f"b{i}", "i8", (1, 1), (PITCH, 1), 0, 0, 1)
        shadow.adopt(buffer)
        ids.add(int(buffer.word) & 0xFFFF)
    assert (min(ids), max(ids)) == (1, 0xFFFE)
