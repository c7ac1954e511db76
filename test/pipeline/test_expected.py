import pytest

from polystage.pipeline import Diagnostic, Place
from polystage.pipeline.expected import expectations, mismatches


def lines_of(text: str) -> list[int]:
    return [item.line for item in expectations(text.splitlines())]


def test_designators():
    text = """\
a // expected-error {{same line}}
// expected-error@+2 {{four}}
// expected-error@below {{four as well}}
b
// expected-error@above {{four}}
// expected-error@-1 {{five}}
// expected-error@unknown {{nowhere}}
// expected-error@above {{four, over three comments}}
// expected-error@+0 {{itself}}
"""
    assert lines_of(text) == [1, 4, 4, 4, 5, 0, 4, 9]


def said(severity: str, line: int, message: str) -> Diagnostic:
    return Diagnostic(severity, message, Place("f", line, 1))  # pyright: ignore[reportArgumentType]


def wrong(text: str, *diagnostics: Diagnostic) -> list[str]:
    return [str(item) for item in mismatches(expectations(text.splitlines()), diagnostics, "f")]


def test_part_of_the_message_is_enough():
    assert wrong("// expected-warning {{ss.ge}}", said("warning", 1, "the mess.ge here")) == []
    assert wrong("// expected-warning {{ss.ge}}", said("warning", 1, "message")) != []


def test_regular_expressions_between_double_braces():
    text = "// expected-remark-re {{moves {{[0-9]+}} bytes (in {{a|b}})}}"
    assert wrong(text, said("remark", 1, "moves 12 bytes (in b)")) == []
    assert len(wrong(text, said("remark", 1, "moves no bytes (in b)"))) == 2


def test_each_expectation_is_met_once():
    text = "// expected-error {{a}}"
    assert wrong(text, said("error", 1, "a"), said("error", 1, "a")) == ["f:1:1: error: unexpected error: a"]


def test_unmet_and_unexpected():
    assert wrong("// expected-error@+1 {{a}}", said("error", 1, "a"), said("remark", 2, "b")) == [
        "f:1:1: error: unexpected error: a",
        "f:2:1: error: unexpected remark: b",
        'f:1:1: error: expected error "a" was not produced',
    ]


def test_notes_count_except_the_one_mlir_adds():
    error = Diagnostic(
        "error",
        "a",
        Place("f", 1, 1),
        (Diagnostic("note", "see current operation: x", Place("f", 1, 1)), Diagnostic("note", "why")),
    )
    assert wrong("// expected-error {{a}}", error) == ["error: unexpected note: why"]
    assert wrong("// expected-error {{a}}\n// expected-note@unknown {{why}}", error) == []


@pytest.mark.parametrize("first", [1, 40])
def test_parts_keep_line_numbers_of_the_file(first: int):
    (item,) = expectations(["", "// expected-error@above {{a}}"], first)
    assert (item.line, item.written) == (first, first + 1)
