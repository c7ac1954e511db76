"""``polystage-opt``: an ``mlir-opt`` in which Python and C++ passes stand in one pipeline.

Start-up is paid by every lit test: this file imports neither torch nor, before a pass asks for it, numpy.
"""

import os
import signal
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, cast


@contextmanager
def _numpy_hidden() -> Generator[None]:
    """The bindings import numpy (90 ms) for builders of constants that the compiler does not use."""
    modules = cast("dict[str, Any]", sys.modules)
    if "numpy" in modules:
        yield
        return
    modules["numpy"] = None
    try:
        yield
    finally:
        del modules["numpy"]


with _numpy_hidden():
    from torch_mlir import ir

from polystage.errors import UserError  # noqa: E402
from polystage.pipeline.base import InvalidIR, PassFailure  # noqa: E402
from polystage.pipeline.commandline import SWITCHES, Settings, read_command_line  # noqa: E402
from polystage.pipeline.diagnostics import Diagnostic, DiagnosticLog, render  # noqa: E402
from polystage.pipeline.plan import Plan, UnknownPassError, plan_pipeline  # noqa: E402
from polystage.pipeline.registry import Registry  # noqa: E402
from polystage.pipeline.reproducer import Reproducer  # noqa: E402
from polystage.pipeline.runner import Instrumentation, Observer, Statistic, Timing, run_plan  # noqa: E402
from polystage.pipeline.source import Part, parse_module, split_parts  # noqa: E402

PROGRAM = "polystage-opt"
_PASSES = "polystage.passes"
_STDIN = "<stdin>"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the driver; the exit status is 0 on success and 1 on any error.

    What the user can mend is printed as one located error. A bug of a pass leaves a reproducer and its traceback.
    Without ``arguments`` this is a program, with those of the process.
    """
    if arguments is None:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a closed pipe ends a filter quietly
    try:
        settings = read_command_line(sys.argv[1:] if arguments is None else arguments)
        registry = Registry(_PASSES, *map(_package, settings.packages))
        if settings.help or settings.show_passes is not None:
            print(_help(settings, registry))
            return 0
        return _Driver(settings, registry).run()
    except UserError as error:
        print(error, file=sys.stderr)
        return 1


def _package(named: str) -> str:
    """The importable name of a package given by name or by its folder."""
    if not os.path.isdir(named):
        return named
    parent, name = os.path.split(os.path.abspath(named))
    sys.path.insert(0, parent)
    return name


def _help(settings: Settings, registry: Registry) -> str:
    from polystage.pipeline import manual

    if settings.help:
        return manual.show_help(registry)
    name = settings.show_passes
    if not name:
        return manual.list_passes(registry)
    if name not in registry:
        raise UserError(f"no Python pass '{name}'; --show-passes lists them")
    return manual.show_pass(registry[name])


@dataclass(frozen=True)
class _Outcome:
    """What became of one part of the input. ``text`` is None if it failed, in a pass if there is a ``position``."""

    text: str | None
    diagnostics: tuple[Diagnostic, ...]
    position: str = ""
    timings: tuple[Timing, ...] = ()
    statistics: tuple[Statistic, ...] = ()


class _Driver:
    def __init__(self, settings: Settings, registry: Registry) -> None:
        self.settings = settings
        self.registry = registry
        self.file = _STDIN if settings.input == "-" else settings.input
        self.text = _read(settings.input)
        self.reproducer = settings.reproducer

    def run(self) -> int:
        settings = self.settings
        context = ir.Context()
        context.allow_unregistered_dialects = settings.allow_unregistered
        context.emit_error_diagnostics = True
        context.enable_multithreading(settings.threading)
        with context, ir.Location.unknown():
            plan = self.plan()
            if settings.dump_pipeline:
                print(plan, file=sys.stderr)
            if plan.has_python or "npu" in self.text:
                from polystage import dialects

                dialects.register(context)
            if "tm_tensor" in self.text:
                from polystage.dialects import tm_tensor

                tm_tensor.register(context)
            parts = split_parts(self.text) if settings.split else (Part(self.text),)
            outcomes = [self.part(part, plan, context) for part in parts]
        status = self.report(parts, outcomes)
        texts = [outcome.text for outcome in outcomes if outcome.text is not None]
        if settings.output == "-" or (status == 0 and len(texts) == len(outcomes)):
            _write(settings.output, "// -----\n".join(texts))
        return status

    def plan(self) -> Plan:
        try:
            plan = plan_pipeline(self.settings.pipeline, self.registry, apart=self.settings.apart)
        except UnknownPassError as unknown:
            raise _unknown_flag(unknown.name, self.registry) from None
        chosen = self.settings.print_before | self.settings.print_after
        if chosen:
            from polystage.pipeline.observe import check_chosen

            check_chosen(plan, chosen)
        return plan

    def part(self, part: Part, plan: Plan, context: ir.Context) -> _Outcome:
        """Parse, transform and print one part."""
        log = DiagnosticLog({"-": self.file})
        handler = context.attach_diagnostic_handler(log.handle)
        start = perf_counter()
        try:
            module = parse_module(part, self.file, log)
            if module is None:
                return _Outcome(None, log.items)
            parsed = Timing("Parser", perf_counter() - start)
            with Reproducer(self.command(plan), part.text, self.reproducer):
                result = run_plan(module, plan, log, self.instrumentation())
            start = perf_counter()
            text = self.assembly(module)
            timings = (parsed, *result.timings, Timing("Output", perf_counter() - start))
            return _Outcome(text, result.diagnostics, "", timings, result.statistics)
        except PassFailure as failure:
            self.reproducer = ""  # later parts leave the file alone
            notes = getattr(failure, "__notes__", []) if isinstance(failure, InvalidIR) else []
            return _Outcome(None, failure.diagnostics, "\n".join((failure.position, *notes)))
        except Exception:
            print(render(log.items, self.sources), file=sys.stderr, end="\n" if log.items else "")
            raise
        finally:
            handler.detach()

    def assembly(self, op: ir.Operation) -> str:
        settings = self.settings
        text = op.get_asm(
            enable_debug_info=settings.debug_info,
            print_generic_op_form=settings.generic,
            use_local_scope=settings.local_scope,
            large_elements_limit=settings.large_elements,
            large_resource_limit=settings.large_resources,
            assume_verified=settings.verify_each,
        )
        return f"{text.rstrip()}\n"

    def instrumentation(self) -> Instrumentation:
        return Instrumentation(
            verify_each=self.settings.verify_each,
            prove_each=self.settings.verify_each,
            before=self.printer("Before", self.settings.print_before),
            after=self.printer("After", self.settings.print_after),
        )

    def printer(self, when: str, chosen: frozenset[str]) -> Observer | None:
        if not chosen:
            return None
        from polystage.pipeline.observe import ir_printer

        return ir_printer(when, chosen, self.assembly, module_scope=self.settings.print_module)

    def command(self, plan: Plan) -> list[str]:
        """The command that runs ``plan`` again as it ran here."""
        settings = self.settings
        return [
            PROGRAM,
            f"--pass-pipeline={plan}",
            *([] if settings.verify_each else ["--no-verify-each"]),
            *(["--allow-unregistered-dialect"] if settings.allow_unregistered else []),
            *(f"--load-pass-package={package}" for package in settings.packages),
        ]

    def report(self, parts: Sequence[Part], outcomes: Sequence[_Outcome]) -> int:
        """Print diagnostics, or compare them with those expected; then times and statistics. Returns the status."""
        status = 0
        for part, outcome in zip(parts, outcomes, strict=True):
            if self.settings.verify_diagnostics:
                shown = self.unexpected(part, outcome)
                status |= bool(shown)
            else:
                position = [Diagnostic("note", f"while {outcome.position}")] if outcome.position else []
                shown = [*outcome.diagnostics, *position]
                status |= outcome.text is None
            if shown:
                print(render(shown, self.sources), file=sys.stderr)
        self.report_measurements(outcomes)
        return int(status)

    @property
    def sources(self) -> Mapping[str, Sequence[str]]:
        return {self.file: self.text.split("\n")}

    def unexpected(self, part: Part, outcome: _Outcome) -> list[Diagnostic]:
        from polystage.pipeline.expected import expectations, mismatches

        wrong = mismatches(expectations(part.lines, part.first_line), outcome.diagnostics, self.file)
        if self.settings.verify_diagnostics == "only-expected":
            return [item for item in wrong if not item.message.startswith("unexpected ")]
        return wrong

    def report_measurements(self, outcomes: Sequence[_Outcome]) -> None:
        if not (self.settings.timing or self.settings.statistics):
            return
        from polystage.pipeline.observe import statistics_report, timing_report

        if self.settings.timing:
            print(timing_report(item for outcome in outcomes for item in outcome.timings), file=sys.stderr)
        if self.settings.statistics:
            from polystage.pipeline.manual import manual_of

            def describe(pass_name: str, name: str) -> str:
                return manual_of(self.registry[pass_name]).statistics.get(name, "")

            counted = (item for outcome in outcomes for item in outcome.statistics)
            print(statistics_report(counted, describe), file=sys.stderr)


def _unknown_flag(name: str, registry: Registry) -> UserError:
    """An unknown pass may be a misspelt option of the driver."""
    import difflib

    known = {known: f"'{known}'" for known in (*registry, *registry.aliases)}
    known |= {switch.name: switch.usage for switch in SWITCHES.values()}
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {known[close[0]]}?" if close else "--help lists options and passes"
    return UserError(f"unknown pass '{name}'; {hint}")


def _read(path: str) -> str:
    try:
        if path == "-":
            return sys.stdin.read()
        with open(path, encoding="utf-8") as file:
            return file.read()
    except UnicodeDecodeError:
        raise UserError("not UTF-8 text", path) from None
    except OSError as error:
        raise UserError(f"cannot read the input: {(error.strerror or str(error)).lower()}", path) from None


def _write(path: str, text: str) -> None:
    """Write ``text`` whole: to a new file beside ``path``, which then takes its place. Devices are written to."""
    if path == "-":
        sys.stdout.write(text)
        return
    target = os.path.realpath(path)
    to_device = os.path.exists(target) and not os.path.isfile(target)
    written = target if to_device else f"{target}.{os.getpid()}"
    try:
        try:
            with open(written, "w", encoding="utf-8") as file:
                file.write(text)
            if not to_device:
                os.replace(written, target)
        except OSError:
            if not to_device and os.path.exists(written):
                os.unlink(written)
            raise
    except OSError as error:
        raise UserError(f"cannot write the output: {(error.strerror or str(error)).lower()}", path) from None
