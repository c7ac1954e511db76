"""The built-in machines as a terminal table."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from polystage.machine import Machine
from polystage.machine.describe import HEADERS, rows


def show(machines: Sequence[Machine], console: Console | None = None) -> None:
    """Prints one row for each machine."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for position, header in enumerate(HEADERS):
        table.add_column(header, style="cyan" if position == 0 else None, overflow="fold")
    for row in rows(machines):
        table.add_row(*row.cells())
    (console or Console(highlight=False)).print(table)
