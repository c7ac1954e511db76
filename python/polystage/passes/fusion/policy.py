"""Policy of ``fuse-nests``: whether a merged nest suits engines and transfers as well as the nests it replaces."""

from collections.abc import Iterator
from math import prod

from torch_mlir import ir

from polystage.analysis.reductions import COMBINING
from polystage.passes.copies.program import Nest, loads_from
from polystage.passes.fusion.legality import accumulates
from polystage.passes.nests import quasi as q
from polystage.passes.nests.body import Body, Index, Scalar, loads_of, operands_of
from polystage.passes.nests.factors import factors
from polystage.passes.nests.quasi import Quasi


def kind(nest: Nest) -> str:
    """How a nest runs.

    ``elementwise``: every iteration by itself; ``reduce``: an associative fold of a value; ``contraction``: a sum of
    products of two loads; ``other``: order matters, or elements are chosen by data.
    """
    body = nest.body
    store = body.result()
    own = list(loads_from(nest, store.array))
    if any(load.indices != store.indices for load in own) or any(isinstance(i, int) for i in store.indices):
        return "other"
    if not accumulates(nest):
        return "elementwise"
    root = body.nodes[store.value]
    if nest.image is None or len(own) != 1 or not isinstance(root, Scalar) or root.name not in COMBINING:
        return "other"
    accumulator = body.numbers[own[0]]
    values = [operand for operand in root.operands if operand != accumulator]
    if len(values) != 1 or accumulator in _cone(body, values[0]):
        return "other"
    return "reduce" if factors(body, root.name, values[0]) is None else "contraction"


def _cone(body: Body, number: int) -> set[int]:
    seen, pending = set[int](), [number]
    while pending:
        current = pending.pop()
        if current not in seen:
            seen.add(current)
            pending.extend(operands_of(body.nodes[current]))
    return seen


def suits(producer: Nest, before: Nest, after: Nest) -> bool:
    """Whether the reader ``before`` is no worse to run as ``after``, with the expression of ``producer`` in it."""
    role = kind(before)
    if role == "other" or (role == "contraction" and not _same_engine(after)):
        return False
    if _splits(after) and not _splits(before) and not (role == "elementwise" and _splits(producer)):
        return False
    return strided(after) <= strided(before) + strided(producer)


def _same_engine(after: Nest) -> bool:
    """Whether a contraction still is one that the matrix engine takes: factors of one element type."""
    if kind(after) != "contraction":
        return False
    own = after.body.result().array
    return len({str(load.type) for load in loads_of(after.body) if load.array != own}) == 1


def _splits(nest: Nest) -> bool:
    """Whether an access or a value has floors or remainders, for which ``refine-domains`` splits the nest."""
    body = nest.body
    exprs: list[Quasi | int] = [index for load in loads_of(body) for index in load.indices]
    exprs += body.result().indices
    used = zip(body.nodes, body.live(), strict=True)
    exprs += [node.value for node, live in used if live and isinstance(node, Index)]
    return any(isinstance(e, Quasi) and not all(isinstance(atom, int) for atom, _ in e.terms) for e in exprs)


def strided(nest: Nest) -> int:
    """Elements that are moved one by one, because the loop along which they lie in DRAM goes across the lanes.

    That is for the best choice of the loop across the lanes; 0 for a nest whose arrays all lie the same way.
    """
    extents = nest.body.extents
    runs = list(_runs(nest))
    loops = [depth for depth, extent in enumerate(extents) if extent > 1]
    return min((sum(size for run, size in runs if run == lane) for lane in loops), default=0)


def _runs(nest: Nest) -> Iterator[tuple[int | None, int]]:
    """For each access the loop that walks the array element by element, and how many elements it touches."""
    store = nest.body.result()
    accesses = dict.fromkeys(
        [(store.array, store.indices), *((load.array, load.indices) for load in loads_of(nest.body))]
    )
    for array, indices in accesses:
        if not ir.MemRefType(array.type).shape:
            continue
        exprs = [index for index in indices if isinstance(index, Quasi)]
        used = set[int]().union(*(q.ivs_of(expr) for expr in exprs))
        last = indices[-1]
        terms = last.terms if isinstance(last, Quasi) else ()
        run = next((atom for atom, factor in terms if isinstance(atom, int) and abs(factor) == 1), None)
        yield run, prod(nest.body.extents[depth] for depth in used)
