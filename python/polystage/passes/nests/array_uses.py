"""Which arrays are only read and written by affine accesses, so that their shape is a matter of the function alone."""

from collections.abc import Iterator, Mapping

from torch_mlir import ir

from polystage.analysis.nest_reader import read_nest
from polystage.analysis.nests import Access, Nest, NotANestError, NotLinearError, top_nests
from polystage.analysis.values import producer

_ACCESSES = ("affine.load", "affine.store")


def accesses_of_allocs(function: ir.Operation) -> Mapping[ir.Value, list[tuple[Nest, Access]]]:
    """All accesses of the arrays that the function allocates and uses in readable nests only."""
    found: dict[ir.Value, list[tuple[Nest, Access]]] = {}
    counted: dict[ir.Value, int] = {}
    for nest in readable_nests(function):
        stored = [] if nest.store.indirect else [nest.store.access]
        for access in (*nest.loads, *stored):
            found.setdefault(access.array, []).append((nest, access))
            counted[access.array] = counted.get(access.array, 0) + 1
    return {array: uses for array, uses in found.items() if _only_accessed(array, counted[array])}


def readable_nests(function: ir.Operation) -> Iterator[Nest]:
    """The nests of a function that can be read, in program order."""
    for loop in top_nests(function):
        try:
            yield read_nest(loop)
        except (NotANestError, NotLinearError):
            continue


def _only_accessed(array: ir.Value, count: int) -> bool:
    """Whether it is an alloc whose uses are exactly ``count`` affine accesses."""
    owner = producer(array)
    if owner is None or owner.name != "memref.alloc":
        return False
    names = [use.owner.operation.name for use in array.uses]
    return len(names) == count and all(name in _ACCESSES for name in names)
