"""From an imported model to its npu program: the stages, their options, their seconds."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from torch_mlir import ir

from polystage import machine
from polystage.analysis.nests import main_function
from polystage.errors import UserError
from polystage.passes.pipelines import ALIASES
from polystage.pipeline import Registry, options_of, run_pipeline
from polystage.pipeline.base import InvalidIR
from polystage.pipeline.options import read_options, split_options
from polystage.pipeline.text import Element, parse_elements

OnStage = Callable[[str], None]
REGISTRY = Registry("polystage.passes")
_BETWEEN = {"hoist-parameters": "hoisted", "remove-dead-nests": "copy-free"}  # what a certificate is proved between
_LEVELS = (("optimized", "optimize"), ("placed", "to-placed"), ("npu", "to-npu"))


@dataclass(frozen=True)
class Stage:
    """One timed step of a compilation; ``level`` is the level that it completes, if any."""

    name: str
    pipeline: str
    level: str | None = None


def plan(
    target: str, sbuf: int | None, strategies: Mapping[str, str], strategy_file: str | None = None
) -> tuple[Stage, ...]:
    """The stages below linalg; ``strategy_file`` is that of ``map-banks``.

    ``strategies`` maps ``PASS`` to its strategy, and ``PASS.OPTION`` to the value of another option.

    Raises UserError for a target, a size, a strategy or an option that does not exist: here, before the slow import.
    """
    described = machine.load(target)
    if sbuf is not None:
        described.with_sbuf(sbuf)
    size = f" sbuf={sbuf}" if sbuf is not None else ""
    elements = {level: parse_elements(ALIASES[alias]) for level, alias in _LEVELS}
    _check_strategies([element.name for steps in elements.values() for element in steps], strategies)
    stages = [
        Stage("lower-to-affine", "lower-to-affine"),
        Stage("set-target", f"set-target{{name='{target}'{size}}}", "affine"),
    ]
    for level, steps in elements.items():
        chosen = [_with_pins(_with_strategy(step, strategies), strategy_file) for step in steps]
        stages += [Stage(step.name, str(step), _BETWEEN.get(step.name)) for step in chosen[:-1]]
        stages.append(Stage(chosen[-1].name, str(chosen[-1]), level))
    return tuple(stages)


def _check_strategies(names: Sequence[str], strategies: Mapping[str, str]) -> None:
    able = {name: legal for name in names if (legal := _strategies_of(name))}
    for key, chosen in strategies.items():
        name, dot, option = key.partition(".")
        if dot and name in names and name in REGISTRY:
            read_options(name, options_of(REGISTRY[name]), f"{option}='{chosen}'")
            continue
        if name not in able:
            listed = ", ".join(f"{owner} ({', '.join(legal)})" for owner, legal in able.items())
            raise UserError(f"no pass '{name}' with strategies; there are {listed}")
        if chosen not in able[name]:
            raise UserError(f"pass '{name}' has no strategy '{chosen}'; it has {', '.join(able[name])}")


def _strategies_of(name: str) -> tuple[str, ...]:
    if name not in REGISTRY:
        return ()
    return next((tuple(map(str, o.choices)) for o in options_of(REGISTRY[name]) if o.name == "strategy"), ())


def _with_strategy(step: Element, strategies: Mapping[str, str]) -> Element:
    keys = [(key, *key.partition(".")) for key in strategies]
    chosen = {option or "strategy": strategies[key] for key, name, _, option in keys if name == step.name}
    if not chosen:
        return step
    others = [(name, value) for name, value in split_options(step.options or "") if name not in chosen]
    kept = [name if value is None else f"{name}='{value}'" for name, value in others]
    return replace(step, options=" ".join([*kept, *(f"{name}='{value}'" for name, value in chosen.items())]))


def _with_pins(step: Element, strategy_file: str | None) -> Element:
    if step.name != "map-banks" or strategy_file is None:
        return step
    return replace(step, options=f"{step.options or ''} strategy-file='{strategy_file}'".strip())


@dataclass(frozen=True)
class Lowered:
    """A copy of the module at every level, and the seconds of every stage."""

    levels: Mapping[str, ir.Operation]
    seconds: Mapping[str, float]


def lower(module: ir.Operation, stages: Sequence[Stage], on_stage: OnStage) -> Lowered:
    """Runs ``stages`` on ``module``, in place. Raises PassFailure, a UserError, where a pass refuses."""
    levels, seconds = {"linalg": module.clone().operation}, dict[str, float]()
    for stage in stages:
        on_stage(stage.name)
        begin = time.perf_counter()
        try:
            run_pipeline(module, stage.pipeline, REGISTRY)
        except InvalidIR as failure:
            raise RuntimeError(f"bug in {stage.name}: it left invalid IR") from failure
        seconds[stage.name] = seconds.get(stage.name, 0.0) + time.perf_counter() - begin
        if stage.level == "affine":
            _note_result_types(levels["linalg"], module)
        if stage.level:
            levels[stage.level] = module if stage is stages[-1] else module.clone().operation
    return Lowered(levels, seconds)


def _note_result_types(linalg: ir.Operation, affine: ir.Operation) -> None:
    """Outputs that the lowering narrowed keep the element type of the model's result as ``polystage.dtype``."""
    results = ir.FunctionType(ir.TypeAttr(main_function(linalg).attributes["function_type"]).value).results
    function = main_function(affine)
    arguments = function.regions[0].blocks[0].arguments
    attributes = list(ir.ArrayAttr(function.attributes["arg_attrs"]))
    first = len(arguments) - len(results)
    for position, result in enumerate(results, first):
        wanted, given = ir.ShapedType(result).element_type, ir.MemRefType(arguments[position].type).element_type
        if wanted != given:
            known = {entry.name: entry.attr for entry in ir.DictAttr(attributes[position])}
            known["polystage.dtype"] = ir.StringAttr.get(str(wanted), affine.context)
            attributes[position] = ir.DictAttr.get(known, affine.context)
    function.attributes["arg_attrs"] = ir.ArrayAttr.get(attributes, affine.context)
