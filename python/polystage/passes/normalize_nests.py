"""normalize-nests: every store in a perfect nest of its own, index arithmetic in its accesses."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch_mlir import ir

from polystage.pipeline import Pass, PassContext

from . import _quasi as q
from ._body import Body
from ._distribute import Part, check_distributable
from ._ir import NotSupportedError, main_function, reported, splat_globals
from ._nest_io import Reader, Writer
from ._quasi import Quasi

STORES = ("affine.store", "memref.store")
BETWEEN_NESTS = frozenset(("memref.alloc", "memref.get_global", "arith.constant", "affine.for", "func.return"))
"""What stays in the function's own block."""


@dataclass(frozen=True)
class Loop:
    """One ``affine.for`` with constant bounds."""

    iv: ir.Value
    lower: int
    step: int
    trips: int


@dataclass(frozen=True)
class Statement:
    """A store with the loops around it, outermost first."""

    loops: tuple[Loop, ...]
    store: ir.Operation


@dataclass(frozen=True)
class NormalizeNests(Pass):
    """Give every store its own perfect nest with a canonical body.

    Loops are shifted to run from 0 with step 1, loops of one trip go away, loops of no trip take their body along.
    Code between loops, and scalar code between nests, moves into the nests that use it. Inside a body equal
    operations are one, unused ones disappear, and integer arithmetic on induction variables becomes part of the
    access maps, simplified by the loop bounds. A nest with several stores is distributed into one nest per store.
    A nest with an index that is not quasi-affine gets the attribute ``polystage.indirect``.

    Before:
    ```mlir
    affine.for %i = 0 to 8 {
      affine.for %j = 0 to 1 {
        %0 = affine.load %a[%i floordiv 8, %i mod 16] : memref<1x16xf32>
        affine.store %0, %b[%i, %j] : memref<8x1xf32>
      }
    }
    ```
    After:
    ```mlir
    affine.for %i = 0 to 8 {
      %0 = affine.load %a[0, %i] : memref<1x16xf32>
      affine.store %0, %b[%i, 0] : memref<8x1xf32>
    }
    ```

    Requires: one function @main on memrefs; loops with constant bounds.
    Refuses: loop bounds that are not constant, values carried by loops, control flow in a nest, stores of one nest
    that depend on each other.
    Statistics: nests (written), distributed (nests with several stores).
    """

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Rewrite every nest of @main."""
        with op.context, ir.Location.unknown(), reported(ctx):
            block = main_function(op).regions[0].blocks[0]
            reader, writer = Reader(splat_globals(op)), Writer(block)
            for view in list(block.operations):
                tree = view.operation
                if tree.name == "affine.for" or tree.name in STORES:
                    written = rewrite_tree(tree, reader, writer)
                    ctx.statistic("nests", written)
                    ctx.statistic("distributed", int(written > 1))
            _erase_scalars(block)


def rewrite_tree(tree: ir.Operation, reader: Reader, writer: Writer) -> int:
    """Replace a loop or a store at function level by nests in normal form; how many."""
    statements = list(_statements(tree))
    bodies = [_body(statement, reader) for statement in statements]
    if len(statements) > 1:
        check_distributable(tree, [_part(*pair) for pair in zip(statements, bodies, strict=True)])
    with ir.InsertionPoint(tree):
        for body in bodies:
            writer.write(body, tree.location)
    tree.erase()
    return len(statements)


def _statements(tree: ir.Operation) -> Iterator[Statement]:
    """The stores below ``tree`` that execute at least once, in program order."""
    pending: list[tuple[ir.Operation, tuple[Loop, ...]]] = [(tree, ())]
    while pending:
        op, loops = pending.pop()
        if op.name in STORES:
            yield Statement(loops, op)
        elif op.name == "affine.for":
            loop = _loop(op)
            if loop.trips > 0:
                inner = [o.operation for o in op.regions[0].blocks[0].operations]
                pending.extend((o, (*loops, loop)) for o in reversed(inner))
        elif len(op.regions):
            raise NotSupportedError(op.location, f"control flow ('{op.name}') in a nest is not supported")


def _part(statement: Statement, body: Body) -> Part:
    return Part(body, statement.store, [loop.iv for loop in statement.loops if loop.trips > 1])


def _loop(op: ir.Operation) -> Loop:
    lower, upper = (_bound(op, key) for key in ("lowerBoundMap", "upperBoundMap"))
    if len(op.results):
        raise NotSupportedError(op.location, "a loop that carries values is not supported")
    step = ir.IntegerAttr(op.attributes["step"]).value
    trips = max(0, -(-(min(upper) - max(lower)) // step))
    return Loop(op.regions[0].blocks[0].arguments[0], max(lower), step, trips)


def _bound(op: ir.Operation, key: str) -> list[int]:
    results = list(ir.AffineMapAttr(op.attributes[key]).value.results)
    constants = [result.value for result in results if isinstance(result, ir.AffineConstantExpr)]
    if len(constants) != len(results):
        raise NotSupportedError(op.location, "loop bounds must be constants")
    return constants


def _body(statement: Statement, reader: Reader) -> Body:
    ivs: dict[ir.Value, Quasi] = {}
    extents: list[int] = []
    for loop in statement.loops:
        value = q.scale(q.iv(len(extents)), loop.step) if loop.trips > 1 else q.ZERO
        ivs[loop.iv] = Quasi(value.const + loop.lower, value.terms)
        if loop.trips > 1:
            extents.append(loop.trips)
    return reader.read(statement.store, ivs, tuple(extents))


def _erase_scalars(block: ir.Block) -> None:
    """Remove the scalar code between nests, which the nests have taken over."""
    for view in reversed(list(block.operations)):
        op = view.operation
        if op.name not in BETWEEN_NESTS or (op.name == "arith.constant" and not any(True for _ in op.results[0].uses)):
            op.erase()
