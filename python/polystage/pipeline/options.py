"""Options of passes: declared once as dataclass fields, read from and written to pipeline text.

The type of a field decides how its text is read: ``int``, ``float``, ``bool``, ``str``, ``tuple[int, ...]``,
``tuple[str, ...]``, and each of ``int``, ``float``, ``str`` with ``| None``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from polystage.errors import UserError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_T = TypeVar("_T")
_METADATA = "polystage.option"


@dataclass(frozen=True)
class _Metadata:
    help: str
    choices: tuple[object, ...]
    unit: str


@overload
def option(default: _T, *, help: str, choices: Sequence[object] = (), unit: str = "") -> _T: ...
@overload
def option(*, help: str, choices: Sequence[object] = (), unit: str = "") -> Any: ...
def option(default: Any = MISSING, *, help: str, choices: Sequence[object] = (), unit: str = "") -> Any:
    """Declare a field of a pass as its option; without ``default`` the option must be given.

    ``choices`` are all legal values (of a tuple option: of each element), ``unit`` is named in the help.
    """
    return field(default=default, metadata={_METADATA: _Metadata(help, tuple(choices), unit)})


@dataclass(frozen=True)
class Option:
    """An option as help and errors show it. ``name`` is written with dashes, ``kind`` is the type as text."""

    name: str
    field: str
    kind: str
    help: str
    default: object = MISSING
    choices: tuple[object, ...] = ()
    unit: str = ""

    @property
    def required(self) -> bool:
        """Whether the option has no default."""
        return self.default is MISSING

    def __str__(self) -> str:
        legal = "|".join(map(str, self.choices)) or _PLACEHOLDERS[self.kind]
        return f"{self.name}={legal}{f' ({self.unit})' if self.unit else ''}"


def options_of(owner: "type[DataclassInstance]") -> tuple[Option, ...]:
    """The options of a pass class, in the order of its fields."""
    return tuple(map(_option_of, fields(owner)))


def _option_of(declared: "Field[Any]") -> Option:
    kind = declared.type if isinstance(declared.type, str) else _type_text(declared.type)
    if kind not in _READERS:
        raise TypeError(f"option '{declared.name}' has type {kind}; pipeline text can write {', '.join(_READERS)}")
    about = declared.metadata.get(_METADATA) or _Metadata("", (), "")
    name = declared.name.replace("_", "-")
    return Option(name, declared.name, kind, about.help, declared.default, about.choices, about.unit)


def _type_text(kind: object) -> str:
    return kind.__name__ if isinstance(kind, type) and not hasattr(kind, "__args__") else str(kind)


def read_options(pass_name: str, known: Sequence[Option], text: str) -> dict[str, object]:
    """Values by field name from the ``text`` between the braces of ``pass_name{...}``.

    :raises UserError: unknown, repeated or missing option, or a value that its type or choices do not admit.
    """
    by_name = {option.name: option for option in known}
    values: dict[str, object] = {}
    for name, value in split_options(text):
        spec = by_name.get(name)
        if spec is None:
            raise UserError(_unknown(pass_name, name, by_name))
        if spec.field in values:
            raise UserError(f"option '{name}' of pass '{pass_name}' is given twice")
        values[spec.field] = _read(pass_name, spec, value)
    missing = [option for option in known if option.required and option.field not in values]
    if missing:
        listed = ", ".join(f"'{option.name}' ({option.help})" for option in missing)
        raise UserError(f"pass '{pass_name}' needs option {listed}: write {pass_name}{{{missing[0]}}}")
    return values


def _unknown(pass_name: str, name: str, known: Mapping[str, Option]) -> str:
    import difflib

    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    has = ", ".join(known) if known else "none"
    return f"pass '{pass_name}' has no option '{name}'{hint} (options: {has})"


def _read(pass_name: str, spec: Option, text: str | None) -> object:
    try:
        value = _READERS[spec.kind](text)
    except ValueError:
        shown = "no value" if text is None else f"'{text}'"
        raise UserError(
            f"option '{spec.name}' of pass '{pass_name}' takes {_EXPECTED[spec.kind]}, not {shown}"
        ) from None
    if spec.choices and not set(_elements(value)) <= set(spec.choices):
        legal = ", ".join(map(str, spec.choices))
        raise UserError(f"option '{spec.name}' of pass '{pass_name}' is one of {legal}, not '{text}'")
    return value


def _elements(value: object) -> tuple[object, ...]:
    return cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,)


def split_options(text: str) -> list[tuple[str, str | None]]:
    """Split ``a=1 b="x y" c={d e} f`` into names and values, quotes and outer braces removed.

    :raises UserError: an unclosed quote or brace.
    """
    pairs: list[tuple[str, str | None]] = []
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        end = position
        while end < len(text) and text[end] != "=" and not text[end].isspace():
            end += 1
        name, value = text[position:end], None
        if end < len(text) and text[end] == "=":
            value, end = _value(text, end + 1)
        pairs.append((name, value))
        position = end
    return pairs


def _value(text: str, start: int) -> tuple[str, int]:
    """The value that starts at ``start`` and the position after it."""
    opener = text[start : start + 1]
    if opener in ("'", '"'):
        end = text.find(opener, start + 1)
        if end < 0:
            raise UserError(f"unclosed {opener} in options '{text}'")
        return text[start + 1 : end], end + 1
    if opener == "{":
        end = _closing_brace(text, start)
        return text[start + 1 : end], end + 1
    end = start
    while end < len(text) and not text[end].isspace():
        end += 1
    return text[start:end], end


def _closing_brace(text: str, start: int) -> int:
    depth = 0
    for position in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return position
    raise UserError(f"unclosed {{ in options '{text}'")


def write_options(options: Sequence[Option], values: Mapping[str, object]) -> str:
    """The text that ``read_options`` reads back to ``values``; options that are None are left out."""
    shown = ((option.name, values[option.field]) for option in options)
    return " ".join(f"{name}={_written(value)}" for name, value in shown if value is not None)


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = ",".join(map(str, _elements(value)))
    if not text or any(char.isspace() or char in "'\"{}=" for char in text):
        return f"'{text}'" if "'" not in text else f'"{text}"'
    return text


def _integer(text: str | None) -> int:
    return int(_given(text), 0)


def _given(text: str | None) -> str:
    if text is None:
        raise ValueError
    return text


def _boolean(text: str | None) -> bool:
    spelled = {"": True, "1": True, "true": True, "0": False, "false": False}
    value = spelled.get((text or "").lower())
    if value is None:
        raise ValueError
    return value


def _items(text: str | None) -> tuple[str, ...]:
    given = _given(text)
    return tuple(item.strip() for item in given.split(",")) if given else ()


_READERS: Mapping[str, Callable[[str | None], object]] = {
    "int": _integer,
    "float": lambda text: float(_given(text)),
    "bool": _boolean,
    "str": _given,
    "int | None": _integer,
    "float | None": lambda text: float(_given(text)),
    "str | None": _given,
    "tuple[int, ...]": lambda text: tuple(map(_integer, _items(text))),
    "tuple[str, ...]": _items,
}
_PLACEHOLDERS = {
    "int": "INT",
    "float": "NUMBER",
    "bool": "BOOL",
    "str": "TEXT",
    "int | None": "INT",
    "float | None": "NUMBER",
    "str | None": "TEXT",
    "tuple[int, ...]": "INT,...",
    "tuple[str, ...]": "NAME,...",
}
_EXPECTED = {
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "int | None": "an integer",
    "float | None": "a number",
    "str | None": "a text",
    "tuple[int, ...]": "integers separated by commas",
    "tuple[str, ...]": "names separated by commas",
}
