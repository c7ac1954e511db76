"""The allocation problem: buffers that live for a time get offsets in one memory.

A buffer is live in the half-open interval ``[lower, upper)``; two buffers that are live at the same time must not share
a byte. Sizes and offsets are in bytes. The CSV form is that of minimalloc (https://github.com/google/minimalloc),
``id,lower,upper,size`` with optional columns ``alignment``, ``pin``, ``reuses`` and ``offset``.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from polystage.errors import UserError


@dataclass(frozen=True)
class Buffer:
    """``size`` bytes in ``[lower, upper)``, at a multiple of ``alignment``; ``pin`` is an offset it has to have.

    ``reuses`` names the buffer in whose place this one starts (an operation that works in place): both have the same
    offset, and they may be live together while the one hands over to the other.
    """

    name: str
    lower: int
    upper: int
    size: int
    alignment: int = 1
    pin: int | None = None
    reuses: str | None = None

    def overlaps(self, other: "Buffer") -> bool:
        """Whether both are live at some time and both take space."""
        return bool(self.size and other.size) and max(self.lower, other.lower) < min(self.upper, other.upper)


@dataclass(frozen=True)
class Problem:
    """Buffers, each with a name of its own, to be put into ``capacity`` bytes. Raises UserError for nonsense."""

    capacity: int
    buffers: tuple[Buffer, ...]

    def __post_init__(self) -> None:
        seen = set[str]()
        for buffer in self.buffers:
            for wrong, message in _defects(buffer, seen):
                if wrong:
                    raise UserError(f"buffer {buffer.name}: {message}")
            seen.add(buffer.name)
        named = {buffer.name: buffer for buffer in self.buffers}
        taken = dict[str, str]()
        for buffer in self.buffers:
            for wrong, message in _defects_of_reuse(buffer, named, taken) if buffer.reuses is not None else ():
                if wrong:
                    raise UserError(f"buffer {buffer.name} cannot reuse buffer {buffer.reuses}: {message}")


@dataclass(frozen=True)
class Solution:
    """The offset of every buffer, by its name."""

    offsets: Mapping[str, int]

    def peak(self, problem: Problem) -> int:
        """Bytes from 0 to the end of the highest buffer."""
        return max((self.offsets[buffer.name] + buffer.size for buffer in problem.buffers), default=0)


@dataclass(frozen=True)
class Infeasible:
    """No packing was found: ``demand`` bytes are needed where ``bound`` bytes are.

    ``proof`` says why there is none. ``load``: the buffers of ``section``, all live at ``time``, need ``demand`` bytes
    by themselves. ``search``: the search tried everything. None: nothing is proved. In the last two cases ``demand``
    is the smallest packing found, and ``section`` the fullest moment. The buffers of ``blame`` cannot be packed (as
    far as the proof goes); when it is ``irreducible``, they can as soon as any one of them is left out.
    """

    demand: int
    bound: int
    time: int
    section: tuple[Buffer, ...]
    proof: Literal["load", "search"] | None
    blame: tuple[Buffer, ...]
    irreducible: bool

    @property
    def proved(self) -> bool:
        """Whether no packing exists."""
        return self.proof is not None

    @property
    def gap(self) -> int:
        """Bytes that are missing."""
        return self.demand - self.bound

    def __str__(self) -> str:
        missing = f"{self.demand} bytes, {self.bound} are there, {self.gap} too few"
        if self.proof == "load":
            return f"needs {missing}; live at time {self.time}: {_largest(self.section)}"
        verb = "no packing exists; the smallest found needs" if self.proof else "needs with the packings tried"
        return f"{verb} {missing}; in each other's way: {_largest(self.blame)}"


def _largest(buffers: tuple[Buffer, ...]) -> str:
    largest = sorted(buffers, key=lambda buffer: (-buffer.size, buffer.name))
    shown = ", ".join(f"{buffer.name} ({buffer.size})" for buffer in largest[:5])
    return shown + (f" and {len(largest) - 5} more" if len(largest) > 5 else "")


def problem_from_csv(text: str, capacity: int, source: str = "<csv>") -> Problem:
    """The problem that minimalloc CSV ``text`` holds. Raises UserError located at ``source:line``."""
    return Problem(capacity, tuple(_buffer(row, place) for row, place in _rows(text, source)))


def solution_from_csv(text: str, source: str = "<csv>") -> Solution:
    """The column ``offset`` of minimalloc CSV ``text``. Raises UserError where it is missing."""
    offsets = {row["id"]: _number(row, "offset", place) for row, place in _rows(text, source)}
    return Solution(MappingProxyType(offsets))


def to_csv(problem: Problem, solution: Solution | None = None) -> str:
    """minimalloc CSV of ``problem``; with ``solution`` it has the column ``offset``."""
    columns = ["id", "lower", "upper", "size"]
    columns += ["alignment"] if any(buffer.alignment != 1 for buffer in problem.buffers) else []
    columns += ["pin"] if any(buffer.pin is not None for buffer in problem.buffers) else []
    columns += ["reuses"] if any(buffer.reuses is not None for buffer in problem.buffers) else []
    columns += ["offset"] if solution is not None else []
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for buffer in problem.buffers:
        cells = {"id": buffer.name, "lower": buffer.lower, "upper": buffer.upper, "size": buffer.size}
        cells |= {"alignment": buffer.alignment, "pin": "" if buffer.pin is None else buffer.pin}
        cells |= {"reuses": buffer.reuses or ""}
        cells |= {"offset": solution.offsets[buffer.name]} if solution is not None else {}
        writer.writerow([cells[column] for column in columns])
    return out.getvalue()


def _defects(buffer: Buffer, seen: set[str]) -> Iterator[tuple[bool, str]]:
    yield buffer.name in seen, "the name is taken by another buffer"
    yield buffer.size < 0, f"size must be at least 0, got {buffer.size}"
    yield buffer.lower > buffer.upper, f"lives from {buffer.lower} to {buffer.upper}, which is before it"
    yield buffer.alignment < 1, f"alignment must be at least 1, got {buffer.alignment}"
    yield buffer.pin is not None and buffer.pin < 0, f"is pinned at {buffer.pin}, which is below 0"
    misaligned = buffer.pin is not None and buffer.alignment > 0 and buffer.pin % buffer.alignment != 0
    yield misaligned, f"is pinned at {buffer.pin}, which is not a multiple of its alignment, {buffer.alignment}"


def _defects_of_reuse(buffer: Buffer, named: Mapping[str, Buffer], taken: dict[str, str]) -> Iterator[tuple[bool, str]]:
    """What is wrong with ``buffer.reuses``; ``taken`` collects who reuses whom."""
    before = named.get(buffer.reuses or "")
    if before is None:
        yield True, "there is none of that name"
        return
    yield before.name in taken, f"buffer {taken.get(before.name)} already does"
    taken[before.name] = buffer.name
    yield not (buffer.size and before.size), "one of them takes no bytes"
    yield buffer.lower <= before.lower, f"it starts at {buffer.lower}, the other only at {before.lower}"
    yield buffer.lower > before.upper, f"it starts at {buffer.lower}, after the other died at {before.upper}"
    yield buffer.upper <= before.upper, f"it dies at {buffer.upper}, the other lives until {before.upper}"
    first = named.get(before.reuses or "")
    handover = first is not None and buffer.lower < first.upper
    yield handover, f"it starts at {buffer.lower}, and buffer {before.reuses}, whose place it was, is still live"


def _rows(text: str, source: str) -> Iterator[tuple[dict[str, str], str]]:
    reader = csv.DictReader(io.StringIO(text), restval="")
    missing = [name for name in ("id", "lower", "upper", "size") if name not in (reader.fieldnames or ())]
    if missing:
        raise UserError(f"no column {', '.join(missing)}; expected id,lower,upper,size[,offset]", f"{source}:1")
    for row in reader:
        yield row, f"{source}:{reader.line_num}"


def _buffer(row: dict[str, str], place: str) -> Buffer:
    return Buffer(
        row["id"],
        _number(row, "lower", place),
        _number(row, "upper", place),
        _number(row, "size", place),
        _number(row, "alignment", place) if row.get("alignment") else 1,
        _number(row, "pin", place) if row.get("pin") else None,
        row.get("reuses") or None,
    )


def _number(row: dict[str, str], column: str, place: str) -> int:
    try:
        return int(row[column])
    except (KeyError, ValueError):
        raise UserError(f"column {column}: expected an integer, got {row.get(column, '')!r}", place) from None
