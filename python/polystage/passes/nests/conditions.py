"""Stores under a condition."""

from torch_mlir import ir

from polystage.passes.nests import fold
from polystage.passes.nests.body import Body, Index, Load, Store
from polystage.passes.nests.evaluate import cone_of
from polystage.passes.nests.pieces import Piecewise, piecewise, split


def without_predicate(body: Body) -> list[Body]:
    """Bodies that together store what ``body`` stores, without a predicate.

    Where the predicate is made of conditions on single induction variables the domain is cut into boxes on which it
    is decided. What is left undecided becomes a store of ``select(predicate, value, what is there)``.
    """
    if body.predicate is None:
        return [body]
    conditions: dict[int, Piecewise] = {}
    for number in cone_of(body, body.predicate):
        if body.nodes[number].type == ir.IntegerType.get_signless(1):
            function = piecewise(body, number, {})
            if function is not None:
                conditions[number] = function
    boxes = split(body, conditions) or [body]
    return [masked for box in boxes if (masked := _masked(box)) is not None]


def _masked(body: Body) -> Body | None:
    """The body with its predicate in the stored value; None if it never stores."""
    assert body.predicate is not None
    predicate, store = body.nodes[body.predicate], body.result()
    number = body.predicate
    body.predicate = None
    if isinstance(predicate, Index) and predicate.value.is_const:
        return body if predicate.value.const else None
    type_ = ir.MemRefType(store.array.type).element_type
    old = body.add(Load(store.array, store.indices, type_), store.location)
    value = fold.scalar(body, "arith.select", (number, store.value, old), (), type_, store.location)
    body.store = Store(store.array, store.indices, value, store.location)
    return body
