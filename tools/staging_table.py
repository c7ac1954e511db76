#!/usr/bin/env python3
"""What staging makes of models on targets: ``staging_table.py [--accept 1..7,9] [--ablation] [--sweep] [MODEL ...]``.

Each row is compiled, executed and compared in a process of its own under a time limit, so that one failure does not
end the table; it is printed as markdown when it is done. The last column says whether the row holds what it is held to
(``staging_cases.py``): its limits, the check, predicted == executed, and at most 2 % more multiply-accumulates than
the model has. Without a preset the rows are all MODELs at all places: ``--at edge:256KiB --at trainium1``; with one,
MODEL and ``--at`` select among its rows. Where a row may be refused, the smallest capacity that the error names is
tried in the next row.

x is DRAM bytes over compulsory bytes. "bound" is the greater of compulsory bytes and the communication bound of the
largest contraction. "MACs" are those of the model, "executed" those of its staged nests over them (recomputation counts
again), "matrix" the part of them that the matrix engine does. Peaks are the resident memory of the process: after
compiling, and after executing and comparing.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path

from pydantic import TypeAdapter

import staging_cases
from polystage.errors import UserError
from polystage.machine import parse_bytes
from polystage.report.report import Report
from polystage.report.table import human_bytes, human_count
from staging_cases import Case

HEADERS = (
    "row", "model", "target", "SBUF", "dtype", "strategy", "x", "DRAM", "compulsory", "bound", "MACs", "executed",
    "matrix", "check", "error", "predicted == executed", "modelled us", "compute us", "DRAM us", "over bound",
    "stage s", "compile s", "execute s", "compiler peak", "peak", "holds",
)  # fmt: skip
MOST_MACS = 1.02  # executed over the model's
_CAPACITY = re.compile(r"(?:choose --sbuf|the smallest SBUF is) ([\d,]+ ?(?:[KMG]iB)?)")


@dataclass(frozen=True)
class Outcome:
    """What became of a case: its report, or why there is none.

    ``refused`` is the error that a user sees, ``failed`` what else ended the process. ``macs`` and ``matrix_macs`` are
    executed multiply-accumulates: of the staged nests, and of the matrix engine. Peaks are bytes.
    """

    report: Report | None = None
    refused: str = ""
    failed: str = ""
    macs: int = 0
    matrix_macs: int = 0
    compile_peak: int = 0
    peak: int = 0


_CASE = TypeAdapter(Case)
_OUTCOME = TypeAdapter(Outcome)


def measure(case: Case) -> Outcome:
    """Compiles a case, executes it and compares, here."""
    import polystage
    from polystage.analysis.compulsory import macs
    from polystage.analysis.traffic import predict

    strategy = dict(word.split("=", 1) for word in case.strategy)
    try:
        model, inputs = _model(case)
        compiled = polystage.compile(
            model, inputs, case.target, case.sbuf, strategy, None if inputs else case.dtype, name=case.model
        )
        compile_peak = _peak()
        if case.execute:
            compiled.check()
    except UserError as error:
        return Outcome(refused=" ".join(str(error).split()), peak=_peak())
    executed, on_matrix = macs(compiled.module("placed")), predict(compiled.module()).macs
    return Outcome(compiled.report, "", "", executed, on_matrix, compile_peak, _peak())


def _model(case: Case) -> tuple[object, tuple[object, ...]]:
    """The model as `polystage.compile` takes it; what is only compiled is on the meta device, where it has inputs."""
    if case.execute:
        return case.model, ()
    from polystage.importers import load_model_argument

    loaded = load_model_argument(case.model, case.dtype, device="meta")
    return loaded.model, loaded.inputs or ()


def _peak() -> int:
    """The most resident bytes that this process had; unlike `getrusage` not those of its parent."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) << 10 if found else 0


@cache
def apart(case: Case, limit: float) -> Outcome:
    """`measure` in a process of its own that may run for ``limit`` seconds."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "outcome.json"
        command = [sys.executable, __file__, "--one", _CASE.dump_json(case).decode(), str(path)]
        try:
            done = subprocess.run(
                ["nice", "-n", "5", *command], capture_output=True, text=True, timeout=limit, check=False
            )
        except subprocess.TimeoutExpired:
            return Outcome(failed=f"not done after {limit:g} s")
        if path.is_file():
            return _OUTCOME.validate_json(path.read_text())
    said = done.stderr.strip().splitlines()[-1:]
    return Outcome(failed=" ".join([f"exit code {done.returncode}:", *said]))


def with_retry(case: Case, limit: float) -> list[tuple[Case, Outcome]]:
    """A case, and the smallest capacity that works where its error names it."""
    outcome = apart(case, limit)
    size = smallest(outcome.refused)
    if not case.refusable or size is None:
        return [(case, outcome)]
    tried = replace(case, sbuf=str(size), label="smallest", refusable=False)
    return [(case, outcome), (tried, apart(tried, limit))]


def smallest(error: str) -> int | None:
    """The capacity that a refusal names, in bytes."""
    named = [parse_bytes(size.replace(",", "").strip()) for size in _CAPACITY.findall(error)]
    return max(named, default=None)


def broken(case: Case, outcome: Outcome) -> Iterator[str]:
    """What a row does not hold."""
    report = outcome.report
    if report is None:
        named = case.refusable and smallest(outcome.refused) is not None
        yield from () if named else [outcome.failed or f"refused: {outcome.refused}"]
        return
    figures = (
        ("x", report.dram.ratio, case.ratio),
        ("MACs", outcome.macs / max(1, report.macs), MOST_MACS),
        ("over bound", report.time.over_bound if report.time else 0.0, case.over_bound),
        ("planning seconds", _stage_seconds(report), case.plan_seconds),
        ("compiler peak", outcome.compile_peak / 1e9, case.compile_peak and case.compile_peak / 1e9),
    )
    yield from (f"{name} {value:.3f} > {most:g}" for name, value, most in figures if most is not None and value > most)
    if case.execute and not (report.check and report.check.passed):
        yield "check failed"
    if case.execute and not report.predicted_equals_executed:
        yield "predicted != executed"


def row(case: Case, outcome: Outcome) -> str:
    """A markdown row."""
    place = (case.label, case.model, case.target, case.sbuf or "-", case.dtype or "f32", " ".join(case.strategy) or "-")
    holds = "; ".join(broken(case, outcome)) or ("yes" if outcome.report else outcome.refused)
    figures = _figures(outcome.report, outcome) if outcome.report else ("",) * (len(HEADERS) - len(place) - 1)
    return "| " + " | ".join((*place, *figures, holds.replace("|", "/"))) + " |"


def _figures(report: Report, outcome: Outcome) -> tuple[str, ...]:
    dram, bounds, model = report.dram, report.bounds, max(1, report.macs)
    return (
        f"{dram.ratio:.3f}", human_bytes(dram.total), human_bytes(dram.compulsory),
        human_bytes(max(bounds.compulsory_bytes, bounds.communication_bytes)),
        human_count(report.macs), f"{outcome.macs / model:.3f}", f"{outcome.matrix_macs / model:.3f}",
        *_run(report),
        f"{_stage_seconds(report):.1f}", f"{report.compile_seconds.total:.1f}",
        f"{report.run_seconds.npu:.1f}" if report.run_seconds else "-",
        human_bytes(outcome.compile_peak), human_bytes(outcome.peak),
    )  # fmt: skip


def _run(report: Report) -> tuple[str, ...]:
    """What only a run tells, beside the bounds of time."""
    check, time, bounds = report.check, report.time, report.bounds
    equal = {None: "-", True: "yes", False: "NO"}[report.predicted_equals_executed]
    return (
        ("pass" if check.passed else "FAIL") if check else "-",
        f"{check.max_rel_error:.1e} of {check.tolerance:.1e}" if check else "-",
        equal,
        f"{time.modelled_us:.0f}" if time else "-",
        f"{bounds.compute_us:.0f}",
        f"{bounds.dram_us:.0f}",
        f"{time.over_bound:.2f}" if time else "-",
    )


def _stage_seconds(report: Report) -> float:
    return report.compile_seconds.by_stage["stage"]


def cases(arguments: argparse.Namespace) -> list[Case]:
    """The rows that were asked for."""
    models: Sequence[str] = arguments.models
    places: Sequence[tuple[str, str | None]] = arguments.at
    found = [case for line in arguments.accept for case in staging_cases.acceptance(line)]
    found += staging_cases.ablation() if arguments.ablation else ()
    found += staging_cases.sweep() if arguments.sweep else ()
    if found:
        found = [case for case in found if _selected(case, models, places)]
    else:
        points = product(models, places or (("trainium1", None),))
        found = [Case(model, target, sbuf, refusable=True) for model, (target, sbuf) in points]
    if arguments.dtype:
        found = [replace(case, dtype=arguments.dtype) for case in found]
    if arguments.compile_only:
        found = [replace(case, execute=False) for case in found]
    return list(dict.fromkeys(replace(case, strategy=(*case.strategy, *arguments.strategy)) for case in found))


def _selected(case: Case, models: Sequence[str], places: Sequence[tuple[str, str | None]]) -> bool:
    here = any(case.target == target and sbuf in (None, case.sbuf) for target, sbuf in places)
    return (not models or case.model in models) and (not places or here)


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table as it grows; exit code 1 when any row does not hold."""
    arguments = _parser().parse_args(argv)
    if arguments.one:
        text, path = arguments.one
        Path(path).write_bytes(_OUTCOME.dump_json(measure(_CASE.validate_json(text))))
        return 0
    print("| " + " | ".join(HEADERS) + " |\n|" + "---|" * len(HEADERS), flush=True)
    good = True
    limit: float = arguments.limit
    wanted = cases(arguments)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for rows in pool.map(with_retry, wanted, [limit] * len(wanted)):
            for case, outcome in rows:
                good &= not any(broken(case, outcome))
                print(row(case, outcome), flush=True)
    return 0 if good else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="What staging makes of models on targets, as markdown.")
    add = parser.add_argument
    add(
        "models",
        metavar="MODEL",
        nargs="*",
        help="as in polystage compile; with a preset: only its rows of these models",
    )
    add("--at", metavar="TARGET[:SBUF]", type=_place, action="append", default=[], help="where (default: trainium1)")
    add("--dtype", choices=("f32", "bf16", "f16"), help="instead of bf16")
    add("--strategy", metavar="PASS=NAME", type=_word, action="append", default=[], help="as in polystage compile")
    add("--compile-only", action="store_true", help="execute nothing; weights on the meta device")
    lines = ",".join(map(str, staging_cases.LINES))
    add("--accept", metavar="LINES", type=_lines, default=(), help=f"the lines of acceptance, of {lines}")
    add("--ablation", action="store_true", help="each decision switched off alone")
    add("--sweep", action="store_true", help="halving budgets")
    add("--limit", metavar="S", type=float, default=600.0, help="seconds for one row (default: %(default)g)")
    add("--jobs", metavar="N", type=int, default=1, help="rows at one time (default: %(default)s)")
    add("--one", nargs=2, help=argparse.SUPPRESS)
    return parser


def _place(text: str) -> tuple[str, str | None]:
    target, _, size = text.partition(":")
    return target, size or None


def _word(text: str) -> str:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"write PASS=NAME, not '{text}'")
    return text


def _lines(text: str) -> tuple[int, ...]:
    """``1-3,9`` as numbers."""
    spans = [part.partition("-") for part in text.replace("..", "-").split(",")]
    wanted = [line for first, _, last in spans for line in range(int(first), int(last or first) + 1)]
    if unknown := set(wanted) - set(staging_cases.LINES):
        raise argparse.ArgumentTypeError(
            f"no line {min(unknown)}; there are {', '.join(map(str, staging_cases.LINES))}"
        )
    return tuple(wanted)


if __name__ == "__main__":
    sys.exit(main())
