"""``polystage.compile`` and ``polystage.load``: from a PyTorch model to a program that runs."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
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
    from polystage.importers import Imported, LoadedModel


def compile(
    model: Any,
    inputs: Sequence[Any] = (),
    target: str | Path = "trainium1",
    sbuf: int | str | None = None,
    strategy: Mapping[str, str] | None = None,
    dtype: str | None = None,
    *,
    name: str | None = None,
    strategy_file: str | None = None,
    on_stage: OnStage = lambda stage: None,
) -> Compiled:
    """Compiles ``model`` for ``target``.

    ``model`` is a ``torch.nn.Module`` with example ``inputs`` (its positional arguments), a
    ``torch.export.ExportedProgram``, or what the command line takes: a zoo name, ``file.py:function``, ``file.pt2`` or
    ``file.mlir``. ``target`` is a built-in machine or a TOML file, ``sbuf`` replaces its scratchpad size (bytes, or
    text such as "256KiB"). ``strategy`` maps passes to strategies and their other options to values:
    ``{"map-banks": "local", "stage.effort": "3"}``. ``dtype`` ("f32", "bf16", "f16") casts the floating-point tensors
    of model and inputs first. ``strategy_file`` holds layouts and implementations that are given (JSON, as
    ``polystage compile --export-strategy`` writes it). ``on_stage`` is called with the name of each stage as it begins.

    Raises UserError for a model, target or option that cannot be compiled.
    """
    size = machine.parse_bytes(sbuf) if isinstance(sbuf, str) else sbuf
    stages = plan(str(target), size, strategy or {}, strategy_file)
    on_stage("load")
    loaded = _load(model, tuple(inputs), dtype)
    on_stage("import")
    context = ir.Context()
    dialects.register(context)
    imported = loaded.imported(context)
    lowered = lower(imported.module.operation, stages, on_stage)
    on_stage("report")
    subject = measure.Subject(name or loaded.name, lowered.levels, {**imported.seconds, **lowered.seconds})
    return Compiled(
        measure.collect(subject),
        lowered.levels,
        _weights_of(imported),
        flatten=imported.flatten,
        reference=_reference(loaded, imported, lowered.levels["affine"]),
    )


def _load(model: Any, inputs: tuple[Any, ...], dtype: str | None) -> "LoadedModel":
    from polystage import importers
    from polystage.importers import eager

    if isinstance(model, str | Path):
        return importers.load_model_argument(str(model), dtype)
    if dtype:
        model, inputs = eager.cast(model, inputs, dtype)
    if hasattr(model, "graph_signature"):
        given = inputs or (model.example_inputs or ((),))[0]
        importing = partial(_import_exported, model)
        return importers.LoadedModel("exported", model.module(), given, importing)
    return importers.LoadedModel(type(model).__name__, model, inputs, partial(_import_model, model, inputs))


def _import_model(model: Any, inputs: tuple[Any, ...], context: ir.Context | None) -> "Imported":
    from polystage import importers

    return importers.import_model(model, inputs, context=context)


def _import_exported(program: Any, context: ir.Context | None) -> "Imported":
    from polystage import importers

    return importers.import_exported(program, context=context)


def _weights_of(imported: "Imported") -> Callable[[], Mapping[str, Array]]:
    """The model's tensors as numpy, looked at when the program first runs."""

    def read() -> dict[str, Array]:
        weights = [argument for argument in imported.arguments if argument.kind != "input"]
        missing = [argument.name for argument in weights if argument.tensor is None or argument.tensor.is_meta]
        if missing:
            raise UserError(
                f"{len(missing)} weights have no data ('{missing[0]}', ...): a model on the meta device or in a .mlir"
                " file can be compiled, but not executed or saved"
            )
        return {argument.name: argument.numpy() for argument in weights}

    return read


def _reference(loaded: "LoadedModel", imported: "Imported", affine: ir.Operation) -> Reference | None:
    """PyTorch eager where there is a model with inputs, MLIR's JIT where there is only IR."""
    if loaded.model is None:
        return Jit(affine)
    if loaded.inputs is None:
        return None
    narrow = any(argument.dtype in ("bf16", "f16") for argument in imported.arguments)
    name = "PyTorch eager in f32" if narrow else "PyTorch eager"
    return Eager(loaded.model, loaded.inputs, narrow, imported.flatten, name)


def load(directory: str | Path) -> Compiled:
    """The program that `Compiled.save` wrote; needs no PyTorch. Raises UserError when it is not one."""
    folder = Path(directory)
    context = ir.Context()
    dialects.register(context)
    levels = storage.load_levels(folder, context)
    return Compiled(storage.load_report(folder), levels, lambda: storage.load_arrays(folder / storage.WEIGHTS))
