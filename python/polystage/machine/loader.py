"""Targets from TOML files: the built-in ones beside this module, and the user's own."""

from collections.abc import Mapping
from pathlib import Path

from polystage.errors import UserError
from polystage.machine.model import Machine, check
from polystage.machine.schema import build

_BUILT_IN = Path(__file__).parent


def names() -> tuple[str, ...]:
    """The built-in targets, in alphabetical order."""
    return tuple(sorted(path.stem for path in _BUILT_IN.glob("*.toml")))


def load(name_or_path: str) -> Machine:
    """The built-in target of that name, or the one described by the TOML file at that path.

    Raises UserError, located at file and key, when there is no such target or its description is wrong.
    """
    if name_or_path in names():
        return from_file(_BUILT_IN / f"{name_or_path}.toml")
    if not name_or_path.endswith(".toml"):
        raise UserError(
            f"unknown target {name_or_path!r}; built in are {', '.join(names())}; "
            "a target of your own is given by the path of its .toml file"
        )
    return from_file(Path(name_or_path))


def from_file(path: Path) -> Machine:
    """The machine that a TOML file describes."""
    import tomllib

    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise UserError(f"cannot read the target: {error.strerror}", location=str(path)) from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"malformed TOML: {error}", location=str(path)) from None
    return from_table(table, str(path))


def from_table(table: Mapping[str, object], source: str) -> Machine:
    """The machine that ``table`` describes; ``source`` is where the table comes from, for error messages."""
    machine = build(Machine, table, source)
    problems = [f"{path}: {message}" for path, message in check(machine)]
    if problems:
        raise UserError(problems[0], location=source, notes=problems[1:])
    return machine
