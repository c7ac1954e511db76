"""An independent check of an allocation; it shares no code with any solver."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from polystage.alloc.problem import Buffer, Problem, Solution

Law = Literal["missing", "alignment", "pin", "reuse", "capacity", "overlap"]


@dataclass(frozen=True)
class Violation:
    """A broken law and what breaks it."""

    law: Law
    message: str

    def __str__(self) -> str:
        return f"{self.law}: {self.message}"


def validate(problem: Problem, solution: Solution) -> tuple[Violation, ...]:
    """Every law that ``solution`` breaks; empty when it solves ``problem``."""
    return (*_single(problem, solution), *_overlaps(problem, solution))


def _single(problem: Problem, solution: Solution) -> Iterator[Violation]:
    for buffer in problem.buffers:
        offset = solution.offsets.get(buffer.name)
        if offset is None:
            yield Violation("missing", f"buffer {buffer.name} has no offset")
            continue
        if offset % buffer.alignment:
            yield Violation("alignment", f"buffer {buffer.name} is at {offset}, no multiple of {buffer.alignment}")
        if buffer.pin is not None and offset != buffer.pin:
            yield Violation("pin", f"buffer {buffer.name} is at {offset}, pinned at {buffer.pin}")
        if buffer.reuses is not None and offset != solution.offsets.get(buffer.reuses, offset):
            where = solution.offsets[buffer.reuses]
            yield Violation(
                "reuse", f"buffer {buffer.name} is at {offset}, {buffer.reuses}, which it reuses, at {where}"
            )
        if offset < 0 or offset + buffer.size > problem.capacity:
            place = f"[{offset}, {offset + buffer.size})"
            yield Violation("capacity", f"buffer {buffer.name} lies at {place}, outside [0, {problem.capacity})")


def _overlaps(problem: Problem, solution: Solution) -> Iterator[Violation]:
    """Sweep over time; the few buffers that are live are compared pair by pair."""
    live: list[Buffer] = []
    placed = [buffer for buffer in problem.buffers if buffer.name in solution.offsets]
    for buffer in sorted(placed, key=lambda buffer: buffer.lower):
        live = [other for other in live if other.upper > buffer.lower]
        start = solution.offsets[buffer.name]
        for other in live:
            if buffer.reuses == other.name:
                continue
            begin = solution.offsets[other.name]
            if buffer.overlaps(other) and start < begin + other.size and begin < start + buffer.size:
                yield Violation(
                    "overlap",
                    f"buffers {other.name} at [{begin}, {begin + other.size}) and {buffer.name} at "
                    f"[{start}, {start + buffer.size}) are both live at time {buffer.lower}",
                )
        live.append(buffer)
