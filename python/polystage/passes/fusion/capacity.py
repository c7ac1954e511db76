"""What a body needs on chip: buffers and temporaries of the smallest tile (a bound of ``fuse-nests``)."""

from collections.abc import Iterator

from torch_mlir import ir

from polystage.analysis import nests
from polystage.analysis.implementation import Implementation
from polystage.analysis.selection import NotSelectableError
from polystage.analysis.tiling import tiling_of
from polystage.machine import Machine
from polystage.passes.copies.program import Nest
from polystage.passes.fusion.merge import operations
from polystage.passes.nests.body import Body, Constant, Index, Load, Node, Scalar, loads_of
from polystage.passes.nests.quasi import Quasi
from polystage.passes.staging.tile_sizes import smallest


class Demands:
    """What nests need on chip on one machine; remembers it for nests that differ in their arrays only.

    ``handle`` stands for the outermost loops of nests that are not written yet.
    """

    def __init__(self, handle: ir.Operation, machine: Machine) -> None:
        self.handle, self.machine = handle, machine
        self._known: dict[tuple[object, ...], int] = {}

    def __call__(self, nest: Nest) -> int:
        """Most bytes per lane that the nest needs with its smallest tile, whichever of its loops is across the lanes.

        Before ``refine-domains`` an access may not be linear yet: then one aligned element for every buffer and value.
        """
        try:
            analysed = analysed_nest(nest.body, self.handle)
            key = nests.signature(analysed)
            if key not in self._known:
                choices = [tiling_of(analysed, each, self.machine) for each in _implementations(analysed)]
                self._known[key] = max(tiling.demand(smallest(tiling)) for tiling in choices)
        except (nests.NotLinearError, NotSelectableError):
            return (len(loads_of(nest.body)) + operations(nest.body) + 1) * self.machine.alignment
        return self._known[key]


def _implementations(nest: nests.Nest) -> Iterator[Implementation]:
    loops = [loop for loop in sorted(nest.parallel) if nest.extents[loop] > 1] or [None]
    for kind in ("fold", "reduce") if nest.reduced else ("elementwise",):
        yield from (Implementation(kind, loop) for loop in loops)


def analysed_nest(body: Body, handle: ir.Operation) -> nests.Nest:
    """The body as the analyses see a nest; ``handle`` stands for its outermost loop. NotLinearError."""
    numbers, nodes = dict[int, int](), list[nests.Node]()
    rank = len(body.extents)
    for number, (node, used) in enumerate(zip(body.nodes, body.live(), strict=True)):
        if used:
            numbers[number] = len(nodes)
            nodes.append(_node(node, numbers, rank))
    store = body.result()
    indices = tuple(numbers[i] if isinstance(i, int) else linear(i, rank) for i in store.indices)
    written = nests.Store(store.array, indices, numbers[store.value])
    return nests.Nest(handle, body.extents, (), tuple(nodes), written)


def _node(node: Node, numbers: dict[int, int], rank: int) -> nests.Node:
    match node:
        case Index():
            value = linear(node.value, rank)
            return nests.Index(value, node.type) if value.support else nests.Constant(value.const, node.type)
        case Constant():
            return nests.Constant(ir.FloatAttr(node.value).value, node.type)
        case Load():
            if any(isinstance(index, int) for index in node.indices):
                mixed = tuple(numbers[i] if isinstance(i, int) else linear(i, rank) for i in node.indices)
                return nests.Gather(node.array, mixed, node.type)
            indices = tuple(linear(i, rank) for i in node.indices if isinstance(i, Quasi))
            return nests.Load(nests.Access(node.array, indices), node.type)
        case Scalar():
            predicate = dict(node.attributes).get("predicate")
            number = None if predicate is None else ir.IntegerAttr(predicate).value
            return nests.Scalar(node.name, tuple(numbers[k] for k in node.operands), node.type, number)


def linear(expr: Quasi, rank: int) -> nests.Linear:
    """The expression as a linear form; NotLinearError where it has floors or remainders."""
    factors = [0] * rank
    for atom, factor in expr.terms:
        if not isinstance(atom, int):
            raise nests.NotLinearError(str(expr))
        factors[atom] = factor
    return nests.Linear(expr.const, tuple(factors))
