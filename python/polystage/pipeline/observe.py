"""What a user may watch while a pipeline runs: IR around passes, wall times, statistics."""

import sys
from collections.abc import Callable, Sequence

from torch_mlir import ir

from polystage.errors import UserError
from polystage.pipeline.plan import CppStep, Plan, PythonStep, leaves
from polystage.pipeline.runner import Observer, Statistic, Timing

_RULE = "===" + "-" * 73 + "==="
EVERY_PASS = "*"


def names_of(step: PythonStep | CppStep) -> tuple[str, ...]:
    """The names of the passes of ``step``, without options."""
    if isinstance(step, PythonStep):
        return (step.run.name,)
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


def timing_report(timings: Sequence[Timing]) -> str:
    """A table of wall times, in the order of running."""
    total = sum(timing.seconds for timing in timings)
    rows = [*timings, Timing("Total", total)]
    body = (f"  {row.seconds:9.4f} ({100 * row.seconds / (total or 1):5.1f}%)  {row.name}" for row in rows)
    return _report(
        "Execution time report",
        f"  Total Execution Time: {total:.4f} seconds\n",
        "  ----Wall Time----  ----Name----",
        *body,
    )


def statistics_report(statistics: Sequence[Statistic], describe: Callable[[str, str], str]) -> str:
    """A table of statistics by pass; ``describe`` gives the meaning of a statistic of a pass."""
    lines: list[str] = []
    last = ""
    for item in statistics:
        if item.pass_name != last:
            lines.append(item.pass_name)
            last = item.pass_name
        meaning = describe(item.pass_name, item.name)
        lines.append(f"  (S) {item.value:9d} {item.name}{f' - {meaning}' if meaning else ''}")
    return _report("Pass statistics report", *lines)


def _report(title: str, *lines: str) -> str:
    return "\n".join((_RULE, f"... {title} ...".center(len(_RULE)).rstrip(), _RULE, *lines, ""))
