"""Diagnostics: a frozen value for each, one log for what Python passes and C++ say, and the text that a user sees."""

import linecache
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from torch_mlir import ir

Severity = Literal["error", "warning", "note", "remark"]

_SEVERITIES: Mapping[ir.DiagnosticSeverity, Severity] = {
    ir.DiagnosticSeverity.ERROR: "error",
    ir.DiagnosticSeverity.WARNING: "warning",
    ir.DiagnosticSeverity.NOTE: "note",
    ir.DiagnosticSeverity.REMARK: "remark",
}
_OPERATION_NOTE = "see current operation"
_NOTE_LINES = 4


@dataclass(frozen=True)
class Place:
    """A place in a source file; line and column count from 1, 0 means unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True)
class Diagnostic:
    """What was said about one place. Notes carry no notes of their own."""

    severity: Severity
    message: str
    place: Place | None = None
    notes: "tuple[Diagnostic, ...]" = ()

    def __str__(self) -> str:
        head = f"{self.place}: " if self.place else ""
        return "\n".join((f"{head}{self.severity}: {self.message}", *map(str, self.notes)))


def place_of(location: ir.Location) -> Place | None:
    """The first file position in ``location``: of fused locations the first, of a call site the callee."""
    if isinstance(location, ir.FileLineColLoc):
        return Place(location.filename, location.start_line, location.start_col)
    if isinstance(location, ir.NameLoc):
        return place_of(location.child_loc)
    if isinstance(location, ir.CallSiteLoc):
        return place_of(location.callee) or place_of(location.caller)
    if isinstance(location, ir.FusedLoc):
        return next(filter(None, map(place_of, location.locations)), None)
    return None


def from_mlir(diagnostic: ir.Diagnostic) -> Diagnostic:
    """Copy a diagnostic out of MLIR, which frees its own after the handler returns."""
    return Diagnostic(
        _SEVERITIES[diagnostic.severity],
        _shortened(diagnostic.message),
        place_of(diagnostic.location),
        tuple(map(from_mlir, diagnostic.notes)),
    )


def _shortened(message: str) -> str:
    """Keep the head of a note that prints an operation: a module may have thousands of lines."""
    lines = message.splitlines()
    if not message.startswith(_OPERATION_NOTE) or len(lines) <= _NOTE_LINES:
        return message
    return "\n".join((*lines[:_NOTE_LINES], f"... ({len(lines) - _NOTE_LINES} more lines)"))


def is_operation_note(diagnostic: Diagnostic) -> bool:
    """Whether MLIR added this note by itself to show the operation, so that nobody need expect it."""
    return diagnostic.severity == "note" and diagnostic.message.startswith(_OPERATION_NOTE)


class DiagnosticLog:
    """Diagnostics of one run, in the order in which they came, whoever gave them."""

    def __init__(self, rename: Mapping[str, str] | None = None) -> None:
        """``rename`` maps file names in locations to the names by which the user knows the files."""
        self._items: list[Diagnostic] = []
        self._rename = rename or {}

    def add(self, diagnostic: Diagnostic) -> None:
        """Append ``diagnostic``."""
        self._items.append(self._renamed(diagnostic))

    def handle(self, diagnostic: ir.Diagnostic) -> bool:
        """Take a diagnostic from MLIR: the callback of ``Context.attach_diagnostic_handler``."""
        self.add(from_mlir(diagnostic))
        return True

    @property
    def items(self) -> tuple[Diagnostic, ...]:
        """Everything so far."""
        return tuple(self._items)

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The errors so far."""
        return tuple(item for item in self._items if item.severity == "error")

    def _renamed(self, diagnostic: Diagnostic) -> Diagnostic:
        place = diagnostic.place
        if not self._rename or place is None:
            return diagnostic
        place = replace(place, file=self._rename.get(place.file, place.file))
        return replace(diagnostic, place=place, notes=tuple(map(self._renamed, diagnostic.notes)))


def render(diagnostics: Iterable[Diagnostic], sources: Mapping[str, Sequence[str]] | None = None) -> str:
    """Text of ``diagnostics``, each with its source line and a caret where the line can be had.

    ``sources`` holds the lines of files that are not on disk (standard input) or were already read.
    """
    lines: list[str] = []
    for diagnostic in diagnostics:
        for item in (diagnostic, *diagnostic.notes):
            head = f"{item.place}: " if item.place else ""
            lines.append(f"{head}{item.severity}: {item.message}")
            lines += _excerpt(item.place, sources or {})
    return "\n".join(lines)


def _excerpt(place: Place | None, sources: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    if place is None or not place.line:
        return ()
    known = sources.get(place.file)
    if known is None:
        line = linecache.getline(place.file, place.line)
    else:
        line = known[place.line - 1] if place.line <= len(known) else ""
    line = line.rstrip()
    if not line or not place.column:
        return ()
    # tabs stay tabs, so that the caret stands under its column
    pad = "".join(char if char == "\t" else " " for char in line[: place.column - 1].ljust(place.column - 1))
    return (line, f"{pad}^")
