"""The timeline of an execution as a trace for Perfetto (ui.perfetto.dev) or chrome://tracing.

One track for each compute engine and each DMA queue that was used; one slice for each instruction, with the buffers it
touches and its place in the program. Format: "Trace Event Format", Google, complete events (``ph`` = X), times in
microseconds.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from polystage.errors import UserError
from polystage.interp.core import Site, describe
from polystage.interp.timing import ENGINES, Event


def write(events: Sequence[Event], title: str, path: Path) -> None:
    """Writes the trace of ``events`` to ``path``; raises UserError where its folder does not exist."""
    check(path)
    with path.open("w") as file:
        file.write('{"displayTimeUnit": "ns", "traceEvents": [\n')
        file.write(",\n".join(json.dumps(entry) for entry in entries(events, title)))
        file.write("\n]}\n")


def check(path: Path) -> None:
    """Raises UserError where ``path`` cannot be written, before the work that leads to it."""
    if not path.parent.is_dir():
        raise UserError(f"folder {path.parent} does not exist", str(path))


def entries(events: Sequence[Event], title: str) -> Iterator[dict[str, Any]]:
    """The names of the process and of its tracks, then the slices."""
    yield {"ph": "M", "name": "process_name", "pid": 0, "args": {"name": title}}
    for track in sorted({_track(event) for event in events}):
        name = ENGINES[track] if track < len(ENGINES) else f"dma queue {track - len(ENGINES)}"
        yield {"ph": "M", "name": "thread_name", "pid": 0, "tid": track, "args": {"name": name}}
        yield {"ph": "M", "name": "thread_sort_index", "pid": 0, "tid": track, "args": {"sort_index": track}}
    for event in events:
        yield {
            "ph": "X",
            "name": event.site.op,
            "cat": event.site.engine,
            "pid": 0,
            "tid": _track(event),
            "ts": round(event.begin, 6),
            "dur": round(event.end - event.begin, 6),
            "args": _details(event.site),
        }


def _track(event: Event) -> int:
    return ENGINES.index(event.site.engine) if event.queue < 0 else len(ENGINES) + event.queue


def _details(site: Site) -> dict[str, str]:
    touched = {"read": list[str](), "write": list[str]()}
    for operand in site.operands:
        touched[operand.kind].append(f"{operand.buffer.label} ({operand.memory})")
    details = {"reads": ", ".join(touched["read"]), "writes": ", ".join(touched["write"])}
    if site.cause:
        details["cause"] = site.cause
    return {**details, "sizes": "x".join(map(str, site.sizes)), "at": describe(site.position)}
