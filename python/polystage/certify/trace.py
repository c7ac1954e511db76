"""What each nest of a program reads and computes, in program order: the meaning that a transformation must keep."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from polystage.poly.relation import Relation, Relations

from .program import CASTS, Chain, Leaf, Nest, Node, Operation, normal
from .sources import Contents, Label, Sources, compose


class NotProvedError(Exception):
    """The checker cannot follow the program here; no claim is made."""


@dataclass(frozen=True, eq=False)
class Reading:
    """The ``sources`` of a leaf before its nest starts.

    ``own`` says whether it reads what its own nest writes: no element, the element that its iteration stores, or any.
    """

    sources: Sources
    own: Literal["no", "same", "any"] = "no"


@dataclass(frozen=True, eq=False)
class Computation:
    """A computing nest with its readings; one that ``accumulates`` stores an element several times."""

    nest: Nest
    store: Relation
    accumulates: bool
    chain: Chain
    core: Node
    readings: Mapping[Leaf, Reading]
    initial: Sources
    """What the target of a scatter held before."""

    kind: str = "nest"
    """How its results are named: "nest", "scattered", or "sum" for a sum without what the original starts from."""

    @property
    def label(self) -> Label:
        """The name of its results."""
        return self.chain, (self.kind, self.nest.origin)


def computation(
    algebra: Relations, contents: Contents, nest: Nest, known: Mapping[Leaf, Reading] | None = None
) -> Computation:
    """What a computing nest reads, and how it stores; of some leaves it may be ``known``."""
    store = algebra.graph(nest.store)
    accumulates = not nest.indices and not algebra.injective(store)
    chain, core = _without_casts(nest.root)
    known = known or {}
    readings = {leaf: known.get(leaf) or reading(algebra, contents, nest, leaf) for leaf in leaves(nest)}
    if accumulates and not any(each.own == "same" for each in readings.values()):
        raise NotProvedError("several iterations store one element and none reads it")
    initial: Sources = contents.whole(nest.store.array) if nest.indices else {}
    kind = "scattered" if nest.indices else "nest"
    return Computation(nest, store, accumulates, chain, core, readings, initial, kind)


def out_of_bounds(algebra: Relations, contents: Contents, nest: Nest) -> str | None:
    """An array that a nest accesses beyond its end."""
    loads = (leaf.access for leaf in leaves(nest) if leaf.access is not None and leaf.base == ("load",))
    for access in (nest.store, *loads):
        whole = algebra.box(contents.arrays[access.array].shape)
        if not algebra.covers(whole, algebra.inverse(algebra.graph(access))):
            return access.array
    return None


def reading(algebra: Relations, contents: Contents, nest: Nest, leaf: Leaf) -> Reading:
    """The sources of one leaf."""
    if leaf.access is not None and leaf.base == ("load",):
        return Reading(contents.read(leaf.access, leaf.chain), _own(algebra, nest, leaf))
    here = algebra.graph(leaf.access) if leaf.access else algebra.unit(algebra.identity(nest.domain))
    return Reading({normal(leaf.chain, leaf.base): here})


def _own(algebra: Relations, nest: Nest, leaf: Leaf) -> Literal["no", "same", "any"]:
    assert leaf.access is not None
    if leaf.access.array != nest.store.array:
        return "no"
    load, store = algebra.graph(leaf.access), algebra.graph(nest.store)
    if not leaf.indices and not nest.indices and algebra.equal(load, store):
        return "same"
    return "any" if algebra.meet(algebra.inverse(load), algebra.inverse(store)) else "no"


def leaves(nest: Nest) -> Iterator[Leaf]:
    """All leaves of a nest, those of indices included, each once."""
    seen: dict[Node, None] = {}
    pending = [nest.root, *nest.indices]
    while pending:
        node = pending.pop()
        if node in seen:
            continue
        seen[node] = None
        pending += node.operands if isinstance(node, Operation) else node.indices
        if isinstance(node, Leaf):
            yield node


def _without_casts(root: Node) -> tuple[Chain, Node]:
    """The casts of a result, and the value before them."""
    chain: list[tuple[str, str, str]] = []
    while isinstance(root, Operation) and root.kind[0] in CASTS:
        name, before, after = root.kind
        chain.append((name, before, after))
        root = root.operands[0]
    return tuple(reversed(chain)), root


def move(algebra: Relations, contents: Contents, nest: Nest, known: Mapping[Leaf, Reading] | None = None) -> None:
    """The effect of a nest that only moves, casts or fills."""
    leaf = nest.root
    assert isinstance(leaf, Leaf)
    read = (known or {}).get(leaf) or reading(algebra, contents, nest, leaf)
    region = algebra.inverse(algebra.graph(nest.store))
    if read.own == "any":
        raise NotProvedError("moves data inside of one array onto itself")
    if leaf.base[0] != "constant" and not algebra.injective(algebra.graph(nest.store)):
        raise NotProvedError("several iterations store one element")
    contents.write(nest.store.array, region, compose(algebra, region, read.sources))


def finish(
    algebra: Relations,
    contents: Contents,
    done: Computation,
    iterations: Relation,
    accumulates: bool,
    constants: Sources,
) -> None:
    """The effect of a computing nest whose own iterations are the ``iterations`` of the original nest.

    What an original that ``accumulates`` has left in the elements before is a part of their value. Iterations that
    compute ``constants`` are named by these.
    """
    nest = done.nest
    if nest.indices:
        whole = algebra.box(contents.arrays[nest.store.array].shape)
        contents.write(nest.store.array, whole, {done.label: whole})
        return
    region = algebra.inverse(done.store)
    for each in constants.values():
        iterations = algebra.outside(iterations, each)
    stored = {done.label: algebra.then(region, iterations), **compose(algebra, region, constants)}
    contents.write(nest.store.array, region, stored, done.label if accumulates else None)
