"""Checked construction of frozen dataclasses from plain tables (TOML, attributes), with errors that name the key.

A field says in its metadata what its value must satisfy (`number`, `text`). pydantic would do; importing it takes 90 ms
and defining the first model 50 more, which every run of the driver would pay.
"""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from types import MappingProxyType
from typing import Any, TypeGuard, TypeVar, get_args, get_origin, get_type_hints

from polystage.errors import UserError
from polystage.machine.sizes import parse_bytes

T = TypeVar("T")


@dataclass(frozen=True)
class Rule:
    """What a field's value must satisfy; ``unit`` ``bytes`` also admits text such as ``192KiB``."""

    help: str
    unit: str = ""
    minimum: float = 0
    above: bool = False


def number(help: str, unit: str = "", *, minimum: float = 1, above: bool = False, default: Any = MISSING) -> Any:
    """A dataclass field that holds a number (or a mapping to numbers) >= ``minimum``, or > it when ``above``."""
    return _field(Rule(help, unit, minimum, above), default)


def text(help: str, *, default: Any = MISSING) -> Any:
    """A dataclass field that holds text, a table or a list, without bounds."""
    return _field(Rule(help), default)


def _field(rule: Rule, default: Any) -> Any:
    if is_table(default):
        return field(default_factory=lambda: MappingProxyType(default), hash=False, metadata={"rule": rule})
    return field(default=default, metadata={"rule": rule})


def build(cls: type[T], table: Mapping[str, object], source: str, path: str = "") -> T:
    """An instance of dataclass ``cls`` from ``table``. Raises UserError located at ``source: key.path``."""
    known = {entry.name: entry for entry in fields(cls)}  # pyright: ignore[reportArgumentType]
    for key in table:
        if key not in known:
            raise _error(source, path + key, f"unknown key; expected one of {', '.join(known)}")
    hints = get_type_hints(cls)
    values: dict[str, object] = {}
    for name, entry in known.items():
        if name in table:
            values[name] = _value(hints[name], table[name], _rule(entry), source, path + name)
        elif entry.default is MISSING and entry.default_factory is MISSING:
            raise _error(source, path + name, f"missing key ({_rule(entry).help})")
    return cls(**values)


def plain(instance: object) -> object:
    """The plain tables, lists, numbers and texts that ``build`` makes ``instance`` from."""
    if is_dataclass(instance):
        return {entry.name: plain(getattr(instance, entry.name)) for entry in fields(instance)}
    if is_table(instance):
        return {str(key): plain(value) for key, value in instance.items()}
    if is_list(instance):
        return [plain(value) for value in instance]
    return instance


def is_table(value: object) -> TypeGuard[Mapping[object, object]]:
    """Whether ``value`` is a mapping."""
    return isinstance(value, Mapping)


def is_list(value: object) -> TypeGuard[Sequence[object]]:
    """Whether ``value`` is a sequence other than text."""
    return isinstance(value, Sequence) and not isinstance(value, str)


def _rule(entry: "Field[Any]") -> Rule:
    return entry.metadata.get("rule", Rule("a table"))


def _value(hint: Any, value: object, rule: Rule, source: str, path: str) -> object:
    origin = get_origin(hint)
    if origin is tuple:
        return _tuple(get_args(hint)[0], value, rule, source, path)
    if origin is Mapping:
        return _mapping(get_args(hint)[1], value, rule, source, path)
    if is_dataclass(hint):
        assert isinstance(hint, type)
        return build(hint, _table(value, source, path), source, path + ".")
    return _scalar(hint, value, rule, source, path)


def _tuple(hint: Any, value: object, rule: Rule, source: str, path: str) -> tuple[object, ...]:
    if not is_list(value):
        raise _error(source, path, f"expected a list, got {_show(value)}")
    return tuple(_value(hint, each, rule, source, f"{path}[{i}]") for i, each in enumerate(value))


def _mapping(hint: Any, value: object, rule: Rule, source: str, path: str) -> Mapping[str, object]:
    table = _table(value, source, path)
    return MappingProxyType({key: _value(hint, each, rule, source, f"{path}.{key}") for key, each in table.items()})


def _table(value: object, source: str, path: str) -> Mapping[str, object]:
    if not is_table(value):
        raise _error(source, path, f"expected a table, got {_show(value)}")
    return {str(key): each for key, each in value.items()}


def _scalar(hint: Any, value: object, rule: Rule, source: str, path: str) -> object:
    if rule.unit == "bytes" and isinstance(value, str):
        try:
            value = parse_bytes(value)
        except UserError as error:
            raise _error(source, path, error.message) from None
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, hint) or isinstance(value, bool):
        raise _error(source, path, f"expected {_KINDS[hint]}, got {_show(value)}")
    if isinstance(value, int | float) and (value < rule.minimum or (rule.above and value == rule.minimum)):
        relation = "above" if rule.above else "at least"
        raise _error(source, path, f"must be {relation} {rule.minimum:g}{_unit(rule)}, got {value:g}")
    return value


_KINDS = {int: "an integer", float: "a number", str: "text"}


def _unit(rule: Rule) -> str:
    return f" {rule.unit}" if rule.unit else ""


def _show(value: object) -> str:
    return repr(value) if isinstance(value, str | int | float) else f"a {type(value).__name__}"


def _error(source: str, path: str, message: str) -> UserError:
    return UserError(f"{path}: {message}", location=source)
