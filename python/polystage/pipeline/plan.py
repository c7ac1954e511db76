"""From pipeline text to a plan: Python passes made, aliases expanded, C++ passes handed to MLIR in maximal runs."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby

from torch_mlir import ir
from torch_mlir.passmanager import ExternalPass, PassManager

from polystage.errors import UserError
from polystage.pipeline.base import Pass
from polystage.pipeline.diagnostics import DiagnosticLog
from polystage.pipeline.registry import Registry
from polystage.pipeline.text import Element, parse_elements

MODULE = "builtin.module"
_FUNCTION = "func.func"


class UnknownPassError(UserError):
    """A name in a pipeline that is neither a Python pass, an alias nor a C++ pass."""

    def __init__(self, name: str, close: Sequence[str]) -> None:
        hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
        super().__init__(f"unknown pass '{name}'{hint}")
        self.name = name
        self.close = tuple(close)


@dataclass(frozen=True)
class PythonStep:
    """One Python pass."""

    run: Pass

    def __str__(self) -> str:
        return str(self.run)


@dataclass(frozen=True)
class CppStep:
    """A run of C++ passes; ``names`` are its elements, ``anchor`` what the pass manager runs on."""

    anchor: str
    names: tuple[str, ...]

    def __str__(self) -> str:
        return ",".join(self.names)

    def manager(self) -> PassManager:
        """A pass manager for this run in the current context."""
        return PassManager.parse(f"{self.anchor}({self})")


@dataclass(frozen=True)
class Nest:
    """Steps that run on each operation of kind ``anchor`` inside the current one."""

    anchor: str
    steps: "tuple[Step, ...]"

    def __str__(self) -> str:
        return f"{self.anchor}({','.join(map(str, self.steps))})"


Step = PythonStep | CppStep | Nest


@dataclass(frozen=True)
class Plan:
    """What to run on a module. Its text is the pipeline with aliases expanded and all options written out."""

    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return f"{MODULE}({','.join(map(str, self.steps))})"

    @property
    def has_python(self) -> bool:
        """Whether any Python pass runs."""
        return any(isinstance(step, PythonStep) for step in leaves(self.steps))

    @property
    def size(self) -> int:
        """The number of passes."""
        return sum(len(step.names) if isinstance(step, CppStep) else 1 for step in leaves(self.steps))


def leaves(steps: Sequence[Step]) -> Iterator[PythonStep | CppStep]:
    """All steps that are not nests, in order."""
    for step in steps:
        if isinstance(step, Nest):
            yield from leaves(step.steps)
        else:
            yield step


def plan_pipeline(text: str, registry: Registry, *, apart: bool = False) -> Plan:
    """Resolve pipeline text for a module, in the current MLIR context.

    The outer ``builtin.module(...)`` may be left out. A pass for functions may stand at module level and is then
    nested, as in ``mlir-opt``. ``apart`` keeps each C++ pass in a run of its own, to observe them one by one.

    :raises UserError: malformed text, an unknown pass, or options that a pass does not take.
    """
    elements = parse_elements(text)
    if len(elements) == 1 and elements[0].name == MODULE and elements[0].children is not None:
        elements = elements[0].children
    return Plan(_Planner(registry, apart).steps(elements, MODULE))


class _Planner:
    def __init__(self, registry: Registry, apart: bool) -> None:
        self.registry = registry
        self.apart = apart
        self.expanding: tuple[str, ...] = ()

    def steps(self, elements: Sequence[Element], anchor: str) -> tuple[Step, ...]:
        single = [step for element in elements for step in self.step(element, anchor)]
        return tuple(_merged(single, self.apart))

    def step(self, element: Element, anchor: str) -> tuple[Step, ...]:
        """The steps of one element on an operation of kind ``anchor``."""
        if element.children is not None:
            return self.nest(element, element.children)
        if element.name in self.registry:
            return (self.python(element, anchor),)
        if _fits(anchor, element):
            return (CppStep(anchor, (str(element),)),)
        if element.name in self.registry.aliases:
            return self.alias(element, anchor)
        return (self.cpp(element, anchor),)

    def nest(self, element: Element, children: Sequence[Element]) -> tuple[Step, ...]:
        if element.options is not None or element.name in self.registry or element.name in self.registry.aliases:
            raise UserError(f"pipeline: '{element.name}' is not an operation that passes can be nested under")
        context = ir.Context.current
        if context and not context.is_registered_operation(element.name):
            raise UserError(f"pipeline: there is no operation '{element.name}' to nest passes under")
        return (Nest(element.name, self.steps(children, element.name)),) if children else ()

    def python(self, element: Element, anchor: str) -> Step:
        made = self.registry[element.name].from_text(element.options or "")
        step = PythonStep(made)
        if made.anchor in ("any", anchor):
            return step
        if anchor == MODULE:
            return Nest(made.anchor, (step,))
        raise UserError(f"pipeline: pass '{element.name}' runs on '{made.anchor}', not on '{anchor}'")

    def alias(self, element: Element, anchor: str) -> tuple[Step, ...]:
        name = element.name
        if element.options is not None:
            raise UserError(f"alias '{name}' takes no options: give them to its passes, {self.registry.aliases[name]}")
        if name in self.expanding:
            raise ValueError(f"alias '{name}' contains itself")
        self.expanding = (*self.expanding, name)
        elements = parse_elements(self.registry.aliases[name])
        if len(elements) == 1 and elements[0].name == anchor and elements[0].children is not None:
            elements = elements[0].children
        steps = self.steps(elements, anchor)
        self.expanding = self.expanding[:-1]
        return steps

    def cpp(self, element: Element, anchor: str) -> Step:
        """A C++ pass that does not run on ``anchor`` as it stands: nest it, or say why not."""
        if anchor == MODULE and _fits(_FUNCTION, element):
            return Nest(_FUNCTION, (CppStep(_FUNCTION, (str(element),)),))
        reason = _refusal(anchor, element)
        if "does not refer to a registered pass" in reason:
            raise UnknownPassError(element.name, self.registry.close_matches(element.name))
        raise UserError(f"pass '{element}' does not run on '{anchor}': {reason}")


def _merged(steps: Sequence[Step], apart: bool) -> Iterator[Step]:
    """Join neighbouring C++ steps and neighbouring nests on the same anchor."""
    for kind, group in groupby(steps, key=lambda step: (type(step), getattr(step, "anchor", ""))):
        run = list(group)
        if kind[0] is PythonStep or (apart and kind[0] is CppStep):
            yield from run
        elif kind[0] is CppStep:
            first = run[0]
            assert isinstance(first, CppStep)
            yield replace(first, names=tuple(name for step in run if isinstance(step, CppStep) for name in step.names))
        else:
            inner = [child for step in run if isinstance(step, Nest) for child in step.steps]
            yield Nest(kind[1], tuple(_merged(inner, apart)))


def _fits(anchor: str, element: Element) -> bool:
    return not _refusal(anchor, element)


def _refusal(anchor: str, element: Element) -> str:
    """Why MLIR cannot run ``element`` on ``anchor``; empty if it can.

    What is wrong with the value of an option LLVM prints on standard error instead of returning it, so that is caught.
    """
    saved, (reading, writing) = os.dup(2), os.pipe()
    os.dup2(writing, 2)
    reason = ""
    try:
        reason = _trial(anchor, element)
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(writing)
        with os.fdopen(reading, encoding="utf-8", errors="replace") as printed:
            said = printed.read()
    if not reason:
        return ""
    lines = [line.strip(" :") for line in (*said.splitlines(), *reason.splitlines()) if line.strip()]
    return lines[0].removeprefix("<Pass-Options-Parser>: ")


def _trial(anchor: str, element: Element) -> str:
    """Why MLIR refuses to schedule ``element`` on ``anchor``.

    Some passes are refused only when their manager starts. So it is started, with a pass in front that stops it.
    """
    manager = PassManager(anchor)
    manager.add(_stop)
    try:
        manager.add(str(element))
    except ValueError as refused:
        return str(refused)
    if anchor not in _EMPTY:
        return ""
    log = DiagnosticLog()
    context = ir.Context.current
    assert context is not None
    emitted, context.emit_error_diagnostics = context.emit_error_diagnostics, True
    with context.attach_diagnostic_handler(log.handle), suppress(ir.MLIRError):
        manager.run(_EMPTY[anchor]())
    context.emit_error_diagnostics = emitted
    return log.errors[0].message if log.errors else ""


def _stop(_op: ir.Operation, running: ExternalPass) -> None:
    running.signal_pass_failure()


def _empty_module() -> ir.Operation:
    return ir.Module.create(ir.Location.unknown()).operation


def _empty_function() -> ir.Operation:
    kind = ir.TypeAttr.get(ir.FunctionType.get([], []))
    named = {"sym_name": ir.StringAttr.get("f"), "function_type": kind, "sym_visibility": ir.StringAttr.get("private")}
    return ir.Operation.create(_FUNCTION, attributes=named, regions=1, loc=ir.Location.unknown())


_EMPTY = {MODULE: _empty_module, _FUNCTION: _empty_function}
