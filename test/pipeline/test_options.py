from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch_mlir import ir

from polystage.errors import UserError
from polystage.pipeline import Pass, PassContext, option, options_of
from polystage.pipeline.options import split_options


@dataclass(frozen=True)
class Everything(Pass):
    """Has an option of each kind."""

    needed: str = option(help="must be given")
    count: int = option(0, help="a count", unit="bytes")
    ratio: float = option(1.0, help="a ratio")
    flag: bool = option(False, help="a flag")
    sizes: tuple[int, ...] = option((), help="sizes")
    names: tuple[str, ...] = option(("a",), help="names", choices=("a", "b", "c"))
    max_rounds: int | None = option(None, help="a bound, if any")
    limit: float | None = option(None, help="a limit, if any")
    label: str | None = option(None, help="a label, if any")

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        raise AssertionError


TEXTS = st.text(st.characters(exclude_characters="'\"", exclude_categories=("Cs",)), max_size=8)
PASSES = st.builds(
    Everything,
    needed=TEXTS,
    count=st.integers(),
    ratio=st.floats(allow_nan=False),
    flag=st.booleans(),
    sizes=st.lists(st.integers(), max_size=3).map(tuple),
    names=st.lists(st.sampled_from("abc"), max_size=3).map(tuple),
    max_rounds=st.none() | st.integers(),
    limit=st.none() | st.floats(allow_nan=False),
    label=st.none() | TEXTS,
)


@given(PASSES)
def test_round_trip(made: Everything):
    name, _, options = str(made).partition("{")
    assert name == Everything.pass_name == "test-options"
    assert Everything.from_text(options.removesuffix("}")) == made


def test_readers():
    made = Everything.from_text("needed=x count=0x10 ratio=2 flag sizes=1,-2 names=a,b max-rounds=3 label='two words'")
    assert made == Everything(
        needed="x", count=16, ratio=2.0, flag=True, sizes=(1, -2), names=("a", "b"), max_rounds=3, label="two words"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "pass 'test-options' needs option 'needed' (must be given): write test-options{needed=TEXT}"),
        ("needed=x needed=y", "option 'needed' of pass 'test-options' is given twice"),
        ("needed", "option 'needed' of pass 'test-options' takes a text, not no value"),
        ("needed=x count=1.5", "option 'count' of pass 'test-options' takes an integer, not '1.5'"),
        ("needed=x ratio=fast", "option 'ratio' of pass 'test-options' takes a number, not 'fast'"),
        ("needed=x flag=maybe", "option 'flag' of pass 'test-options' takes true or false, not 'maybe'"),
        ("needed=x sizes=1,b", "option 'sizes' of pass 'test-options' takes integers separated by commas, not '1,b'"),
        ("needed=x names=a,d", "option 'names' of pass 'test-options' is one of a, b, c, not 'a,d'"),
        ("needed=x 'q", "pass 'test-options' has no option ''q'"),
        ("needed='x", "unclosed ' in options 'needed='x'"),
        ("needed={x", "unclosed { in options 'needed={x'"),
        ("needed=x cuont=1", "pass 'test-options' has no option 'cuont'; did you mean 'count'?"),
    ],
)
def test_errors_name_the_option(text: str, message: str):
    with pytest.raises(UserError) as raised:
        Everything.from_text(text)
    assert raised.value.message.startswith(message)


def test_split_keeps_nested_braces():
    assert split_options(" a={b{c}}  d='e f' g h=") == [("a", "b{c}"), ("d", "e f"), ("g", None), ("h", "")]


def test_usage_names_choices_and_unit():
    assert [str(known) for known in options_of(Everything)] == [
        "needed=TEXT",
        "count=INT (bytes)",
        "ratio=NUMBER",
        "flag=BOOL",
        "sizes=INT,...",
        "names=a|b|c",
        "max-rounds=INT",
        "limit=NUMBER",
        "label=TEXT",
    ]


def test_type_that_text_cannot_write():
    @dataclass(frozen=True)
    class Wrong(Pass):
        """Has an option of an unknown kind."""

        table: dict[str, int] = option(help="not writable")  # noqa: RUF009

    with pytest.raises(TypeError, match="option 'table' has type"):
        options_of(Wrong)
