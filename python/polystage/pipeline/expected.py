"""``--verify-diagnostics``: the diagnostics of a run against those that comments in its input expect.

    // expected-error@+1 {{part of the message}}
    // expected-remark-re@below {{nest of {{[0-9]+}} points}}

A comment names a severity, a line (its own, ``@+N``, ``@-N``, ``@above``, ``@below``, ``@unknown``) and a part of the
message, with ``-re`` one in which ``{{...}}`` are regular expressions. The rules are those of ``mlir-opt``: each
expectation is met once, ``@below`` means the next line without an expectation of its own, and a diagnostic that
nobody expects is an error.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from polystage.pipeline.diagnostics import Diagnostic, Place, is_operation_note

_EXPECTATION = re.compile(
    r"expected-(?P<severity>error|warning|note|remark)(?P<re>-re)? *"
    r"(?:@(?P<at>[+-]\d+|above|below|unknown))? *\{\{(?P<text>.*)\}\}\s*$"
)
_UNKNOWN_LINE = 0


@dataclass(frozen=True)
class Expectation:
    """A diagnostic that must come. ``line`` is 0 where no place is known; ``pattern`` is found in the message."""

    severity: str
    line: int
    pattern: str
    text: str
    written: int

    def meets(self, diagnostic: Diagnostic) -> bool:
        """Whether ``diagnostic`` is the expected one."""
        line = diagnostic.place.line if diagnostic.place else _UNKNOWN_LINE
        same_place = (self.severity, self.line) == (diagnostic.severity, line)
        return same_place and re.search(self.pattern, diagnostic.message) is not None


def expectations(lines: Sequence[str], first_line: int = 1) -> tuple[Expectation, ...]:
    """The expectations written in ``lines``, the first of which has number ``first_line``."""
    found = [_EXPECTATION.search(line) for line in lines]
    plain = [first_line + index for index, match in enumerate(found) if match is None]
    return tuple(
        Expectation(
            match["severity"],
            _line(match["at"], first_line + index, plain),
            _pattern(match["text"], match["re"] is not None),
            match["text"],
            first_line + index,
        )
        for index, match in enumerate(found)
        if match
    )


def _line(at: str | None, here: int, plain: Sequence[int]) -> int:
    """The line that a designator means; ``plain`` are the lines without expectation, ascending."""
    if at is None:
        return here
    if at == "unknown":
        return _UNKNOWN_LINE
    if at == "above":
        return max((line for line in plain if line < here), default=here - 1)
    if at == "below":
        return min((line for line in plain if line > here), default=here + 1)
    return here + int(at)


def _pattern(text: str, is_regex: bool) -> str:
    if not is_regex:
        return re.escape(text)
    pieces = re.split(r"\{\{(.*?)\}\}", text)
    return "".join(f"(?:{piece})" if index % 2 else re.escape(piece) for index, piece in enumerate(pieces))


def mismatches(expected: Sequence[Expectation], diagnostics: Iterable[Diagnostic], file: str) -> list[Diagnostic]:
    """Errors for diagnostics that nobody expected and for expectations that were not met."""
    open_expectations = list(expected)
    wrong: list[Diagnostic] = []
    for diagnostic in _flat(diagnostics):
        met = next((item for item in open_expectations if item.meets(diagnostic)), None)
        if met:
            open_expectations.remove(met)
        elif not is_operation_note(diagnostic):
            wrong.append(
                Diagnostic("error", f"unexpected {diagnostic.severity}: {diagnostic.message}", diagnostic.place)
            )
    for item in open_expectations:
        message = f'expected {item.severity} "{item.text}" was not produced'
        wrong.append(Diagnostic("error", message, Place(file, item.written, 1)))
    return wrong


def _flat(diagnostics: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    for diagnostic in diagnostics:
        yield diagnostic
        yield from diagnostic.notes
