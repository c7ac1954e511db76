#!/usr/bin/env python3
"""Lint of lit tests: directives that FileCheck would skip without a word, and checks that cannot fail.

Usage: check_lines.py PATH...   (files, or folders with .mlir and .test files in them)

FileCheck ignores what it does not take for a directive: a misspelt ``CHECK-NXT:`` or ``CHECK-NEXT`` without its colon
tests nothing, and a test with it passes for ever. The lint knows the prefixes of a test from its RUN lines.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = (".mlir", ".test")
KINDS = ("NEXT", "SAME", "NOT", "DAG", "LABEL", "EMPTY")
MAX_NEXT_LINES = 24

_RUN = re.compile(r"\bRUN:(.*)$")
_PREFIX_OPTION = re.compile(r"--?check-prefix(?:es)?[= ]([\w,-]+)")
_FILECHECK = re.compile(r"\bFileCheck\b")
_EXPECTED = re.compile(r"\bexpected-[a-z]+\b")
_WELL_EXPECTED = re.compile(
    r"expected-(error|warning|note|remark)(-re)? *(@([+-]\d+|above|below|unknown))? *\{\{.+\}\}\s*$"
)
# a word of capitals at the head of a line or of a comment, where directives stand
_HEAD = re.compile(r"(?:^|//)\s*([A-Z][A-Z0-9]*(?:[-_ ][A-Z0-9]+)*)(\s*[:;]|\s|$)")
_WILDCARD = re.compile(r"\{\{\s*(?:\^|\$|\.[*+]|\\s[*+]?|\s)*\s*\}\}|\[\[\w+:\.[*+]\]\]")


@dataclass(frozen=True)
class Finding:
    """A line that does not test what it seems to."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: error: {self.message}"


@dataclass(frozen=True)
class Directive:
    """A well-formed directive. ``kind`` is empty for a plain one."""

    line: int
    prefix: str
    kind: str
    pattern: str


def prefixes_of(lines: Sequence[str]) -> frozenset[str]:
    """The prefixes that the RUN lines of a test ask FileCheck to use."""
    found: set[str] = set()
    for command in _commands(lines):
        for call in re.split(r"\||&&|;", command):
            if _FILECHECK.search(call):
                options = _PREFIX_OPTION.findall(call)
                found.update(prefix for option in options for prefix in option.split(","))
                found.update(() if options else ("CHECK",))
    return frozenset(found)


def _commands(lines: Sequence[str]) -> Iterator[str]:
    """The RUN lines, continued lines joined."""
    pending = ""
    for line in lines:
        match = _RUN.search(line)
        if match is None:
            continue
        pending += match[1].strip()
        if pending.endswith("\\"):
            pending = pending[:-1] + " "
        else:
            yield pending
            pending = ""


def directives_of(lines: Sequence[str], prefixes: Iterable[str]) -> tuple[Directive, ...]:
    """The well-formed directives with one of ``prefixes``."""
    names = "|".join(map(re.escape, sorted(prefixes, key=len, reverse=True)))
    form = re.compile(rf"(?<![\w-])({names})(?:-({'|'.join(KINDS)}|COUNT-\d+))?:(.*)$")
    matches = ((number, form.search(line)) for number, line in enumerate(lines, 1) if names)
    return tuple(Directive(number, match[1], match[2] or "", match[3].strip()) for number, match in matches if match)


def lint(file: str, text: str) -> list[Finding]:
    """All findings in one test, in the order of its lines."""
    lines = text.splitlines()
    prefixes = prefixes_of(lines)
    directives = directives_of(lines, prefixes)
    found = [
        *_near_misses(lines, prefixes, {directive.line for directive in directives}),
        *_empty_checks(directives),
        *_unused(lines, prefixes, directives),
        *_dumps(directives),
        *_expectations(lines),
        *_not_portable(lines),
    ]
    return [Finding(file, line, message) for line, message in sorted(found)]


def _near_misses(lines: Sequence[str], prefixes: frozenset[str], good: set[int]) -> Iterator[tuple[int, str]]:
    listed = ", ".join(sorted(prefixes))
    for number, line in enumerate(lines, 1):
        match = _HEAD.search(line)
        if number in good or match is None or _RUN.search(line):
            continue
        head, end = match[1], match[2].strip()
        if not any(_resembles(head, prefix) for prefix in prefixes):
            continue
        if end:
            yield number, f"'{match[0].strip(' /')}' is no directive of this test (prefixes: {listed})"
        elif "-" in head or head in prefixes:
            yield number, f"'{head}' lacks its colon"


def _resembles(head: str, prefix: str) -> bool:
    """Whether ``head`` starts with ``prefix`` or something one slip away from it."""
    words, wanted = re.split(r"[-_ ]", head), re.split(r"[-_ ]", prefix)
    return len(words) >= len(wanted) and all(
        word == want or (len(want) > 3 and _one_slip(word, want)) for word, want in zip(words, wanted, strict=False)
    )


def _one_slip(word: str, want: str) -> bool:
    """Whether one insertion, deletion, replacement or swap of neighbours turns ``word`` into ``want``."""
    if abs(len(word) - len(want)) > 1:
        return False
    swaps = {want[:i] + want[i + 1] + want[i] + want[i + 2 :] for i in range(len(want) - 1)}
    deletions = {want[:i] + want[i + 1 :] for i in range(len(want))}
    insertions = any(word[:i] + word[i + 1 :] == want for i in range(len(word)))
    replaced = len(word) == len(want) and sum(a != b for a, b in zip(word, want, strict=True)) == 1
    return word in swaps or word in deletions or insertions or replaced


def _empty_checks(directives: Sequence[Directive]) -> Iterator[tuple[int, str]]:
    for directive in directives:
        if directive.kind in ("NOT", "EMPTY"):
            continue
        if not directive.pattern:
            yield directive.line, "empty check"
        elif not _WILDCARD.sub("", directive.pattern).strip():
            yield directive.line, "check of wildcards only: it matches anything"


def _unused(
    lines: Sequence[str], prefixes: frozenset[str], directives: Sequence[Directive]
) -> Iterator[tuple[int, str]]:
    used = {directive.prefix for directive in directives}
    run_lines = [number for number, line in enumerate(lines, 1) if _RUN.search(line)]
    for prefix in sorted(prefixes - used):
        yield run_lines[0], f"prefix {prefix} has no directive: FileCheck would check nothing"


def _dumps(directives: Sequence[Directive]) -> Iterator[tuple[int, str]]:
    length = 0
    for directive in directives:
        length = length + 1 if directive.kind == "NEXT" else 0
        if length == MAX_NEXT_LINES + 1:
            yield directive.line, f"more than {MAX_NEXT_LINES} -NEXT lines in a row: check what the test is about"


def _expectations(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    if not any("-verify-diagnostics" in command for command in _commands(lines)):
        return
    for number, line in enumerate(lines, 1):
        if _EXPECTED.search(line) and not _WELL_EXPECTED.search(line):
            yield number, "malformed expectation: write expected-error@+1 {{part of the message}}"


def _not_portable(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, 1):
        if re.search(r"\[\[#|\[\[@LINE", line):
            yield number, "numeric and line substitutions are known to LLVM's FileCheck only, not to PyPI's"


def test_files(paths: Iterable[str]) -> Iterator[Path]:
    """The tests at ``paths``; folders named inputs hold data."""
    for path in map(Path, paths):
        if path.is_file():
            yield path
        else:
            files = (file for suffix in SUFFIXES for file in path.rglob(f"*{suffix}"))
            yield from sorted(file for file in files if "inputs" not in file.parts)


def main(paths: Sequence[str]) -> int:
    """Lint the tests at ``paths``; 1 if there is a finding."""
    found = [item for file in test_files(paths) for item in lint(str(file), file.read_text(encoding="utf-8"))]
    for item in found:
        print(item, file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit("usage: check_lines.py PATH...")
    sys.exit(main(sys.argv[1:]))
