"""Which elements a program needs: those that computing nests and outputs read, directly or through copies."""

from collections.abc import Collection, Mapping

from polystage.poly.relation import Relation, Relations

from .program import Leaf, Program
from .trace import leaves


def needed_elements(algebra: Relations, program: Program, computing: Collection[str]) -> Mapping[str, Relation]:
    """The needed elements of each array, as the domain of a relation; only nests of the origins ``computing`` count."""
    needed: dict[str, Relation] = {
        array.name: algebra.unit(algebra.box(array.shape))
        for array in program.arrays.values()
        if array.kind == "output"
    }

    def need(array: str, elements: Relation) -> None:
        if not elements.empty:
            needed[array] = algebra.union(needed[array], elements) if array in needed else elements

    for nest in reversed(program.nests):
        if not nest.moves:
            for leaf in leaves(nest) if nest.origin in computing else ():
                if leaf.access is not None and leaf.base == ("load",):
                    need(leaf.access.array, algebra.unit(algebra.inverse(algebra.graph(leaf.access))))
            continue
        leaf = nest.root
        assert isinstance(leaf, Leaf)
        if leaf.access is None or leaf.base != ("load",) or nest.store.array not in needed:
            continue
        iterations = algebra.then(algebra.graph(nest.store), needed[nest.store.array])
        loads = algebra.inside(algebra.graph(leaf.access), iterations)
        need(leaf.access.array, algebra.unit(algebra.inverse(loads)))
    return needed
