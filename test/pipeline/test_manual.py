from dataclasses import dataclass

import pytest
from torch_mlir import ir

from polystage.pipeline import Pass, PassContext, Registry, option
from polystage.pipeline.manual import manual_of, show_pass


@dataclass(frozen=True)
class Described(Pass):
    """Say it
    in a sentence.

    Why: because.

    ```mlir
    before
    ```

    Requires: a module.

    Refuses:
      - what is wrong

    Statistics: seen (things, of all kinds), lost.
    """

    name: str = option(help="an option may be called name")

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        raise AssertionError


def test_docstring_is_taken_apart():
    manual = manual_of(Described)
    assert manual.summary == "Say it in a sentence."
    assert manual.body == "Why: because.\n\n```mlir\nbefore\n```"
    assert manual.sections == {
        "Requires": "a module.",
        "Refuses": "- what is wrong",
        "Statistics": "seen (things, of all kinds), lost.",
    }
    assert manual.statistics == {"seen": "things, of all kinds", "lost": ""}


def test_option_called_name_does_not_hide_the_pass():
    assert Described.pass_name == "test-manual"
    assert str(Described(name="x")) == "test-manual{name=x}"


@pytest.mark.parametrize(("line", "entries"), [("none.", {}), ("a, b-c (d).", {"a": "", "b-c": "d"})])
def test_statistics_in_one_sentence(line: str, entries: dict[str, str]):
    class Short(Pass):
        def run(self, op: ir.Operation, ctx: PassContext) -> None:
            raise AssertionError

    Short.__doc__ = f"Short.\n\nStatistics: {line}\n"
    assert manual_of(Short).statistics == entries


def test_statistics_in_lines(samples: Registry):
    assert manual_of(samples["count-loads"]).statistics == {
        "loads": "loads that were seen, in all functions",
        "functions": "functions that were seen",
    }


def test_whole_manual():
    assert show_pass(Described).splitlines()[0] == "test-manual (on builtin.module): Say it in a sentence."
    assert "  name=TEXT                       an option may be called name (required)" in show_pass(Described)
