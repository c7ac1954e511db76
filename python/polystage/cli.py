"""The command ``polystage``: compile a model, run what was compiled, list the targets.

Tables and results go to standard output, progress and errors to standard error. Exit code 0 is success, 1 a user error
or a failed check, 2 a malformed command line. A traceback is a bug of polystage.
"""

import argparse
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from polystage.errors import UserError

if TYPE_CHECKING:
    from polystage.analysis.banks import Banks
    from polystage.compiled import Compiled
    from polystage.report.report import Report

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # pyright: ignore[reportPrivateUsage]

LEVELS = ("linalg", "affine", "optimized", "placed", "npu")

_STRATEGY = "strategy of a pass, or PASS.OPTION=VALUE for its other options (repeatable)"

_EPILOG = """\
MODEL is one of
  NAME              a model of the zoo: resnet18, bert_base, ... (polystage.zoo), at other sizes with
                    NAME:SIZE=N,...: unet:side=512, bert_base:layers=48,tokens=256
  FILE.py:FUNCTION  a function without arguments that returns (model, inputs)
  FILE.pt2          a program saved by torch.export.save
  FILE.mlir         linalg on tensors

examples
  polystage compile resnet18 --check
  polystage compile bert_base --target edge --sbuf 256KiB --dtype bf16 --check --report bert.json
  polystage compile model.py:build --emit affine | polystage-opt --refine-domains
  polystage compile resnet18 -o compiled && polystage run compiled --input image.npz
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the script ``polystage``; returns the exit code."""
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        return command(arguments)
    except UserError as error:
        print(error if error.location else f"polystage: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="polystage",
        description="Compiles whole PyTorch models for accelerators with a software-managed scratchpad.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_compile(commands)
    _add_run(commands)
    _add_allocate(commands)
    _add_explain(commands)
    targets = commands.add_parser("targets", help="list the built-in targets")
    targets.set_defaults(command=_targets)
    return parser


def _add_compile(commands: "Commands") -> None:
    parser = commands.add_parser(
        "compile",
        help="compile a model and report what moves",
        description="Compiles MODEL and prints the staging report.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="what to compile, see below")
    add("--target", metavar="T", default="trainium1", help="built-in target or TOML file (default: %(default)s)")
    add("--sbuf", metavar="BYTES", help="scratchpad bytes instead of the target's own: 65536, 256KiB, 24MiB")
    add("--strategy", metavar="PASS=NAME", action="append", default=[], help=_STRATEGY)
    add("--dtype", choices=("f32", "bf16", "f16"), help="cast the model's floating-point tensors first")
    add("--check", action="store_true", help="execute and compare with PyTorch eager")
    add("--trace", metavar="FILE.json", type=Path, help="execute and write the timeline for ui.perfetto.dev")
    add("--certify", action="store_true", help="prove every eliminated copy and print a line for each")
    add("--strategy-file", metavar="FILE.json", help="layouts and implementations that are given (map-banks)")
    add("--export-strategy", metavar="FILE.json", type=Path, help="write those that were chosen, to be edited")
    add("--report", metavar="FILE.json", type=Path, help="write the report as JSON")
    add("--emit", metavar="LEVEL", choices=LEVELS, help=f"print the IR of a level: {', '.join(LEVELS)}")
    add("-o", "--output", metavar="DIR", type=Path, help="save the compiled program, for polystage run")
    parser.set_defaults(command=_compile)


def _add_run(commands: "Commands") -> None:
    parser = commands.add_parser(
        "run", help="execute a compiled program", description="Executes what polystage compile -o wrote."
    )
    add = parser.add_argument
    add("directory", metavar="DIR", type=Path, help="what polystage compile -o wrote")
    add("--input", metavar="FILE.npz", type=Path, required=True, help="one array for each input, by its name")
    add("--output", metavar="FILE.npz", type=Path, help="where to write the outputs")
    add("--report", metavar="FILE.json", type=Path, help="write the report as JSON")
    add("--trace", metavar="FILE.json", type=Path, help="write the timeline for ui.perfetto.dev")
    parser.set_defaults(command=_run)


def _add_allocate(commands: "Commands") -> None:
    parser = commands.add_parser(
        "allocate",
        help="pack buffers with lifetimes into one memory",
        description="Reads minimalloc CSV (id,lower,upper,size[,alignment][,pin][,reuses]) and adds the column offset.",
    )
    add = parser.add_argument
    add("file", metavar="FILE.csv", type=Path, help="buffers, live from lower to before upper")
    add("--capacity", metavar="BYTES", required=True, help="bytes of the memory: 1048576, 1MiB")
    add("-o", "--output", metavar="OUT.csv", type=Path, help="where to write (default: standard output)")
    add("--seed", metavar="N", type=int, default=0, help="of the restarts (default: %(default)s)")
    parser.set_defaults(command=_allocate)


def _compile(arguments: argparse.Namespace) -> int:
    from polystage import api

    strategy = _strategies(arguments.strategy)
    with _progress(arguments.model) as stage:
        compiled = api.compile(
            arguments.model,
            target=arguments.target,
            sbuf=arguments.sbuf,
            strategy=strategy,
            dtype=arguments.dtype,
            strategy_file=arguments.strategy_file,
            on_stage=stage,
        )
        if arguments.export_strategy:
            _export(compiled, arguments.export_strategy)
        if arguments.check or arguments.trace:
            stage("check")
            compiled.check(trace=arguments.trace)
        if arguments.output:
            stage("save")
            compiled.save(arguments.output)
    return _deliver(compiled, arguments)


def _deliver(compiled: "Compiled", arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from polystage.report import report as reports
    from polystage.report import table

    report = compiled.report
    if arguments.report:
        reports.write(report, arguments.report)
    if arguments.emit:
        print(compiled.module(arguments.emit))
    table.show(report, Console(stderr=True) if arguments.emit else None)
    proved = not arguments.certify or _certify(compiled)
    return 0 if proved and _sound(report) else 1


def _certify(compiled: "Compiled") -> bool:
    """Prove the eliminations and print a line for each; whether all of them hold."""
    begin = time.perf_counter()
    verdict = compiled.certify()
    for certificate in verdict.proved:
        print(f"proved: {certificate}")
    for refusal in verdict.refusals:
        print(f"refused: {refusal}", file=sys.stderr)
    seconds = time.perf_counter() - begin
    print(f"{len(verdict.proved)} certificates proved, {len(verdict.refusals)} refused, in {seconds:.2f} s")
    return verdict.holds


def _sound(report: "Report") -> bool:
    checked = report.check is None or report.check.passed
    return checked and report.predicted_equals_executed is not False


def _strategies(words: Sequence[str]) -> dict[str, str]:
    """``PASS=NAME`` words as a mapping."""
    chosen: dict[str, str] = {}
    for word in words:
        name, equals, strategy = word.partition("=")
        if not (name and equals and strategy):
            raise UserError(f"--strategy takes PASS=NAME, got '{word}'")
        chosen[name] = strategy
    return chosen


def _run(arguments: argparse.Namespace) -> int:
    from polystage import api, storage
    from polystage.report import report as reports
    from polystage.report import table

    with _progress(str(arguments.directory)) as stage:
        stage("load")
        compiled = api.load(arguments.directory)
        stage("execute")
        outputs = compiled.run(storage.load_arrays(arguments.input), trace=arguments.trace)
    for name, array in outputs.items():
        print(f"{name}: {array.dtype} {'x'.join(map(str, array.shape))}")
    if arguments.output:
        storage.save_arrays(arguments.output, outputs)
    if arguments.report:
        reports.write(compiled.report, arguments.report)
    table.show(compiled.report)
    return 0 if _sound(compiled.report) else 1


def _add_explain(commands: "Commands") -> None:
    parser = commands.add_parser(
        "explain",
        help="why every array lies as it does",
        description="Compiles MODEL and prints, for each ARRAY (default: all), its layout, who asked for it and what "
        "another one would cost.",
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="as for polystage compile")
    add("arrays", metavar="ARRAY", nargs="*", help="names as in polystage compile --emit placed")
    add("--target", metavar="T", default="trainium1", help="built-in target or TOML file (default: %(default)s)")
    add("--strategy", metavar="PASS=NAME", action="append", default=[], help=_STRATEGY)
    add("--dtype", choices=("f32", "bf16", "f16"), help="cast the model's floating-point tensors first")
    parser.set_defaults(command=_explain)


def _explain(arguments: argparse.Namespace) -> int:
    from polystage import api
    from polystage.report import banks

    strategy = _strategies(arguments.strategy)
    with _progress(arguments.model) as stage:
        compiled = api.compile(
            arguments.model, target=arguments.target, strategy=strategy, dtype=arguments.dtype, on_stage=stage
        )
    banks.show(_banks_of(compiled), arguments.arrays)
    return 0


def _export(compiled: "Compiled", file: Path) -> None:
    from polystage.report import banks

    file.write_text(banks.strategy_file(_banks_of(compiled)), encoding="utf-8")


def _banks_of(compiled: "Compiled") -> "Banks":
    from polystage.analysis.banks import Banks

    with compiled.module("npu").context:
        found = Banks.of_module(compiled.module("npu"))
    if found is None:
        raise UserError("nothing was decided: map-banks ran with strategy=off; choose --strategy map-banks=global")
    return found


def _allocate(arguments: argparse.Namespace) -> int:
    from polystage.alloc.command import allocate, write
    from polystage.machine import parse_bytes

    capacity = parse_bytes(arguments.capacity)
    made = allocate(arguments.file, capacity, arguments.seed)
    if arguments.output is None:
        print(made.text, end="")
    else:
        write(made.text, arguments.output)
    print(f"{made.buffers} buffers in {made.peak} of {capacity} bytes, {made.seconds:.2f} s of CPU", file=sys.stderr)
    return 0


def _targets(arguments: argparse.Namespace) -> int:
    from polystage import machine
    from polystage.report import targets

    targets.show([machine.load(name) for name in machine.names()])
    return 0


@contextmanager
def _progress(subject: str) -> Generator[Callable[[str], None]]:
    """Shows which stage is running: a spinner on a terminal, one line for each stage elsewhere."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda stage: console.print(f"{subject}: {stage} ...")
        return
    with console.status(subject) as status:
        yield lambda stage: status.update(f"{subject}: [cyan]{stage}[/]")


if __name__ == "__main__":
    sys.exit(main())
