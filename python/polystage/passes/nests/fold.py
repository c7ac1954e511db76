"""Scalar operations on bodies: what integer arithmetic on induction variables folds to.

``scalar(body, ...)`` adds an operation to a body and returns the node that has its value, which is an ``Index``
wherever the value is a quasi-affine function of the induction variables by the bounds of the loops. Arithmetic is on
unbounded integers: an index never wraps.
"""

from collections.abc import Callable, Mapping

from torch_mlir import ir

from polystage.passes.nests import quasi as q
from polystage.passes.nests.body import Body, Constant, Index, Load, Node, Scalar, Store, operands_of, substituted
from polystage.passes.nests.quasi import Extents, Quasi

Attributes = tuple[tuple[str, ir.Attribute], ...]

CASTS = frozenset(("arith.index_cast", "arith.index_castui", "arith.extsi", "arith.extui", "arith.trunci"))


def scalar(
    body: Body, name: str, operands: tuple[int, ...], attributes: Attributes, type_: ir.Type, location: ir.Location
) -> int:
    """Add ``name(operands)`` to the body; the number of the node that has its value."""
    nodes = [body.nodes[operand] for operand in operands]
    if name == "arith.select":
        return _select(body, operands, type_, location)
    if name in ("arith.index_cast", "arith.index_castui") and nodes[0].type == type_:
        return operands[0]
    if nodes and all(isinstance(node, Index) for node in nodes):
        values = [node.value for node in nodes if isinstance(node, Index)]
        folded = _folded(name, values, attributes, (nodes[0].type, type_), body.extents)
        if folded is not None:
            return body.add(Index(folded, type_), location)
    if (same := _identity(name, nodes, operands)) is not None:
        return same
    if (constant := _constant(name, nodes, type_)) is not None:
        return body.add(Constant(constant, type_), location)
    if name in ("arith.index_cast", "arith.index_castui"):
        name = "arith.extsi" if _width(type_) > _width(nodes[0].type) else "arith.trunci"
    return body.add(Scalar(name, operands, attributes, type_), location)


def rewritten(
    body: Body, values: list[Quasi], extents: tuple[int, ...], known: Mapping[int, Index] | None = None
) -> Body:
    """The body with the induction variables replaced by ``values``, over a box of ``extents``.

    ``known``: old nodes whose values in the new body are known.
    """
    new, numbers = Body(extents), list[int]()
    for number, (node, location) in enumerate(zip(body.nodes, body.locations, strict=True)):
        if known and number in known:
            numbers.append(new.add(known[number], location))
        else:
            numbers.append(replay(new, node, numbers, values, location))
    old = body.result()
    indices = tuple(
        new.index(numbers[i]) if isinstance(i, int) else substituted(i, values, extents) for i in old.indices
    )
    new.store = Store(old.array, indices, numbers[old.value], old.location)
    new.predicate = None if body.predicate is None else numbers[body.predicate]
    return new


def replay(body: Body, node: Node, numbers: list[int], values: list[Quasi], location: ir.Location) -> int:
    """Add a node of another body, whose node k is ``numbers[k]`` here and whose iv d is ``values[d]`` here."""
    match node:
        case Index():
            return body.add(Index(q.substitute(node.value, values, body.extents), node.type), location)
        case Constant():
            return body.add(node, location)
        case Load():
            indices = tuple(
                body.index(numbers[i]) if isinstance(i, int) else q.substitute(i, values, body.extents)
                for i in node.indices
            )
            return body.add(Load(node.array, indices, node.type), location)
        case Scalar():
            operands = tuple(numbers[k] for k in operands_of(node))
            return scalar(body, node.name, operands, node.attributes, node.type, location)


def _identity(name: str, nodes: list[Node], operands: tuple[int, ...]) -> int | None:
    """The operand that an operation with a neutral or absorbing constant returns."""
    if len(nodes) != 2:
        return None
    for constant, other, node in ((nodes[0], operands[1], operands[0]), (nodes[1], operands[0], operands[1])):
        if not isinstance(constant, Index) or not constant.value.is_const:
            continue
        value, bit = constant.value.const, _width(constant.type) == 1
        if value == 0 and name in ("arith.addi", "arith.ori", "arith.xori"):
            return other
        if name == "arith.andi" and (value == 0 or (bit and value == 1)):
            return other if value else node
        if name == "arith.ori" and bit and value == 1:
            return node
    return None


def _select(body: Body, operands: tuple[int, ...], type_: ir.Type, location: ir.Location) -> int:
    condition = body.nodes[operands[0]]
    if isinstance(condition, Index) and condition.value.is_const:
        return operands[1] if condition.value.const else operands[2]
    if operands[1] == operands[2]:
        return operands[1]
    return body.add(Scalar("arith.select", operands, (), type_), location)


def _width(type_: ir.Type) -> int:
    return ir.IntegerType(type_).width


def _constant(name: str, nodes: list[Node], type_: ir.Type) -> ir.Attribute | None:
    """The value of a conversion of a constant to a float type."""
    if len(nodes) != 1:
        return None
    node = nodes[0]
    if name in ("arith.extf", "arith.truncf") and isinstance(node, Constant):
        return ir.FloatAttr.get(type_, ir.FloatAttr(node.value).value)
    if name in ("arith.sitofp", "arith.uitofp") and isinstance(node, Index) and node.value.is_const:
        value = -node.value.const if name == "arith.sitofp" and _width(node.type) == 1 else node.value.const
        return ir.FloatAttr.get(type_, float(value)) if value >= 0 or name == "arith.sitofp" else None
    return None


def _folded(
    name: str, values: list[Quasi], attributes: Attributes, types: tuple[ir.Type, ir.Type], extents: Extents
) -> Quasi | None:
    """The value of an integer operation, or None where it is not one expression on the whole box."""
    if name in CASTS:
        return _cast(name, values[0], *types, extents)
    if name == "arith.cmpi":
        predicate = ir.IntegerAttr(dict(attributes)["predicate"]).value
        return _compared(predicate, values[0], values[1], extents)
    rule = _RULES.get(name)
    return rule(values, extents) if rule else None


def _cast(name: str, value: Quasi, source: ir.Type, target: ir.Type, extents: Extents) -> Quasi | None:
    low, high = q.span(value, extents)
    if name == "arith.trunci":
        width = _width(target)
        fits = (low >= 0 and high <= 1) if width == 1 else -(1 << (width - 1)) <= low and high < 1 << (width - 1)
        return value if fits else None
    if name in ("arith.extui", "arith.index_castui"):
        return value if low >= 0 else None
    return value if _width(source) > 1 else None


def _compared(predicate: int, a: Quasi, b: Quasi, extents: Extents) -> Quasi | None:
    low, high = q.span(q.subtract(a, b, extents), extents)
    if predicate > 5:  # ult ule ugt uge: as signed ones where nothing is negative
        if q.span(a, extents)[0] < 0 or q.span(b, extents)[0] < 0:
            return None
        predicate -= 4
    never, always = {
        0: (low > 0 or high < 0, low == high == 0),
        1: (low == high == 0, low > 0 or high < 0),
        2: (low >= 0, high < 0),
        3: (low > 0, high <= 0),
        4: (high <= 0, low > 0),
        5: (high < 0, low >= 0),
    }[predicate]
    return Quasi(1) if always else Quasi(0) if never else None


def _add(v: list[Quasi], extents: Extents) -> Quasi:
    return q.add(v[0], v[1], extents)


def _subtract(v: list[Quasi], extents: Extents) -> Quasi:
    return q.subtract(v[0], v[1], extents)


def _multiply(v: list[Quasi], extents: Extents) -> Quasi | None:
    a, b = (v[1], v[0]) if v[0].is_const else (v[0], v[1])
    return q.scale(a, b.const) if b.is_const else None


def _floor_divide(v: list[Quasi], extents: Extents) -> Quasi | None:
    return q.floordiv(v[0], v[1].const, extents) if v[1].is_const and v[1].const > 0 else None


def _ceil_divide(v: list[Quasi], extents: Extents) -> Quasi | None:
    quotient = _floor_divide([q.scale(v[0], -1), v[1]], extents)
    return None if quotient is None else q.scale(quotient, -1)


def _divide(v: list[Quasi], extents: Extents) -> Quasi | None:
    return _floor_divide(v, extents) if q.span(v[0], extents)[0] >= 0 else None


def _remainder(v: list[Quasi], extents: Extents) -> Quasi | None:
    if q.span(v[0], extents)[0] < 0 or not v[1].is_const or v[1].const <= 0:
        return None
    return q.mod(v[0], v[1].const, extents)


def _max(v: list[Quasi], extents: Extents) -> Quasi | None:
    low, high = q.span(q.subtract(v[0], v[1], extents), extents)
    return v[0] if low >= 0 else v[1] if high <= 0 else None


def _min(v: list[Quasi], extents: Extents) -> Quasi | None:
    low, high = q.span(q.subtract(v[0], v[1], extents), extents)
    return v[1] if low >= 0 else v[0] if high <= 0 else None


def _absolute(v: list[Quasi], extents: Extents) -> Quasi | None:
    return _max([v[0], q.scale(v[0], -1)], extents)


def _shift_left(v: list[Quasi], extents: Extents) -> Quasi | None:
    return q.scale(v[0], 1 << v[1].const) if v[1].is_const and 0 <= v[1].const < 31 else None


def _shift_right(v: list[Quasi], extents: Extents) -> Quasi | None:
    return q.floordiv(v[0], 1 << v[1].const, extents) if v[1].is_const and 0 <= v[1].const < 31 else None


def _bitwise(operation: Callable[[int, int], int]) -> "Rule":
    def rule(v: list[Quasi], extents: Extents) -> Quasi | None:
        return Quasi(operation(v[0].const, v[1].const)) if v[0].is_const and v[1].is_const else None

    return rule


Rule = Callable[[list[Quasi], Extents], Quasi | None]
_RULES: dict[str, Rule] = {
    "arith.addi": _add,
    "arith.subi": _subtract,
    "arith.muli": _multiply,
    "arith.floordivsi": _floor_divide,
    "arith.ceildivsi": _ceil_divide,
    "arith.divsi": _divide,
    "arith.divui": _divide,
    "arith.remsi": _remainder,
    "arith.remui": _remainder,
    "arith.maxsi": _max,
    "arith.minsi": _min,
    "arith.shli": _shift_left,
    "arith.shrsi": _shift_right,
    "arith.andi": _bitwise(lambda a, b: a & b),
    "arith.ori": _bitwise(lambda a, b: a | b),
    "arith.xori": _bitwise(lambda a, b: a ^ b),
    "math.absi": _absolute,
}
