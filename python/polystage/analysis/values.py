"""Where values come from."""

from torch_mlir import ir

from polystage.analysis.layouts import Layout, UnknownLayoutError
from polystage.dialects.npu import element_bytes
from polystage.errors import UserError

CASTS = frozenset(
    {"arith.extf", "arith.truncf", "arith.extsi", "arith.extui", "arith.trunci", "arith.sitofp", "arith.uitofp"}
    | {"arith.fptosi", "arith.fptoui"}
)
"""Operations that change the element type and nothing else."""


def producer(value: ir.Value) -> ir.Operation | None:
    """The operation whose result ``value`` is; None for a block argument."""
    owner = value.owner
    return None if isinstance(owner, ir.Block) else owner.operation


def before_casts(value: ir.Value) -> ir.Value:
    """``value`` before the casts that made it."""
    op = producer(value)
    return before_casts(op.operands[0]) if op and op.name in CASTS else value


def array_name(array: ir.Value) -> str:
    """``polystage.name`` of an array: of its alloc, or of the function argument; "constant" for a global."""
    op = producer(array)
    if op is not None:
        attributes = op.attributes
        return ir.StringAttr(attributes["polystage.name"]).value if "polystage.name" in attributes else "constant"
    return argument_text(ir.BlockArgument(array), "polystage.name")


def argument_text(argument: ir.BlockArgument, key: str) -> str:
    """The text that attribute ``key`` of a function argument holds; UserError where there is none."""
    function, number = argument.owner.owner.operation, argument.arg_number
    if "arg_attrs" in function.attributes:
        entry = ir.DictAttr(ir.ArrayAttr(function.attributes["arg_attrs"])[number])
        if key in entry and isinstance(entry[key], ir.StringAttr):
            return ir.StringAttr(entry[key]).value
    raise UserError(f"argument {number} of the function has no {key}; run name-arrays first")


def check_arguments(function: ir.Operation) -> None:
    """Raise UserError where an argument of the function has no name or no kind."""
    for argument in function.regions[0].blocks[0].arguments:
        for key in ("polystage.name", "polystage.kind"):
            argument_text(ir.BlockArgument(argument), key)


def array_problem(type_: ir.Type) -> str | None:
    """Why nests cannot work on arrays of that type; None if they can."""
    if not isinstance(type_, ir.MemRefType):
        return "is no memref"
    if not type_.has_static_shape:
        return "has a dynamic shape"
    try:
        Layout.of(type_, max(type_.shape, default=1))
    except UnknownLayoutError as problem:
        return f"has a {problem}"
    try:
        element_bytes(type_.element_type)
    except ValueError as problem:
        return f"cannot be stored: {problem}"
    return None
