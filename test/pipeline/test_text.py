import pytest
from hypothesis import given
from hypothesis import strategies as st

from polystage.errors import UserError
from polystage.pipeline.text import Element, format_elements, parse_elements

NAMES = st.from_regex(r"[a-z][a-z0-9_.\-]{0,8}", fullmatch=True)
OPTIONS = st.none() | st.from_regex(r"([a-z]+=[a-z0-9,]+)( [a-z]+='[^'{}]*')?", fullmatch=True)
ELEMENTS = st.recursive(
    st.builds(Element, NAMES, OPTIONS),
    lambda inner: st.builds(Element, NAMES, st.none(), st.lists(inner, max_size=3).map(tuple)),
    max_leaves=8,
)


@given(st.lists(ELEMENTS, max_size=4).map(tuple))
def test_round_trip(elements: tuple[Element, ...]):
    assert parse_elements(format_elements(elements)) == elements


def test_structure():
    (module,) = parse_elements(" builtin.module( a , func.func(b{x=1 y={c(d),e}},c{}) ) ")
    assert module.name == "builtin.module"
    assert module.children is not None
    first, nest = module.children
    assert first == Element("a")
    assert nest.children == (Element("b", "x=1 y={c(d),e}"), Element("c", ""))


def test_quoted_braces_belong_to_the_value():
    assert parse_elements("a{x='}' y=2},b") == (Element("a", "x='}' y=2"), Element("b"))


def test_empty_pipeline():
    assert parse_elements("  ") == ()
    assert parse_elements("builtin.module()") == (Element("builtin.module", None, ()),)


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("a,", "expected the name of a pass", 2),
        ("a,,b", "expected the name of a pass", 2),
        ("a b", "expected ',' or the end of the pipeline", 2),
        ("a)", "expected ',' or the end of the pipeline", 1),
        ("m(a;b)", "expected ',' or ')'", 3),
        ("m(a,n(b)", "unclosed '('", 1),
        ("a{x=1", "unclosed '{'", 1),
        ("a{x='1}", "unclosed '{'", 1),
    ],
)
def test_errors_show_the_place(text: str, message: str, offset: int):
    with pytest.raises(UserError) as raised:
        parse_elements(text)
    assert raised.value.message == f"pipeline: {message}"
    assert raised.value.notes == (f"in the pipeline\n{text}\n{' ' * offset}^",)
