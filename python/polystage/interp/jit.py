"""Run affine, placed or linalg modules natively through MLIR's ExecutionEngine: a fast numeric reference.

Works on a clone; the module given is not changed, arrays are bound without a copy. Each element's reduction keeps
the order of the loops, so a result does not depend on the machine's vector width.
"""

import ctypes
from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np
from torch_mlir import ir
from torch_mlir.dialects import torch as torch_dialect
from torch_mlir.execution_engine import ExecutionEngine
from torch_mlir.passmanager import PassManager

from polystage.interp.loop_order import make_innermost_contiguous
from polystage.interp.outline import Allocate, Plan, Release, outline

Array = np.ndarray[Any, Any]

# linalg on tensors -> affine loops on buffers, results as trailing out-arguments
_LINALG_TO_AFFINE = (
    "builtin.module(func.func(refback-generalize-tensor-concat,tm-tensor-bufferize),empty-tensor-to-alloc-tensor)",
    "builtin.module(one-shot-bufferize{bufferize-function-boundaries=1"
    " function-boundary-type-conversion=identity-layout-map},func.func(tm-tensor-to-loops),"
    "buffer-results-to-out-params{modify-public-functions=1 add-result-attr=1},"
    "func.func(refback-munge-memref-copy,linalg-generalize-named-ops,convert-linalg-to-affine-loops),canonicalize)",
)

# bf16 and f16 are computed in f32
_WIDEN = (
    "builtin.module(func.func(arith-emulate-unsupported-floats{source-types=bf16,f16 target-type=f32},"
    "math-extend-to-supported-types{extra-types=f32 target-type=f32}))"
)

_AFFINE_TO_LLVM = (
    "builtin.module(func.func(math-expand-ops{ops=fpowi}),canonicalize,lower-affine,convert-scf-to-cf,expand-strided-metadata,lower-affine,arith-expand{include-bf16=1},"
    "convert-math-to-llvm,convert-math-to-libm,convert-index-to-llvm,convert-cf-to-llvm,convert-arith-to-llvm,"
    "finalize-memref-to-llvm,convert-func-to-llvm{use-bare-ptr-memref-call-conv=1},reconcile-unrealized-casts)"
)

_ELEMENTS: dict[str, Any] = {
    "f32": np.float32,
    "f16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "i1": np.bool_,
    "i8": np.int8,
    "i32": np.int32,
    "i64": np.int64,
}


def run(module: ir.Module, args: Sequence[Array]) -> None:
    """Execute ``@main`` of an affine or placed module; results are written into the trailing out-arguments.

    ``args`` are in function argument order, C-contiguous, of the exact element types (bf16 as
    ``ml_dtypes.bfloat16``, i1 as ``np.bool_``). Raises ValueError when one does not match its memref type.
    """
    with module.context, ir.Location.unknown():
        clone = _clone(module)
        _strip_placement(clone)
        _execute(clone, args)


def run_linalg(module: ir.Module, args: Sequence[Array]) -> tuple[Array, ...]:
    """Execute ``@main`` of a linalg-on-tensors module and return its results. ``args`` as for ``run``."""
    torch_dialect.register_dialect(module.context)  # brings the tm-tensor and refback passes
    with module.context, ir.Location.unknown():
        clone = _clone(module)
        for op in _walk(clone.operation):
            if op.name == "cf.assert":
                op.erase()
        for pipeline in _LINALG_TO_AFFINE:
            PassManager.parse(pipeline).run(clone.operation)
            _mark_restrict(clone)
        results = tuple(_empty(kind) for kind in _main(clone).type.inputs[len(args) :])
        _execute(clone, [*args, *results])
    return results


def _clone(module: ir.Module) -> ir.Module:
    return ir.Module.parse(module.operation.get_asm(assume_verified=True, enable_debug_info=False))


def _main(module: ir.Module) -> Any:
    functions = (op for op in module.body.operations if op.operation.name == "func.func")
    return next(op for op in functions if ir.StringAttr(op.operation.attributes["sym_name"]).value == "main")


def _walk(root: ir.Operation) -> list[ir.Operation]:
    found: list[ir.Operation] = []

    def visit(op: ir.Operation) -> ir.WalkResult:
        found.append(op.operation)
        return ir.WalkResult.ADVANCE

    root.walk(visit)
    return found


def _mark_restrict(module: ir.Module) -> None:
    """tm-tensor-bufferize leaves to_tensor without ``restrict``, which one-shot-bufferize insists on."""
    for op in _walk(module.operation):
        if op.name == "bufferization.to_tensor":
            op.attributes["restrict"] = ir.UnitAttr.get()


def _strip_placement(module: ir.Module) -> None:
    """Physical layouts through normalize-memrefs, then every buffer into the default memory space."""
    values = [value for op in _walk(module.operation) for value in op.results]
    for value in values:
        if isinstance(value.type, ir.MemRefType) and _is_replicated(value.type):
            value.set_type(ir.MemRefType.get(value.type.shape, value.type.element_type, None, value.type.memory_space))
    if not any(isinstance(value.type, ir.MemRefType) and _is_placed(value.type) for value in values):
        return
    PassManager.parse("builtin.module(normalize-memrefs)").run(module.operation)
    for op in _walk(module.operation):
        for value in op.results:
            if isinstance(value.type, ir.MemRefType) and value.type.memory_space is not None:
                kind = value.type
                value.set_type(ir.MemRefType.get(kind.shape, kind.element_type, kind.layout, None))


def _is_placed(kind: ir.MemRefType) -> bool:
    identity = ir.AffineMap.get_identity(kind.rank)
    return kind.memory_space is not None or kind.affine_map != identity


def _is_replicated(kind: ir.MemRefType) -> bool:
    """Whether every lane holds it, which a lane below zero stands for: one copy of it is enough here."""
    lane = kind.affine_map.results[0] if kind.affine_map.results else None
    return isinstance(lane, ir.AffineConstantExpr) and ir.AffineConstantExpr(lane).value < 0


def _empty(kind: ir.MemRefType) -> Array:
    return np.empty(kind.shape, _ELEMENTS[str(kind.element_type)])


def _check(kinds: Sequence[ir.MemRefType], args: Sequence[Array]) -> None:
    if len(kinds) != len(args):
        raise ValueError(f"@main takes {len(kinds)} arguments, {len(args)} given")
    for position, (kind, array) in enumerate(zip(kinds, args, strict=True)):
        wanted = np.dtype(_ELEMENTS[str(kind.element_type)])
        if tuple(kind.shape) != array.shape or wanted != array.dtype:
            raise ValueError(
                f"argument {position} is {array.dtype}{list(array.shape)}, @main takes {wanted}{list(kind.shape)}"
            )
        if not array.flags.c_contiguous:
            raise ValueError(f"argument {position} is not C-contiguous")


def _execute(module: ir.Module, args: Sequence[Array]) -> None:
    main = _main(module)
    _check([ir.MemRefType(kind) for kind in main.type.inputs], args)
    make_innermost_contiguous(main.operation)
    plan = outline(module, main.operation)
    PassManager.parse(_WIDEN).run(module.operation)
    _keep_roundings(module)
    PassManager.parse(_AFFINE_TO_LLVM).run(module.operation)
    _play(plan, ExecutionEngine(module, opt_level=2), args)


def _keep_roundings(module: ir.Module) -> None:
    """Forbid folding a rounding with the widening after it, so that every operation rounds to its own type."""
    strict = ir.Attribute.parse("#arith.fastmath<none>")
    for op in _walk(module.operation):
        if op.name in ("arith.extf", "arith.truncf"):
            op.attributes["fastmath"] = strict


def _play(plan: Plan, engine: ExecutionEngine, args: Sequence[Array]) -> None:
    """Run the steps. A slot is one machine word: the address of a buffer, or a scalar."""
    words = (ctypes.c_uint64 * plan.slots)()
    owned: dict[int, Array] = {}
    functions: dict[str, Any] = {}
    for slot, array in enumerate(args):
        words[slot] = array.ctypes.data
    for step in plan.steps:
        if isinstance(step, Allocate):
            owned[step.slot] = np.empty(step.elements, _ELEMENTS[step.kind])
            words[step.slot] = owned[step.slot].ctypes.data
        elif isinstance(step, Release):
            del owned[step.slot]
        else:
            if step.function not in functions:
                functions[step.function] = _PACKED(engine.raw_lookup(step.function))
            addresses = (ctypes.addressof(words) + 8 * slot for slot in step.slots)
            functions[step.function]((ctypes.c_void_p * max(len(step.slots), 1))(*addresses))


_PACKED = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
