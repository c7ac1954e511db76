"""Why every array lies as it does: the decisions of bank mapping as a terminal table, and as a strategy file."""

import json
from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from polystage.analysis.banks import Banks, Home, Place, place_of
from polystage.analysis.implementation import Implementation
from polystage.errors import UserError


def show(banks: Banks, names: Sequence[str], console: Console | None = None) -> None:
    """Prints the arrays of these names, all without any: layout, who asked, what another layout would add.

    Raises UserError for a name that no array has.
    """
    known = {home.name for home in banks.arrays}
    for name in names:
        if name not in known:
            raise UserError(f"no array '{name}' has a layout to choose; there are {len(known)}, such as {_some(known)}")
    table = Table("array", "across the lanes", "asked for by", "another layout would add", box=box.SIMPLE)
    for home in banks.arrays:
        if not names or home.name in names:
            table.add_row(home.name, _layout(home.layout), "\n".join(home.asked), _alternatives(home))
    (console or Console(highlight=False)).print(table)


def _some(names: set[str]) -> str:
    return ", ".join(sorted(names)[:3]) or "none"


def _layout(layout: Place) -> str:
    if layout == "replicated":
        return "all of it on every lane"
    return "one lane" if layout is None else f"dimension {layout}"


def _alternatives(home: Home) -> str:
    others = [(ns, _layout(place_of(key))) for key, ns in home.alternatives.items()]
    return "\n".join(f"{layout}: {ns / 1e3:+.2f} us" for ns, layout in sorted(others)) or "nobody wants another"


def strategy_file(banks: Banks) -> str:
    """The decisions as a strategy file of ``map-banks``: JSON, one line for each."""
    layouts: Mapping[str, Place] = {home.name: home.layout for home in banks.arrays}
    nests = {name: _entries(chosen) for name, chosen in banks.nests.items()}
    parts = [
        f"  {json.dumps(key)}: {{\n{_lines(table)}\n  }}"
        for key, table in (("layouts", layouts), ("implementations", nests))
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _lines(table: Mapping[str, Place] | Mapping[str, Mapping[str, int | str]]) -> str:
    return ",\n".join(f"    {json.dumps(name)}: {json.dumps(value)}" for name, value in table.items())


def _entries(chosen: Implementation) -> dict[str, int | str]:
    entries: dict[str, int | str] = {"kind": chosen.kind}
    if chosen.lane is not None:
        entries["lane"] = chosen.lane
    if chosen.rows is not None:
        entries["rows"] = chosen.rows
    if chosen.kind == "contraction":
        entries["stationary"] = chosen.stationary
    if chosen.replicated:
        entries["replicated"] = True
    return entries
