"""``polystage.compile`` and ``polystage.load``: from a PyTorch model to a program that runs."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch_mlir import ir

from polystage import dialects, machine, storage
from polystage.compilation import OnStage, lower, plan
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
    size = machine.parse_bytes(sbuf) if isinstance(sbuf, str) else sbuf
    stages = plan(str(target), size, strategy or {})
    on_stage("import")
    if dtype:
        from polystage.importers import eager

        model, inputs = eager.cast(model, inputs, dtype)
    imported = _import(model, tuple(inputs))
    lowered = lower(imported.module.operation, stages, on_stage)
    on_stage("report")
    described = measure.Subject(name or _name_of(model), lowered.levels, {**imported.seconds, **lowered.seconds})
    weights = _weights_of(imported)
    return Compiled(
        measure.collect(described),
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
    return Eager(model, tuple(example), narrow, imported.flatten)


def load(directory: str | Path) -> Compiled:
    """The program that `Compiled.save` wrote; needs no PyTorch. Raises UserError when it is not one."""
    folder = Path(directory)
    context = ir.Context()
    dialects.register(context)
    levels = storage.load_levels(folder, context)
    return Compiled(storage.load_report(folder), levels, lambda: storage.load_arrays(folder / storage.WEIGHTS))
