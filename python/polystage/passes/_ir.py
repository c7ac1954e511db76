"""Small questions to the IR that several passes ask."""

from collections.abc import Generator
from contextlib import contextmanager

from torch_mlir import ir

from polystage.pipeline import PassContext


class NotSupportedError(Exception):
    """Something that the pass cannot bring to its output form; passes report it at ``location``."""

    def __init__(self, location: ir.Location, message: str) -> None:
        super().__init__(message)
        self.location = location
        self.message = message


@contextmanager
def reported(ctx: PassContext) -> Generator[None]:
    """Turn the first ``NotSupportedError`` raised inside into an error of the pass."""
    try:
        yield
    except NotSupportedError as refusal:
        ctx.error(refusal.location, refusal.message)


def defining_op(value: ir.Value) -> ir.Operation | None:
    """The operation whose result ``value`` is; None for a block argument."""
    owner = value.owner
    return None if isinstance(owner, ir.Block) else owner.operation


def walk(root: ir.Operation) -> list[ir.Operation]:
    """All operations below ``root``, parents before children, in program order."""
    found: list[ir.Operation] = []
    pending = [root]
    while pending:
        op = pending.pop()
        inner = [o.operation for region in op.regions for block in region.blocks for o in block.operations]
        pending.extend(reversed(inner))
        if op is not root:
            found.append(op)
    return found


def main_function(module: ir.Operation) -> ir.Operation:
    """The function ``@main``."""
    for op in module.regions[0].blocks[0].operations:
        if op.operation.name == "func.func" and ir.StringAttr(op.operation.attributes["sym_name"]).value == "main":
            return op.operation
    raise NotSupportedError(module.location, "the module has no function '@main'")


def functions(module: ir.Operation) -> list[ir.Operation]:
    """The functions of the module, in order."""
    return [op.operation for op in module.regions[0].blocks[0].operations if op.operation.name == "func.func"]


def splat_globals(module: ir.Operation) -> dict[str, ir.Attribute]:
    """Name -> value of every ``memref.global`` that holds one number repeated."""
    splats: dict[str, ir.Attribute] = {}
    for view in module.regions[0].blocks[0].operations:
        op = view.operation
        if op.name == "memref.global" and "initial_value" in op.attributes:
            value = op.attributes["initial_value"]
            if isinstance(value, ir.DenseElementsAttr) and value.is_splat:
                splats[ir.StringAttr(op.attributes["sym_name"]).value] = value.get_splat_value()
    return splats
