"""verify-linalg: what lower-to-affine takes, and a located error for everything else."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch_mlir import ir

from polystage.passes.nests.ir import functions, walk
from polystage.pipeline import Pass, PassContext

SUPPORTED = frozenset(("arith", "math", "linalg", "tensor", "tm_tensor", "bufferization"))
"""Dialects whose operations the following passes know."""
ALSO = frozenset(("func.return", "cf.assert", "builtin.unrealized_conversion_cast"))
INTEGER_WIDTHS = (1, 8, 32, 64)
FLOATS = (ir.F16Type, ir.BF16Type, ir.F32Type, ir.F64Type)
CONTROL = frozenset(("scf", "cf", "func"))
DYNAMIC = ir.ShapedType.get_dynamic_size()


@dataclass(frozen=True)
class VerifyLinalg(Pass):
    """Check that the module is one function @main of linalg on tensors with static shapes.

    Accepts:
    ```mlir
    func.func @main(%x: tensor<8xf32>) -> tensor<8xf32> {
      %e = tensor.empty() : tensor<8xf32>
      %y = linalg.exp ins(%x : tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
      return %y : tensor<8xf32>
    }
    ```

    Refuses: no or several functions, anything else at module level, dynamic or unknown shapes, complex numbers,
    element types that no target has (f64 is left to narrow-types), control flow, operations of other dialects.
    Reports every different one, once.
    """

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Check the module; changes nothing."""
        for inner in op.regions[0].blocks[0].operations:
            if inner.operation.name != "func.func":
                ctx.error(inner, f"'{inner.operation.name}' is not supported at module level")
        funcs = functions(op)
        names = [ir.StringAttr(func.attributes["sym_name"]).value for func in funcs]
        if names != ["main"]:
            found = ", ".join(f"'@{name}'" for name in names) or "none"
            where = next((func for func, name in zip(funcs, names, strict=True) if name != "main"), op)
            ctx.error(where, f"a model is one function '@main', found {found}")
            return
        reported = set[str]()
        for problem, where in _problems(funcs[0]):
            if problem not in reported:
                ctx.error(where, problem)
                reported.add(problem)


def _problems(func: ir.Operation) -> Iterator[tuple[str, ir.Operation]]:
    blocks = list(func.regions[0].blocks)
    if len(blocks) != 1:
        yield f"unstructured control flow ({len(blocks)} blocks) is not supported; export the model for one path", func
        return
    for argument in blocks[0].arguments:
        if (problem := _type_problem(argument.type)) is not None:
            yield f"argument {argument.arg_number}: {problem}", func
            return
    for op in walk(func):
        problems = (_type_problem(result.type) for result in op.results if not _is_static_cast(op))
        problem = _operation_problem(op) or next(filter(None, problems), None)
        if problem is not None:
            yield problem, op


def _is_static_cast(op: ir.Operation) -> bool:
    """Whether ``op`` forgets a static shape, which the next canonicalization finds again."""
    return op.name == "tensor.cast" and _type_problem(op.operands[0].type) is None


def _operation_problem(op: ir.Operation) -> str | None:
    dialect, _, _ = op.name.partition(".")
    if dialect in SUPPORTED or op.name in ALSO or op.name.endswith(".yield"):
        return None
    if dialect in CONTROL:
        return f"control flow ('{op.name}') that depends on data is not supported"
    if dialect == "torch":
        return f"operator '{op.name}' has no lowering to linalg"
    return f"operation '{op.name}' is not supported"


def _type_problem(type_: ir.Type) -> str | None:
    if isinstance(type_, ir.IntegerType):
        known = type_.width in INTEGER_WIDTHS and type_.is_signless
        return None if known else f"integers of type {type_} are not supported; use i8 or i32"
    if isinstance(type_, FLOATS):
        return None
    if isinstance(type_, ir.FloatType):
        return f"floats of type {type_} are not supported; use f16, bf16 or f32"
    if isinstance(type_, ir.ShapedType) and not type_.has_rank:
        return f"{type_} has no known rank; export the model with example inputs"
    if isinstance(type_, ir.RankedTensorType):
        if any(size == DYNAMIC for size in type_.shape):
            return f"{type_} has a dynamic shape; export the model with fixed sizes"
        return _type_problem(type_.element_type)
    if str(type_).startswith("complex"):
        return f"{type_}: complex numbers are not supported; split real and imaginary part"
    return None
