"""``polystage.compile`` and ``polystage.load``: from a PyTorch model to a program that runs."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch_mlir import ir

from polystage import dialects, machine, storage
from polystage.compilation import OnStage, Stage, lower, plan
from polystage.compiled import Compiled
from polystage.errors import UserError
from polystage.reference import Eager, Jit, Reference
from polystage.report import measure
from polystage.signature import Array

if TYPE_CHECKING:
    from polystage.importers import Imported


def compile(
    model: Any,
    inputs: Sequence[Any] = (),
    target: str | Path = "trainium1",
    sbuf: int | str | None = None,
    strategy: Mapping[str, str] | None = None,
    dtype: str | None = None,
    *,
    name: str | None = None,
    on_stage: OnStage = lambda stage: None,
) -> Compiled:
    """Compiles ``model`` for ``target``.

    ``model`` is a ``torch.nn.Module`` with example ``inputs`` (its positional arguments), a
    ``torch.export.ExportedProgram``, or the path of a ``.pt2`` or ``.mlir`` file. ``target`` is a built-in machine or
    a TOML file, ``sbuf`` replaces its scratchpad size (bytes, or text such as "256KiB"). ``strategy`` maps passes to
    strategies: ``{"map-banks": "local"}``. ``dtype`` ("f32", "bf16", "f16") casts the model and its inputs first.
    ``on_stage`` is called with the name of each stage as it begins.

    Raises UserError for a model, target or option that cannot be compiled.
    """
    stages = _stages(target, sbuf, strategy)
    return _compile(model, inputs, stages, dtype, name or _name_of(model), on_stage)


def compile_argument(
    text: str,
    target: str | Path = "trainium1",
    sbuf: int | str | None = None,
    strategy: Mapping[str, str] | None = None,
    dtype: str | None = None,
    *,
    on_stage: OnStage = lambda stage: None,
) -> Compiled:
    """`compile` for what a user names on the command line: a zoo name, ``file.py:function`` or a file."""
    stages = _stages(target, sbuf, strategy)
    on_stage("load")
    from polystage.importers import load_model_argument

    loaded = load_model_argument(text)
    return _compile(loaded.model, loaded.inputs, stages, dtype, loaded.name, on_stage)


def _stages(target: str | Path, sbuf: int | str | None, strategy: Mapping[str, str] | None) -> Sequence[Stage]:
    return plan(str(target), machine.parse_bytes(sbuf) if isinstance(sbuf, str) else sbuf, strategy or {})


def _compile(
    model: Any, inputs: Sequence[Any], stages: Sequence[Stage], dtype: str | None, name: str, on_stage: OnStage
) -> Compiled:
    on_stage("import")
    if dtype:
        from polystage.importers import eager

        model, inputs = eager.cast(model, inputs, dtype)
    imported = _import(model, tuple(inputs))
    lowered = lower(imported.module.operation, stages, on_stage)
    on_stage("report")
    subject = measure.Subject(name, lowered.levels, {**imported.seconds, **lowered.seconds})
    weights = _weights_of(imported)
    return Compiled(
        measure.collect(subject),
        lowered.levels,
        weights,
        flatten=imported.flatten,
        reference=_reference(model, tuple(inputs), imported, Jit(lowered.levels["affine"], weights)),
    )


def _import(model: Any, inputs: tuple[Any, ...]) -> "Imported":
    from polystage import importers

    context = ir.Context()
    dialects.register(context)
    if isinstance(model, str | Path):
        return importers.import_file(model, context=context)
    if hasattr(model, "graph_signature"):
        return importers.import_exported(model, context=context)
    return importers.import_model(model, inputs, context=context)


def _name_of(model: Any) -> str:
    return Path(model).stem if isinstance(model, str | Path) else type(model).__name__


def _weights_of(imported: "Imported") -> Callable[[], Mapping[str, Array]]:
    """The model's tensors as numpy, looked at when the program first runs."""

    def read() -> dict[str, Array]:
        try:
            return {argument.name: argument.numpy() for argument in imported.arguments if argument.kind != "input"}
        except ValueError as error:
            raise UserError("the model is on the meta device: it can be compiled, but not executed or saved") from error

    return read


def _reference(model: Any, inputs: tuple[Any, ...], imported: "Imported", jit: Jit) -> Reference:
    if isinstance(model, str | Path):
        return jit
    example = inputs or (model.example_inputs or ((),))[0]
    narrow = any(argument.dtype in ("bf16", "f16") for argument in imported.arguments)
    reference = "PyTorch eager in f32" if narrow else "PyTorch eager"
    return Eager(model, tuple(example), narrow, imported.flatten, reference)


def load(directory: str | Path) -> Compiled:
    """The program that `Compiled.save` wrote; needs no PyTorch. Raises UserError when it is not one."""
    folder = Path(directory)
    context = ir.Context()
    dialects.register(context)
    levels = storage.load_levels(folder, context)
    return Compiled(storage.load_report(folder), levels, lambda: storage.load_arrays(folder / storage.WEIGHTS))
