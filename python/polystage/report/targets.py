"""The built-in machines as a terminal table, and how far each one's numbers can be trusted."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from polystage.machine import Machine
from polystage.machine.rows import HEADERS, rows

_WIDTH = 150


def show(machines: Sequence[Machine], console: Console | None = None) -> None:
    """Prints one row for each machine and one line on where its numbers come from."""
    console = console or Console(highlight=False)
    width = console.width if console.is_terminal else _WIDTH
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, expand=False)
    for header in HEADERS[:-1]:
        table.add_column(header)
    described = rows(machines)
    for row in described:
        table.add_row(*row.cells()[:-1])
    Console(file=console.file, width=width, highlight=False).print(table)
    for row in described:
        console.print(f"[bold]{row.name}[/]: {row.standing.replace('_', ' ')}", soft_wrap=True)
