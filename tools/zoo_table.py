#!/usr/bin/env python3
"""The table of the model zoo: ``zoo_table.py [--target T] [--sbuf B] [--dtype D] [MODEL ...]``.

Compiles, executes and compares each model in a process of its own (``polystage compile MODEL --check --report``) and
prints one markdown row for each from its JSON report; with ``--reports DIR`` the reports stay.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from polystage.report.report import Report
from polystage.report.table import human_bytes, human_count

HEADERS = (
    "model",
    "nests",
    "copies",
    "copied",
    "MACs",
    "DRAM",
    "x compulsory",
    "torch.export s",
    "import s",
    "lower s",
    "passes s",
    "compile s",
    "execute s",
    "eager s",
    "rel. error",
    "tolerance",
    "check",
    "predicted == executed",
)
LOWERING = ("lower-to-affine", "set-target")


@dataclass(frozen=True)
class Outcome:
    """One model: its report, or what went wrong."""

    model: str
    report: Report | None
    error: str
    seconds: float


def measure(model: str, options: Sequence[str], folder: Path, limit: float) -> Outcome:
    """Compiles and checks one model in a process of its own."""
    path = folder / f"{model}.json"
    command = [sys.executable, "-m", "polystage.cli", "compile", model, "--check", "--report", str(path), *options]
    begin = time.perf_counter()
    try:
        done = subprocess.run(["nice", "-n", "5", *command], capture_output=True, text=True, timeout=limit, check=False)
        error = done.stderr.strip().splitlines()[-1:] if done.returncode else []
    except subprocess.TimeoutExpired:
        error = [f"not done after {limit:g} s"]
    report = Report.from_json(path.read_text(), str(path)) if path.is_file() else None
    return Outcome(model, report, "".join(error), time.perf_counter() - begin)


def row(outcome: Outcome) -> str:
    """A markdown row."""
    if outcome.report is None:
        return f"| {outcome.model} | {outcome.error} |" + " |" * (len(HEADERS) - 2)
    return (
        "| "
        + " | ".join((outcome.model, *_sizes(outcome.report), *_seconds(outcome.report), *_verdict(outcome.report)))
        + " |"
    )


def _sizes(report: Report) -> tuple[str, ...]:
    copies = report.copies
    return (
        str(report.nests),
        str(copies.found),
        human_bytes(copies.bytes_found),
        human_count(report.macs),
        human_bytes(report.dram.total),
        f"{report.dram.ratio:.2f}",
    )


def _seconds(report: Report) -> tuple[str, ...]:
    stages = dict(report.compile_seconds.by_stage)
    export = stages.pop("torch_export", 0.0)
    imported = stages.pop("import", 0.0)
    lowering = sum(stages.pop(stage, 0.0) for stage in LOWERING)
    passes = sum(stages.values())
    run = report.run_seconds
    eager = run.pytorch if run else None
    figures = (export, imported, lowering, passes, imported + lowering + passes, run.npu if run else None, eager)
    return tuple("-" if figure is None else f"{figure:.2f}" for figure in figures)


def _verdict(report: Report) -> tuple[str, ...]:
    check = report.check
    if check is None:
        return ("-", "-", "-", "-")
    equal = "yes" if report.predicted_equals_executed else "NO"
    return (f"{check.max_rel_error:.1e}", f"{check.tolerance:.1e}", "pass" if check.passed else "FAIL", equal)


def main() -> int:
    """Prints the table as it grows; exit code 1 when any model failed."""
    arguments = _arguments()
    options = [
        word
        for key in ("target", "sbuf", "dtype")
        if (value := getattr(arguments, key))
        for word in (f"--{key}", value)
    ]
    print("| " + " | ".join(HEADERS) + " |\n|" + "---|" * len(HEADERS), flush=True)
    good = True
    with tempfile.TemporaryDirectory() as scratch:
        folder: Path = arguments.reports or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for model in arguments.models or _all_models():
            outcome = measure(model, options, folder, arguments.limit)
            good &= outcome.report is not None and not outcome.error
            print(row(outcome), flush=True)
    return 0 if good else 1


def _all_models() -> tuple[str, ...]:
    from polystage import zoo

    return zoo.names()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The table of the model zoo, as markdown.")
    parser.add_argument("models", metavar="MODEL", nargs="*", help="default: the twelve models of the zoo")
    parser.add_argument("--target", help="as in polystage compile")
    parser.add_argument("--sbuf", help="as in polystage compile")
    parser.add_argument("--dtype", help="as in polystage compile")
    parser.add_argument("--reports", metavar="DIR", type=Path, help="keep the JSON reports here")
    parser.add_argument(
        "--limit", metavar="S", type=float, default=600.0, help="seconds for one model (default: %(default)g)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
