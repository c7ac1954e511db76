"""Running a plan on a module."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

from torch_mlir import ir

from polystage.errors import UserError
from polystage.pipeline.base import InvalidIR, Pass, PassContext, PassFailure
from polystage.pipeline.diagnostics import Diagnostic, DiagnosticLog
from polystage.pipeline.plan import CppStep, Nest, Plan, PythonStep, Step, plan_pipeline
from polystage.pipeline.registry import Registry

Observer = Callable[[PythonStep | CppStep, ir.Operation], None]


@dataclass(frozen=True)
class Timing:
    """Wall time of one pass, or of one run of C++ passes, over all operations it ran on."""

    name: str
    seconds: float


@dataclass(frozen=True)
class Statistic:
    """A number that a pass counted, over all operations it ran on."""

    pass_name: str
    name: str
    value: int


@dataclass(frozen=True)
class PipelineResult:
    """What a pipeline said and measured; the result itself is the changed module."""

    diagnostics: tuple[Diagnostic, ...]
    timings: tuple[Timing, ...]
    statistics: tuple[Statistic, ...]


@dataclass(frozen=True)
class Instrumentation:
    """What to do around passes. ``before`` and ``after`` see each step with the operation it runs on.

    ``prove_each``: passes that can prove what they claim do so (`Pass.prove`).
    """

    verify_each: bool = True
    prove_each: bool = False
    before: Observer | None = None
    after: Observer | None = None


def run_pipeline(
    module: ir.Operation,
    pipeline: str,
    registry: Registry,
    *,
    verify_each: bool = True,
    on_after: Observer | None = None,
) -> PipelineResult:
    """Run pipeline text on ``module``.

    :raises PassFailure: a pass failed; carries the diagnostics.
    :raises UserError: the text names no pass or gives one an option that it does not take.
    """
    log = DiagnosticLog()
    context = module.context
    with context:
        emitted, context.emit_error_diagnostics = context.emit_error_diagnostics, True
        handler = context.attach_diagnostic_handler(log.handle)
        try:
            plan = plan_pipeline(pipeline, registry, apart=on_after is not None)
            return run_plan(module, plan, log, Instrumentation(verify_each=verify_each, after=on_after))
        finally:
            handler.detach()
            context.emit_error_diagnostics = emitted


def run_plan(module: ir.Operation, plan: Plan, log: DiagnosticLog, around: Instrumentation) -> PipelineResult:
    """Run ``plan`` on ``module`` in the current context, whose diagnostic handler feeds ``log``.

    An exception of a Python pass that is no `UserError` is a bug: it passes through with a note on where it came from.

    :raises PassFailure: a pass reported an error; carries the diagnostics. `InvalidIR` if it broke the IR instead.
    """
    runner = _Runner(plan, log, around)
    runner.run(module, plan.steps)
    return PipelineResult(log.items, runner.timings(), runner.statistics())


class _Runner:
    def __init__(self, plan: Plan, log: DiagnosticLog, around: Instrumentation) -> None:
        self.log = log
        self.around = around
        self.size = plan.size
        self.positions = dict(_positions(plan.steps, 1))
        self.where = ""
        self.seconds: dict[int, tuple[str, float]] = {}
        self.counts: dict[tuple[str, str], int] = {}

    def run(self, op: ir.Operation, steps: Sequence[Step]) -> None:
        for step in steps:
            if isinstance(step, Nest):
                for inner in _operations(op, step.anchor):
                    self.run(inner, step.steps)
            else:
                self.leaf(op, step)

    def leaf(self, op: ir.Operation, step: PythonStep | CppStep) -> None:
        self.where = self.position(op, step)
        if self.around.before:
            self.around.before(step, op)
        start = time.perf_counter()
        try:
            if isinstance(step, PythonStep):
                self.python(op, step)
            else:
                self.cpp(op, step)
        finally:
            name, before = self.seconds.get(id(step), (str(step), 0.0))
            self.seconds[id(step)] = (name, before + time.perf_counter() - start)
        if self.around.after:
            self.around.after(step, op)

    def python(self, op: ir.Operation, step: PythonStep) -> None:
        ctx = PassContext(self.log)
        proves = self.around.prove_each and type(step.run).prove is not Pass.prove
        try:
            with ir.Location.unknown(op.context):
                before = op.clone().operation if proves else None
                step.run.run(op, ctx)
                if before is not None and not ctx.failed:
                    step.run.prove(before, op, ctx)
        except PassFailure:
            self.failed(ctx.failed)
        except UserError as error:
            self.log.add(_diagnostic_of(error))
            self.failed(True)
        except Exception as bug:
            bug.add_note(f"while {self.where}")
            raise
        if ctx.failed:
            self.failed(True)
        for name, value in ctx.statistics.items():
            key = (step.run.pass_name, name)
            self.counts[key] = self.counts.get(key, 0) + value
        if self.around.verify_each:
            self.verify(op)

    def cpp(self, op: ir.Operation, step: CppStep) -> None:
        manager = step.manager()
        manager.enable_verifier(self.around.verify_each)
        before = len(self.log.errors)
        try:
            manager.run(op)
        except ir.MLIRError:
            self.failed(len(self.log.errors) > before)

    def verify(self, op: ir.Operation) -> None:
        before = len(self.log.errors)
        try:
            op.verify()
        except ir.MLIRError:
            reported = len(self.log.errors) > before
            if not reported:
                self.log.add(Diagnostic("error", "the pass left invalid IR"))
            raise InvalidIR(self.log.items, self.where) from None

    def failed(self, reported: bool) -> NoReturn:
        if not reported:
            self.log.add(Diagnostic("error", "the pass failed and did not say why"))
        raise PassFailure(self.log.items, self.where)

    def position(self, op: ir.Operation, step: PythonStep | CppStep) -> str:
        first = self.positions[id(step)]
        if isinstance(step, CppStep) and len(step.names) > 1:
            which = f"passes {first} to {first + len(step.names) - 1}"
        else:
            which = f"pass {first}"
        symbol = op.attributes.get("sym_name")
        on = f"'{op.name}'" + (f" @{ir.StringAttr(symbol).value}" if symbol is not None else "")
        return f"running '{step}', {which} of {self.size}, on {on}"

    def timings(self) -> tuple[Timing, ...]:
        return tuple(Timing(name, seconds) for name, seconds in self.seconds.values())

    def statistics(self) -> tuple[Statistic, ...]:
        return tuple(Statistic(owner, name, value) for (owner, name), value in self.counts.items())


def _positions(steps: Sequence[Step], first: int) -> Iterator[tuple[int, int]]:
    """The ordinal of each leaf, by identity: equal steps may occur twice."""
    for step in steps:
        if isinstance(step, Nest):
            inner = list(_positions(step.steps, first))
            yield from inner
            first += Plan(step.steps).size
        else:
            yield id(step), first
            first += len(step.names) if isinstance(step, CppStep) else 1


def _operations(op: ir.Operation, anchor: str) -> list[ir.Operation]:
    """The operations of kind ``anchor`` directly inside ``op``; a list, since passes may erase them."""
    inside = (inner.operation for region in op.regions for block in region.blocks for inner in block.operations)
    return [inner for inner in inside if inner.name == anchor]


def _diagnostic_of(error: UserError) -> Diagnostic:
    # the location of a UserError is text already: it becomes part of the message
    message = f"{error.location}: {error.message}" if error.location else error.message
    return Diagnostic("error", message, None, tuple(Diagnostic("note", note) for note in error.notes))
