"""Trees of affine loops, as they come, taken apart into statements: one store with its loops and conditions."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch_mlir import ir

from polystage.passes.nests import quasi as q
from polystage.passes.nests.ir import NotSupportedError
from polystage.passes.nests.quasi import Quasi

STORES = frozenset(("affine.store", "memref.store"))
SILENT = frozenset(("affine.load", "memref.load", "affine.apply", "affine.yield", "scf.yield", "cf.assert"))
"""Operations of nests that do nothing but compute values. Run-time assertions are dropped."""
CONDITIONS = frozenset(("affine.if", "scf.if"))


@dataclass(frozen=True)
class Loop:
    """One ``affine.for`` with constant bounds."""

    iv: ir.Value
    lower: int
    step: int
    trips: int


@dataclass(frozen=True)
class Statement:
    """A store with the loops and the conditions around it, outermost first.

    A condition is an ``affine.if`` or ``scf.if`` and whether the store is in its first branch.
    """

    store: ir.Operation
    loops: tuple[Loop, ...] = ()
    conditions: tuple[tuple[ir.Operation, bool], ...] = ()

    @property
    def domain(self) -> tuple[dict[ir.Value, Quasi], tuple[int, ...]]:
        """The values of the induction variables over loops from 0 with step 1, and the trip counts of those loops.

        Loops of one trip are left out.
        """
        ivs: dict[ir.Value, Quasi] = {}
        extents: list[int] = []
        for loop in self.loops:
            value = q.scale(q.iv(len(extents)), loop.step) if loop.trips > 1 else q.ZERO
            ivs[loop.iv] = Quasi(value.const + loop.lower, value.terms)
            if loop.trips > 1:
                extents.append(loop.trips)
        return ivs, tuple(extents)

    @property
    def ivs(self) -> list[ir.Value]:
        """The induction variables of the loops of more than one trip."""
        return [loop.iv for loop in self.loops if loop.trips > 1]


def is_scalar(op: ir.Operation) -> bool:
    """Whether ``op`` only computes values, so that it may move to where they are used."""
    return op.name in SILENT or op.name.startswith(("arith.", "math."))


def statements_of(tree: ir.Operation) -> Iterator[Statement]:
    """The stores of ``tree``, itself a loop or a store, that execute at least once; in program order."""
    pending = [Statement(tree)]
    while pending:
        at = pending.pop()
        op = at.store
        if op.name in STORES:
            yield at
        elif op.name == "affine.for":
            loop = _loop(op)
            if loop.trips > 0:
                inner = [Statement(o, (*at.loops, loop), at.conditions) for o in _operations(op.regions[0])]
                pending.extend(reversed(inner))
        elif op.name in CONDITIONS:
            branches = [(region, first) for region, first in zip(op.regions, (True, False), strict=True)]
            inner = [Statement(o, at.loops, (*at.conditions, (op, f))) for r, f in branches for o in _operations(r)]
            pending.extend(reversed(inner))
        elif not is_scalar(op):
            raise NotSupportedError(op.location, f"'{op.name}' is not supported in a nest")


def _operations(region: ir.Region) -> list[ir.Operation]:
    return [view.operation for block in region.blocks for view in block.operations]


def _loop(op: ir.Operation) -> Loop:
    if len(op.results):
        raise NotSupportedError(op.location, "a loop that carries values is not supported")
    lower, upper = max(_bound(op, "lowerBoundMap")), min(_bound(op, "upperBoundMap"))
    step = ir.IntegerAttr(op.attributes["step"]).value
    return Loop(op.regions[0].blocks[0].arguments[0], lower, step, max(0, -(-(upper - lower) // step)))


def _bound(op: ir.Operation, key: str) -> list[int]:
    results = list(ir.AffineMapAttr(op.attributes[key]).value.results)
    constants = [result.value for result in results if isinstance(result, ir.AffineConstantExpr)]
    if len(constants) != len(results):
        raise NotSupportedError(op.location, "loop bounds must be constants")
    return constants
