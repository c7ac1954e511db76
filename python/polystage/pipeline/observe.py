"""What a user may watch while a pipeline runs: IR around passes, wall times, statistics."""

import sys
from collections.abc import Callable, Iterable

from torch_mlir import ir

from polystage.errors import UserError
from polystage.pipeline.plan import CppStep, Plan, PythonStep, leaves
from polystage.pipeline.runner import Observer, Statistic, Timing

_RULE = "===" + "-" * 73 + "==="
EVERY_PASS = "*"


def names_of(step: PythonStep | CppStep) -> tuple[str, ...]:
    """The names of the passes of ``step``, without options."""
    if isinstance(step, PythonStep):
        return (step.run.pass_name,)
    return tuple(name.partition("{")[0] for name in step.names)


def ir_printer(
    when: str, chosen: frozenset[str], assembly: Callable[[ir.Operation], str], *, module_scope: bool
) -> Observer:
    """An observer that prints the IR around the ``chosen`` passes on standard error; ``when`` is Before or After."""

    def show(step: PythonStep | CppStep, op: ir.Operation) -> None:
        if EVERY_PASS not in chosen and chosen.isdisjoint(names_of(step)):
            return
        symbol = op.attributes.get("sym_name")
        label = f"'{op.name}' operation" + (f": @{ir.StringAttr(symbol).value}" if symbol is not None else "")
        shown = _outermost(op) if module_scope else op
        print(f"// -----// IR Dump {when} {step} ({label}) //----- //\n{assembly(shown)}", file=sys.stderr)

    return show


def _outermost(op: ir.Operation) -> ir.Operation:
    parent = op.parent
    while parent is not None:
        op, parent = parent, parent.parent
    return op


def check_chosen(plan: Plan, chosen: frozenset[str]) -> None:
    """Raise `UserError` for a chosen pass that the plan does not run."""
    known = {name for step in leaves(plan.steps) for name in names_of(step)}
    for name in sorted(chosen - known - {EVERY_PASS}):
        raise UserError(f"cannot print the IR around '{name}': it is not in the pipeline")


def timing_report(timings: Iterable[Timing]) -> str:
    """A table of wall times by name, in the order of running."""
    seconds: dict[str, float] = {}
    for item in timings:
        seconds[item.name] = seconds.get(item.name, 0.0) + item.seconds
    total = sum(seconds.values())
    rows = (f"  {time:9.4f} ({100 * time / (total or 1):5.1f}%)  {name}" for name, time in seconds.items())
    return _report(
        "Execution time report",
        f"  Total Execution Time: {total:.4f} seconds\n",
        "  ----Wall Time----  ----Name----",
        *rows,
        f"  {total:9.4f} (100.0%)  Total",
    )


def statistics_report(statistics: Iterable[Statistic], describe: Callable[[str, str], str]) -> str:
    """A table of statistics by pass; ``describe`` gives the meaning of a statistic of a pass."""
    counts: dict[str, dict[str, int]] = {}
    for item in statistics:
        counted = counts.setdefault(item.pass_name, {})
        counted[item.name] = counted.get(item.name, 0) + item.value
    lines: list[str] = []
    for pass_name, counted in counts.items():
        lines.append(pass_name)
        for name, value in counted.items():
            meaning = describe(pass_name, name)
            lines.append(f"  (S) {value:9d} {name}{f' - {meaning}' if meaning else ''}")
    return _report("Pass statistics report", *lines)


def _report(title: str, *lines: str) -> str:
    return "\n".join((_RULE, f"... {title} ...".center(len(_RULE)).rstrip(), _RULE, *lines, ""))
