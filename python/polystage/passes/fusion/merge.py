"""Mechanism of ``fuse-nests``: the value that a nest computes takes the place of the loads that read it."""

from collections.abc import Sequence

from polystage.analysis.reductions import WIDENING
from polystage.passes.copies.program import Nest
from polystage.passes.copies.region import positions
from polystage.passes.nests import fold
from polystage.passes.nests import quasi as q
from polystage.passes.nests.body import Body, Load, Scalar, Store
from polystage.passes.nests.quasi import Quasi


def iterations(producer: Nest, load: Load, extents: Sequence[int]) -> tuple[Quasi, ...] | None:
    """The iteration of ``producer`` that computes what ``load`` reads, as functions of the reader's loops.

    None where the load leaves the region that the producer stores, an index is data, or the store has no inverse.
    """
    image = producer.image
    if image is None:
        return None
    if any(iv is None and extent > 1 for iv, extent in zip(image.ivs, producer.body.extents, strict=True)):
        return None
    where = positions(load.indices, image.region, extents)
    if where is None or not all(isinstance(position, Quasi) for position in where):
        return None
    places = [position for position in where if isinstance(position, Quasi)]
    return tuple(q.ZERO if iv is None else q.substitute(iv, places, extents) for iv in image.ivs)


def merged(producer: Nest, body: Body, loads: Sequence[Load]) -> Body:
    """``body`` with each of ``loads`` replaced by the expression of ``producer``; equal expressions are one."""
    new, numbers = Body(body.extents), list[int]()
    own = [q.iv(depth) for depth in range(len(body.extents))]
    for node, location, used in zip(body.nodes, body.locations, body.live(), strict=True):
        if not used:
            numbers.append(-1)
        elif isinstance(node, Load) and node in loads:
            numbers.append(_expression(new, producer, node))
        else:
            numbers.append(fold.replay(new, node, numbers, own, location))
    store = body.result()
    indices = tuple(i if isinstance(i, Quasi) else new.index(numbers[i]) for i in store.indices)
    new.store = Store(store.array, indices, numbers[store.value], store.location)
    return new


def _expression(new: Body, producer: Nest, load: Load) -> int:
    values = iterations(producer, load, new.extents)
    assert values is not None, "legality has seen that the producer computes what the load reads"
    body, numbers = producer.body, list[int]()
    for node, location, used in zip(body.nodes, body.locations, body.live(), strict=True):
        numbers.append(fold.replay(new, node, numbers, list(values), location) if used else -1)
    return numbers[body.result().value]


def operations(body: Body) -> int:
    """Scalar operations in one iteration, without the widening casts that engines do while they read."""
    used = [node for node, live in zip(body.nodes, body.live(), strict=True) if live and isinstance(node, Scalar)]
    return sum(node.name not in WIDENING for node in used)
