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
