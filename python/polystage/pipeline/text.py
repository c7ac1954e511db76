"""Pipeline text: ``builtin.module(a,func.func(b{opt=1 list=2,3}))`` to a tree of elements and back.

The grammar is MLIR's::

    pipeline ::= element (`,` element)*
    element  ::= name (`{` options `}`)? (`(` pipeline? `)`)?
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from polystage.errors import UserError

_NAME = re.compile(r"[\w.\-]+")


@dataclass(frozen=True)
class Element:
    """A pass, an alias or an anchor with what runs on it.

    ``options`` is the text between the braces, None without braces; ``children`` is None without parentheses;
    ``offset`` says where in the text the element starts.
    """

    name: str
    options: str | None = None
    children: "tuple[Element, ...] | None" = None
    offset: int = field(default=0, compare=False)

    def __str__(self) -> str:
        options = "" if self.options is None else f"{{{self.options}}}"
        children = "" if self.children is None else f"({format_elements(self.children)})"
        return f"{self.name}{options}{children}"


def format_elements(elements: Iterable[Element]) -> str:
    """The pipeline text of ``elements``."""
    return ",".join(map(str, elements))


def parse_elements(text: str) -> tuple[Element, ...]:
    """Read pipeline text; blank text is the empty pipeline.

    :raises UserError: malformed text, with a note that shows where.
    """
    reader = _Reader(text)
    elements = reader.elements()
    if reader.position < len(text):
        raise reader.error("expected ',' or the end of the pipeline")
    return elements


def syntax_error(message: str, text: str, offset: int) -> UserError:
    """An error at ``offset`` in the pipeline ``text``."""
    return UserError(f"pipeline: {message}", notes=(f"in the pipeline\n{text}\n{' ' * offset}^",))


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.skip_space()

    def elements(self) -> tuple[Element, ...]:
        found: list[Element] = []
        if self.peek() in ("", ")"):
            return ()
        found.append(self.element())
        while self.peek() == ",":
            self.advance()
            found.append(self.element())
        return tuple(found)

    def element(self) -> Element:
        match = _NAME.match(self.text, self.position)
        if match is None:
            raise self.error("expected the name of a pass")
        offset = self.position
        self.position = match.end()
        options = self.options() if self.peek() == "{" else None
        self.skip_space()
        children = self.children() if self.peek() == "(" else None
        self.skip_space()
        return Element(match[0], options, children, offset)

    def options(self) -> str:
        depth, quote = 0, ""
        for position in range(self.position, len(self.text)):
            char = self.text[position]
            if quote:
                quote = "" if char == quote else quote
            elif char in "'\"":
                quote = char
            else:
                depth += {"{": 1, "}": -1}.get(char, 0)
            if depth == 0:
                options = self.text[self.position + 1 : position]
                self.position = position + 1
                return options.strip()
        raise self.error("unclosed '{'")

    def children(self) -> tuple[Element, ...]:
        opened = self.position
        self.advance()
        elements = self.elements()
        if self.peek() != ")":
            at = self.position
            self.position = opened if at == len(self.text) else at
            raise self.error("unclosed '('" if at == len(self.text) else "expected ',' or ')'")
        self.advance()
        return elements

    def advance(self) -> None:
        self.position += 1
        self.skip_space()

    def peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def skip_space(self) -> None:
        while self.peek().isspace():
            self.position += 1

    def error(self, message: str) -> UserError:
        return syntax_error(message, self.text, self.position)
