"""Small questions to the IR that several passes ask."""

from collections.abc import Callable, Generator, Sequence
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


def tables_of(module: ir.Operation) -> dict[ir.Value, list[int]]:
    """The elements of the integer constants that are not one number repeated, by the value that names them."""
    contents: dict[str, list[int]] = {}
    tables: dict[ir.Value, list[int]] = {}
    for op in walk(module):
        if op.name == "memref.global":
            value = op.attributes.get("initial_value", None)
            if isinstance(value, ir.DenseIntElementsAttr) and not value.is_splat:
                contents[ir.StringAttr(op.attributes["sym_name"]).value] = [int(element) for element in value]
        elif op.name == "memref.get_global":
            name = ir.FlatSymbolRefAttr(op.attributes["name"]).value
            if name in contents:
                tables[op.results[0]] = contents[name]
    return tables


def nest_of(op: ir.Operation) -> ir.Operation | None:
    """The outermost loop around ``op``."""
    nest = None
    while (parent := op.parent) is not None and parent.operation.name != "func.func":
        nest = op = parent.operation
    return nest


def op_before(op: ir.Operation) -> ir.Operation:
    """The operation in front of ``op`` in its block; there must be one."""
    operations = [each.operation for each in op.block.operations]
    return operations[operations.index(op) - 1]


def op_after(op: ir.Operation) -> ir.Operation:
    """The operation behind ``op`` in its block; there must be one."""
    operations = [each.operation for each in op.block.operations]
    return operations[operations.index(op) + 1]


def reindex(op: ir.Operation, rewritten: Callable[[list[ir.AffineExpr]], Sequence[ir.AffineExpr]]) -> None:
    """Give an affine access the indices that ``rewritten`` makes of its own, over the same operands."""
    access = ir.AffineMapAttr(op.attributes["map"]).value
    indices = rewritten(list(access.results))
    op.attributes["map"] = ir.AffineMapAttr.get(ir.AffineMap.get(access.n_dims, access.n_symbols, indices))


def constraints_of(integer_set: ir.Attribute) -> list[tuple[ir.AffineMap, bool]]:
    """The constraints of an integer set as maps to their left sides, and whether each is an equality.

    The bindings give no access to the set, so this reads its text, ``affine_set<(d0) : (d0 - 1 >= 0, d0 == 4)>``.
    """
    dims, _, constraints = str(integer_set).removeprefix("affine_set<").removesuffix(")>").partition(" : (")
    found: list[tuple[ir.AffineMap, bool]] = []
    for constraint in constraints.split(", "):
        expr, relation = constraint[: -len(" >= 0")], constraint[-len(">= 0") :]
        affine_map = ir.AffineMapAttr(ir.Attribute.parse(f"affine_map<{dims} -> ({expr})>")).value
        found.append((affine_map, relation == "== 0"))
    return found
