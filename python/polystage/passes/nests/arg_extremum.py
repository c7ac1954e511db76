"""The position of a running maximum or minimum, in one operation with the extremum itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from torch_mlir import ir

from polystage.passes.nests.ir import defining_op
from polystage.passes.nests.linalg import (
    clone_slice,
    extents_of,
    fill_value,
    filled,
    generic,
    maps_of,
    reduced_dims,
    segments,
    yielded,
)

GREATER, LESS = 1, -1
EXTREMUM = {
    "arith.maximumf": GREATER,
    "arith.maxnumf": GREATER,
    "arith.maxsi": GREATER,
    "arith.minimumf": LESS,
    "arith.minnumf": LESS,
    "arith.minsi": LESS,
}
# predicate -> (direction, whether a later equal element wins)
FLOAT_PREDICATE = {
    **{2: (GREATER, False), 9: (GREATER, False), 3: (GREATER, True), 10: (GREATER, True)},
    **{4: (LESS, False), 11: (LESS, False), 5: (LESS, True), 12: (LESS, True)},
}
INTEGER_PREDICATE = {4: (GREATER, False), 5: (GREATER, True), 2: (LESS, False), 3: (LESS, True)}
UEQ, EQ = 8, 0


@dataclass(frozen=True)
class ArgExtremum:
    """Result ``value`` is the extremum of ``element``; the position is ``index`` along loop ``dim``."""

    value: int
    element: ir.Value
    index: ir.Value
    dim: int
    last_wins: bool


def match_arg_extremum(op: ir.Operation, position: int) -> ArgExtremum | None:
    """Recognise result ``position`` of ``op`` as the position of the extremum that another result is.

    ``k' = select(cmp(x, m), index, k)`` with ``m' = extremum(x, m)``, where m starts as the identity of the extremum.
    """
    inputs, _ = segments(op)
    arguments: list[ir.Value] = list(op.regions[0].blocks[0].arguments)
    select = defining_op(yielded(op)[position])
    if select is None or select.name != "arith.select" or select.operands[2] != arguments[inputs + position]:
        return None
    compare = defining_op(select.operands[0])
    if compare is None or compare.name not in ("arith.cmpf", "arith.cmpi"):
        return None
    element, running = compare.operands
    if running not in arguments[inputs:]:
        return None
    value = arguments.index(running) - inputs
    direction = _direction(op, value, element, running)
    table = FLOAT_PREDICATE if compare.name == "arith.cmpf" else INTEGER_PREDICATE
    compared = table.get(ir.IntegerAttr(compare.attributes["predicate"]).value)
    dim = _loop_index(select.operands[1])
    if direction is None or compared is None or compared[0] != direction or [dim] != reduced_dims(op):
        return None
    return ArgExtremum(value, element, select.operands[1], reduced_dims(op)[0], compared[1])


def _direction(op: ir.Operation, value: int, element: ir.Value, running: ir.Value) -> int | None:
    """GREATER or LESS if result ``value`` is the maximum or minimum of ``element``, started from its identity."""
    inputs, _ = segments(op)
    extremum = defining_op(yielded(op)[value])
    if extremum is None or extremum.name not in EXTREMUM or set(extremum.operands) != {element, running}:
        return None
    direction, start = EXTREMUM[extremum.name], fill_value(op.operands[inputs + value])
    if isinstance(start, ir.FloatAttr):
        return direction if start.value == -direction * inf else None
    if isinstance(start, ir.IntegerAttr):
        greatest = (1 << (ir.IntegerType(start.type).width - 1)) - 1
        return direction if start.value == (-greatest - 1 if direction == GREATER else greatest) else None
    return None


def _loop_index(value: ir.Value) -> int | None:
    """The loop whose index ``value`` is, through casts."""
    op = defining_op(value)
    while op is not None and op.name == "arith.index_cast":
        op = defining_op(op.operands[0])
    return ir.IntegerAttr(op.attributes["dim"]).value if op is not None and op.name == "linalg.index" else None


def index_of_extremum(op: ir.Operation, pattern: ArgExtremum, extremum: ir.Value) -> ir.Value:
    """The operation that finds the position, given the final ``extremum``; at the insertion point."""
    inputs, _ = segments(op)
    block, maps, operands = op.regions[0].blocks[0], maps_of(op), list(op.operands)
    type_ = pattern.index.type
    missing = ir.IntegerAttr.get(type_, -1 if pattern.last_wins else extents_of(op)[pattern.dim])
    nowhere = ir.Operation.create("arith.constant", [type_], [], {"value": missing}).result
    out_map = maps[inputs + pattern.value]
    shape = ir.RankedTensorType(extremum.type).shape
    start = filled(ir.RankedTensorType.get(shape, type_), nowhere)

    def body(arguments: Sequence[ir.Value]) -> Sequence[ir.Value]:
        known = dict(zip(block.arguments, arguments[:inputs], strict=False))
        element, index = clone_slice([pattern.element, pattern.index], block, known)
        found = _equal(element, arguments[inputs])
        candidate = ir.Operation.create("arith.select", [type_], [found, index, nowhere]).result
        fold = "arith.maxsi" if pattern.last_wins else "arith.minsi"
        return [ir.Operation.create(fold, [type_], [arguments[inputs + 1], candidate]).result]

    sources = [*operands[:inputs], extremum]
    all_maps = [*maps[:inputs], out_map, out_map]
    return generic((sources, [start]), all_maps, op.attributes["iterator_types"], body).result


def _equal(a: ir.Value, b: ir.Value) -> ir.Value:
    """Equality; NaN equals everything, so that a NaN extremum has a position too."""
    integer = isinstance(a.type, ir.IntegerType)
    predicate = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), EQ if integer else UEQ)
    name, bit = ("arith.cmpi" if integer else "arith.cmpf"), ir.IntegerType.get_signless(1)
    return ir.Operation.create(name, [bit], [a, b], {"predicate": predicate}).result
