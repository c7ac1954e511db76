"""The staging report as terminal tables."""

from collections.abc import Mapping

from rich import box
from rich.bar import Bar
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from polystage.report.report import Bounds, Check, Report

WIDTH = 100


def show(report: Report, console: Console | None = None) -> None:
    """Prints the report on ``console`` (standard output by default)."""
    (console or Console(width=_fit(), highlight=False)).print(render(report))


def render(report: Report) -> RenderableType:
    """The whole report: headline, memory and traffic, engines and instructions, times, verdicts."""
    parts: list[RenderableType] = [
        _headline(report),
        _side_by_side(_memory(report), _causes(report)),
        _side_by_side(_engines(report), _instructions(report)),
        _side_by_side(_time(report), _compile(report)),
        _verdicts(report),
    ]
    return Group(*parts)


def human_bytes(count: float) -> str:
    """``count`` bytes in decimal units, three significant digits: 46.8 MB."""
    return _scaled(count, ("B", "kB", "MB", "GB", "TB"))


def human_count(count: float) -> str:
    """A plain number in decimal units: 1.81 G."""
    return _scaled(count, ("", "k", "M", "G", "T")).rstrip()


def _scaled(value: float, units: tuple[str, ...]) -> str:
    if value < 1000:
        return f"{value:g} {units[0]}"
    scale = 0
    while value >= 999.5 and scale + 1 < len(units):
        value, scale = value / 1000, scale + 1
    return f"{value:.{max(0, 3 - len(str(int(value))))}f} {units[scale]}"


def _kib(count: int) -> str:
    for unit, size in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size:
            return f"{count / size:.4g} {unit}"
    return f"{count} B"


def _fit() -> int:
    terminal = Console()
    return min(terminal.width, WIDTH) if terminal.is_terminal else WIDTH


def _headline(report: Report) -> RenderableType:
    grid = Table.grid(padding=(0, 3), expand=True)
    facts = [
        (human_count(report.macs), "multiply-adds"),
        (f"{report.nests:,}", "nests"),
        (human_bytes(report.dram.total), "through DRAM"),
        (f"{report.dram.ratio:.2f}x", "compulsory"),
    ]
    if report.time:
        facts.append((_duration(report.time.modelled_us), "modelled"))
    for _ in facts:
        grid.add_column(justify="center")
    grid.add_row(*(Text(value, "bold") for value, _ in facts))
    grid.add_row(*(Text(name, "dim") for _, name in facts))
    title = Text.assemble((report.model, "bold cyan"), " on ", (report.target, "bold cyan"))
    return Panel(grid, title=title, box=box.ROUNDED, border_style="cyan")


def _table(title: str) -> Table:
    """Two columns, name and figure, under a title with a rule."""
    table = Table(
        title=title, title_justify="left", title_style="bold underline", box=None, pad_edge=False, expand=True
    )
    table.show_header = False
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    return table


def _side_by_side(left: RenderableType, right: RenderableType) -> RenderableType:
    grid = Table.grid(padding=(0, 2), expand=True)
    grid.add_column(ratio=1)
    grid.add_column(ratio=1)
    grid.add_row(left, right)
    return Padding(grid, (0, 0, 1, 0))


def _memory(report: Report) -> RenderableType:
    table = _table("memory")
    table.columns[0].ratio = 1
    sbuf, dram, copies = report.sbuf, report.dram, report.copies
    share = sbuf.peak / sbuf.capacity if sbuf.capacity else 0.0
    table.add_row("SBUF peak of capacity", f"{_kib(sbuf.peak)} of {_kib(sbuf.capacity)} ({share:.0%})")
    table.add_row("DRAM read", human_bytes(dram.read))
    table.add_row("DRAM written", human_bytes(dram.written))
    table.add_row("compulsory", human_bytes(dram.compulsory))
    table.add_row("communication bound", _communication(report.bounds))
    table.add_row("DRAM over bound", f"{report.bounds.ratio:.2f}x")
    table.add_row("copy nests found", f"{copies.found}, {human_bytes(copies.bytes_found)}")
    table.add_row("  eliminated", f"{copies.eliminated}, {human_bytes(copies.bytes_eliminated)}")
    for move, moves in copies.by_move.items():
        table.add_row(f"    by {move}", f"{moves.count}, {human_bytes(moves.bytes)}")
    table.add_row("relayouts", f"{report.relayout.count}, {human_bytes(report.relayout.bytes)}")
    if report.banks:
        table.add_row("lanes busy", f"{report.banks.lane_utilisation:.0%}")
    return table


def _communication(bounds: Bounds) -> str:
    at = f" at {bounds.contraction}" if bounds.contraction else ""
    return f"{human_bytes(bounds.communication_bytes)}{at}"


def _causes(report: Report) -> RenderableType:
    rows = {cause: (float(count), human_bytes(count)) for cause, count in report.dram.by_cause.items()}
    return _bar_table("DRAM traffic by cause", rows, "yellow")


def _engines(report: Report) -> RenderableType:
    rows = {engine: (float(count), human_bytes(count)) for engine, count in report.onchip.bytes_by_engine.items()}
    return _bar_table("on-chip bytes by engine", rows, "green")


def _instructions(report: Report) -> RenderableType:
    rows = {op: (float(count), f"{count:,}") for op, count in report.instructions.by_op.items()}
    return _bar_table("instructions", rows, "magenta")


def _compile(report: Report) -> RenderableType:
    stages = report.compile_seconds.by_stage
    rows = {stage: (seconds, _seconds(seconds)) for stage, seconds in stages.items()}
    title = f"compile time, {report.compile_seconds.total:.1f} s in all"
    return _bar_table(title, rows, "blue", ordered=False)


def _time(report: Report) -> RenderableType:
    """Modelled time over its bounds, then what each engine did: busy time, share of the whole, share of lanes."""
    bounds, time = report.bounds, report.time
    values = {"compute bound": bounds.compute_us, "DRAM bound": bounds.dram_us}
    if time is None:
        rows = {name: (value, _duration(value)) for name, value in values.items()}
        return _bar_table("time on the target: not run yet", rows, "red", ordered=False)
    values |= {"modelled": time.modelled_us, "  exposed DMA": time.exposed_dma_us}
    rows = {name: (value, _duration(value)) for name, value in values.items()}
    for engine, busy in time.busy_us_by_engine.items():
        lanes = f", {time.lanes_by_engine[engine]:.0%} lanes" if engine in time.lanes_by_engine else ""
        rows[f"  {engine} busy"] = (busy, f"{time.utilisation_by_engine[engine]:.0%}{lanes}")
    return _bar_table(f"time on the target, {time.over_bound:.2f}x its bound", rows, "red", ordered=False)


def _bar_table(title: str, rows: Mapping[str, tuple[float, str]], style: str, ordered: bool = True) -> Table:
    """One row per item: name, figure, and a bar relative to the largest."""
    table = _table(title)
    table.add_column(ratio=1, min_width=8)
    largest = max((value for value, _ in rows.values()), default=0.0)
    items = sorted(rows.items(), key=lambda item: -item[1][0]) if ordered else list(rows.items())
    for name, (value, figure) in items:
        bar = Bar(size=largest or 1.0, begin=0, end=value, color=style)
        table.add_row(name, figure, bar)
    return table


def _duration(microseconds: float) -> str:
    if microseconds < 99.95:
        return f"{microseconds:.1f} us"
    milliseconds = microseconds / 1000
    return f"{milliseconds:,.{2 if milliseconds < 100 else 0}f} ms"


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def _verdicts(report: Report) -> RenderableType:
    if report.executed is None:
        return Text("not executed: predicted bytes only (add --check to execute and compare)", "dim")
    lines = [_bytes_verdict(report)]
    if report.check:
        lines.append(_check_verdict(report.check))
    if report.run_seconds:
        eager = report.run_seconds.pytorch
        against = f", PyTorch eager in {_seconds(eager)}" if eager is not None else ""
        lines.append(Text(f"  executed here in {_seconds(report.run_seconds.npu)}{against}", "dim"))
    return Panel(Text("\n").join(lines), box=box.ROUNDED, border_style="green" if _good(report) else "red")


def _good(report: Report) -> bool:
    return bool(report.predicted_equals_executed) and (report.check is None or report.check.passed)


def _mark(good: bool) -> tuple[str, str]:
    return ("✔ ", "bold green") if good else ("✘ ", "bold red")


def _bytes_verdict(report: Report) -> Text:
    predicted, executed = report.predicted, report.executed
    if executed is None or report.predicted_equals_executed:
        text = f"predicted bytes == executed bytes: DRAM {predicted.dram:,}, on chip {predicted.onchip:,}"
        return Text.assemble(_mark(True), text)
    text = (
        f"predicted bytes != executed bytes: DRAM {predicted.dram:,} predicted, {executed.dram:,} executed;"
        f" on chip {predicted.onchip:,} predicted, {executed.onchip:,} executed"
    )
    return Text.assemble(_mark(False), text)


def _check_verdict(check: Check) -> Text:
    verb = "agree" if check.passed else "disagree"
    text = (
        f"outputs {verb} with {check.reference}: relative error {check.max_rel_error:.1e}"
        f" (limit {check.tolerance:.1e}), absolute {check.max_abs_error:.1e}"
    )
    return Text.assemble(_mark(check.passed), text)
