"""The base class of passes and what a running pass may say."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from torch_mlir import ir

from polystage.errors import UserError
from polystage.pipeline.diagnostics import Diagnostic, DiagnosticLog, Place, Severity, place_of
from polystage.pipeline.options import options_of, read_options, write_options


class HasLocation(Protocol):
    """An operation, an op view or a value."""

    @property
    def location(self) -> ir.Location: ...  # noqa: D102


Where = HasLocation | ir.Location | None
Note = str | tuple[Where, str]


class PassFailure(UserError):  # noqa: N818 - MLIR's word
    """A pipeline that stopped on errors, all of them in ``diagnostics``.

    A pass that has reported an error through its context may raise it without arguments to stop at once.
    ``position`` says which pass of the pipeline it was, and on what.
    """

    def __init__(self, diagnostics: Sequence[Diagnostic] = (), position: str = "") -> None:
        errors = [item for item in diagnostics if item.severity == "error"]
        first = errors[0] if errors else Diagnostic("error", "the pass failed")
        notes = [*(_located(note) for note in first.notes), *map(str, errors[1:])]
        if position:
            notes.append(f"while {position}")
        super().__init__(first.message, str(first.place) if first.place else None, notes)
        self.diagnostics = tuple(diagnostics)
        self.position = position


class InvalidIR(PassFailure):
    """A Python pass left IR that does not verify: a bug of the pass, not of its input."""


@dataclass(frozen=True)
class Pass:
    """A transformation or check of one operation; the fields of a subclass are its options.

    One file holds one pass and gives it its ``pass_name``: ``map_banks.py`` is ``map-banks``. (Not ``name``, which
    is left to options.) ``anchor`` is the kind of operation it runs on.
    """

    pass_name: ClassVar[str] = ""
    anchor: ClassVar[str] = "builtin.module"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.pass_name = cls.__module__.rpartition(".")[2].replace("_", "-")

    def run(self, op: ir.Operation, ctx: "PassContext") -> None:
        """Do it. Report what the user can mend through ``ctx`` or as `UserError`; anything else raised is a bug."""
        raise NotImplementedError

    def prove(self, before: ir.Operation, after: ir.Operation, ctx: "PassContext") -> None:
        """Check what the pass claims, from the IR before and after; the driver's ``--verify-each`` calls it.

        A pass that claims nothing beyond valid IR leaves it alone, and no copy of the IR is made for it.
        """

    @classmethod
    def from_text(cls, options: str = "") -> "Pass":
        """The pass with its options read from the text between the braces.

        :raises UserError: an option that the pass does not have or that cannot have this value.
        """
        return cls(**read_options(cls.pass_name, options_of(cls), options))

    def __str__(self) -> str:
        options = write_options(options_of(type(self)), vars(self))
        return f"{self.pass_name}{{{options}}}" if options else self.pass_name


class PassContext:
    """What a running pass may say: located diagnostics, and numbers."""

    def __init__(self, log: DiagnosticLog) -> None:
        self._log = log
        self._statistics: dict[str, int] = {}
        self._failed = False

    def error(self, where: Where, message: str, notes: Sequence[Note] = ()) -> None:
        """Report an error; the pass goes on, and fails when it returns."""
        self._failed = True
        self._emit("error", where, message, notes)

    def warning(self, where: Where, message: str, notes: Sequence[Note] = ()) -> None:
        """Report something that the user should know and need not mend."""
        self._emit("warning", where, message, notes)

    def remark(self, where: Where, message: str, notes: Sequence[Note] = ()) -> None:
        """Report a decision, for those who ask why."""
        self._emit("remark", where, message, notes)

    def note(self, where: Where, message: str) -> None:
        """Report a note that belongs to no other diagnostic."""
        self._emit("note", where, message, ())

    def statistic(self, name: str, count: int = 1) -> None:
        """Add ``count`` to the statistic ``name``, which the docstring of the pass lists."""
        self._statistics[name] = self._statistics.get(name, 0) + count

    @property
    def failed(self) -> bool:
        """Whether an error was reported."""
        return self._failed

    @property
    def statistics(self) -> dict[str, int]:
        """The statistics so far."""
        return dict(self._statistics)

    def _emit(self, severity: Severity, where: Where, message: str, notes: Sequence[Note]) -> None:
        self._log.add(Diagnostic(severity, message, _place(where), tuple(map(_note, notes))))


def _place(where: Where) -> Place | None:
    if where is None:
        return None
    return place_of(where if isinstance(where, ir.Location) else where.location)


def _note(note: Note) -> Diagnostic:
    if isinstance(note, str):
        return Diagnostic("note", note)
    where, message = note
    return Diagnostic("note", message, _place(where))


def _located(note: Diagnostic) -> str:
    return f"{note.place}: {note.message}" if note.place else note.message
