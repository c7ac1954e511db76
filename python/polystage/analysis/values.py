"""Where values come from."""

from torch_mlir import ir

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
    function = ir.BlockArgument(array).owner.owner.operation
    entry = ir.DictAttr(ir.ArrayAttr(function.attributes["arg_attrs"])[ir.BlockArgument(array).arg_number])
    return ir.StringAttr(entry["polystage.name"]).value
