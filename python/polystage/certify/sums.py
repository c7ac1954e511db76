"""Sums that start from zero, with their initial values added afterwards.

``C = b; C += f`` may have become ``C = 0; C += f`` and ``C + b`` wherever C is read. The value of the reduction without
its start has a name of its own, ("sum", origin); where the start is added to it, the sum is that of the original.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from polystage.poly.relation import Relations

from .embedding import reorderable
from .program import CASTS, Leaf, Nest, Node, Operation
from .sources import Contents, Sources, compose, difference
from .trace import Computation, Reading, reading

ADDITIONS = frozenset({"arith.addf", "arith.addi"})


def adds(original: Computation) -> bool:
    """Whether a nest adds to what its target holds, so that this may be added last."""
    root = original.core
    own = any(each.own == "same" for each in original.readings.values())
    return isinstance(root, Operation) and root.kind[0] in ADDITIONS and own and reorderable(original)


def start(original: Computation) -> Sources:
    """What a reduction starts from, for each of its iterations."""
    return next(each.sources for each in original.readings.values() if each.own == "same")


@dataclass(eq=False)
class Settling:
    """Finds in the body of one nest the additions that complete a sum; they become leaves, ``known`` what they read."""

    algebra: Relations
    contents: Contents
    nest: Nest
    originals: Mapping[str, Computation]
    known: dict[Leaf, Reading] = field(default_factory=dict[Leaf, Reading])
    done: dict[Node, Node] = field(default_factory=dict[Node, Node])

    def run(self) -> Nest:
        """The nest with its completed sums as leaves."""
        return replace(self.nest, root=self.node(self.nest.root))

    def node(self, node: Node) -> Node:
        """An expression with its completed sums as leaves."""
        if node not in self.done:
            self.done[node] = self._node(node)
        return self.done[node]

    def _node(self, node: Node) -> Node:
        if isinstance(node, Leaf):
            return node
        operands = tuple(map(self.node, node.operands))
        if node.kind[0] in ADDITIONS:
            first, second = operands
            if isinstance(first, Leaf) and isinstance(second, Leaf):
                settled = self.settled(node, first, second) or self.settled(node, second, first)
                if settled is not None:
                    return settled
        if len(operands) == 1 and isinstance(operands[0], Leaf) and operands[0] in self.known and node.kind[0] in CASTS:
            name, before, after = node.kind
            return self.leaf(self.known[operands[0]].sources, (name, before, after))
        return node if operands == node.operands else Operation(node.kind, operands)

    def settled(self, addition: Operation, sum_: Leaf, added: Leaf) -> Leaf | None:
        """The addition as a leaf, if it adds to a sum what the original started from."""
        sources = self.read(sum_).sources
        if len(sources) != 1:
            return None
        ((chain, base), iterations) = next(iter(sources.items()))
        if chain or base[0] != "sum" or "any" in (self.read(sum_).own, self.read(added).own):
            return None
        original = self.originals[base[1]]
        if not isinstance(original.core, Operation) or original.core.kind[0] != addition.kind[0]:
            return None
        expected = compose(self.algebra, iterations, start(original))
        if difference(self.algebra, expected, self.read(added).sources) is not None:
            return None
        return self.leaf({((), ("nest", base[1])): iterations})

    def read(self, leaf: Leaf) -> Reading:
        """What a leaf reads."""
        return self.known.get(leaf) or reading(self.algebra, self.contents, self.nest, leaf)

    def leaf(self, sources: Sources, *casts: tuple[str, str, str]) -> Leaf:
        """A leaf that stands for a value with these sources."""
        made = Leaf(("sum",))
        whole = self.algebra.identity(self.nest.domain)
        self.known[made] = Reading(compose(self.algebra, whole, sources, casts))
        return made
