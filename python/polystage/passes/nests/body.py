"""The body of one nest as a graph of values: what the passes on nests compute with between reading and writing IR.

A body belongs to a box of iterations (``extents``). Its nodes are numbered in order of computation; equal nodes are one
node. Integer values that are quasi-affine in the induction variables are ``Index`` nodes whatever operations computed
them, so index arithmetic has disappeared into expressions (``nests/fold``) and accesses carry it.

MLIR's ``index`` type does not occur in a body: arithmetic on indices is i32.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch_mlir import ir

from polystage.passes.nests import quasi as q
from polystage.passes.nests.quasi import Quasi


@dataclass(frozen=True, slots=True)
class Index:
    """An integer that is a quasi-affine function of the induction variables; constants too."""

    value: Quasi
    type: ir.Type


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant that is not an integer."""

    value: ir.Attribute
    type: ir.Type


@dataclass(frozen=True, slots=True)
class Load:
    """``array[indices]``; an ``int`` index is the node that computes it, which makes the access indirect."""

    array: ir.Value
    indices: "tuple[Quasi | int, ...]"
    type: ir.Type


@dataclass(frozen=True, slots=True)
class Scalar:
    """A pure operation on earlier nodes."""

    name: str
    operands: tuple[int, ...]
    attributes: tuple[tuple[str, ir.Attribute], ...]
    type: ir.Type


Node = Index | Constant | Load | Scalar


@dataclass(frozen=True, slots=True)
class Store:
    """``array[indices] = nodes[value]``."""

    array: ir.Value
    indices: "tuple[Quasi | int, ...]"
    value: int
    location: ir.Location


@dataclass(slots=True)
class Body:
    """A body under construction: ``add`` and ``scalar`` return the number of the node that has the value."""

    extents: tuple[int, ...]
    nodes: list[Node] = field(default_factory=list)
    locations: list[ir.Location] = field(default_factory=list)
    numbers: dict[Node, int] = field(default_factory=dict)
    store: Store | None = None
    predicate: int | None = None
    """The node (i1) that says whether the store happens, while that is not decided."""

    def add(self, node: Node, location: ir.Location) -> int:
        """The number of ``node``, a new one if no equal node is there."""
        number = self.numbers.get(node)
        if number is None:
            number = self.numbers[node] = len(self.nodes)
            self.nodes.append(node)
            self.locations.append(location)
        return number

    def index(self, number: int) -> "Quasi | int":
        """Node ``number`` as an index of an access."""
        node = self.nodes[number]
        return node.value if isinstance(node, Index) else number

    def result(self) -> Store:
        """The store of a finished body."""
        assert self.store is not None, "a body has a store"
        return self.store

    def live(self) -> list[bool]:
        """Which nodes the store needs."""
        needed = [False] * len(self.nodes)
        store = self.result()
        roots = [store.value, *(i for i in store.indices if isinstance(i, int))]
        for number in roots if self.predicate is None else (*roots, self.predicate):
            needed[number] = True
        for number in range(len(self.nodes) - 1, -1, -1):
            if needed[number]:
                for operand in operands_of(self.nodes[number]):
                    needed[operand] = True
        return needed

    def is_indirect(self) -> bool:
        """Whether an access takes an index that is not quasi-affine."""
        accesses = [n for n, used in zip(self.nodes, self.live(), strict=True) if used and isinstance(n, Load)]
        return any(isinstance(i, int) for access in (*accesses, self.result()) for i in access.indices)


def operands_of(node: Node) -> tuple[int, ...]:
    """Numbers of the nodes that ``node`` uses."""
    if isinstance(node, Scalar):
        return node.operands
    if isinstance(node, Load):
        return tuple(i for i in node.indices if isinstance(i, int))
    return ()


def loads_of(body: Body) -> list[Load]:
    """The loads that the store needs, in order."""
    return [n for n, used in zip(body.nodes, body.live(), strict=True) if used and isinstance(n, Load)]


def substituted(index: "Quasi | int", values: Sequence[Quasi], extents: Sequence[int]) -> "Quasi | int":
    """An index that is an expression, with the induction variables replaced."""
    return index if isinstance(index, int) else q.substitute(index, values, extents)
