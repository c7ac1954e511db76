"""What runs once, when a program is loaded: ``@load`` computes hoisted and packed parameters from the model's own."""

from collections.abc import Mapping

from torch_mlir import ir

from polystage import signature
from polystage.signature import Array


def hoisted(program: ir.Operation, weights: Mapping[str, Array]) -> dict[str, Array]:
    """The results of ``@load`` by name, through MLIR's JIT; ``weights`` has its parameters by name.

    ``program`` is any level below linalg, where ``@load`` stays affine code; without ``@load`` there are none.
    """
    from polystage.interp import jit

    module = _load_as_main(program)
    if module is None:
        return {}
    bindings = signature.of_module(module.operation).bindings
    arrays = [
        binding.empty() if binding.kind == "output" else binding.take(weights[binding.name]) for binding in bindings
    ]
    jit.run(module, arrays)
    return {binding.name: array for binding, array in zip(bindings, arrays, strict=True) if binding.kind == "output"}


def _load_as_main(program: ir.Operation) -> ir.Module | None:
    """A module of its own whose ``@main`` is the program's ``@load``."""
    with program.context, program.location:
        module = ir.Module.create()
        for op in program.regions[0].blocks[0].operations:
            is_function = op.operation.name == "func.func"
            if is_function and ir.StringAttr(op.operation.attributes["sym_name"]).value != "load":
                continue
            module.body.append(op.operation.clone())
        functions = [op.operation for op in module.body.operations if op.operation.name == "func.func"]
        if not functions:
            return None
        functions[0].attributes["sym_name"] = ir.StringAttr.get("main")
        return module
