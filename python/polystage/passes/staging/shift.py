"""A nest over a box of its domain, on windows of its arrays (mechanism of ``stage``)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch_mlir import ir

from polystage.analysis.nests import Access, Gather, Index, Linear, Load, Nest, Node
from polystage.passes.staging.positions import Start


@dataclass(frozen=True)
class Shift:
    """The nest ``whole`` over a box of ``extents`` from ``lows`` on, under the loops of ``ivs``.

    Arrays with a ``memory`` are used there, from ``base`` on.
    """

    whole: Nest
    extents: tuple[int, ...]
    lows: Sequence[Start]
    ivs: Sequence[ir.Value]
    memory: Mapping[ir.Value, ir.Value]
    base: Mapping[ir.Value, Sequence[Start]]

    def nest(self) -> Nest:
        """The nest: its outer loops are the symbols of its accesses."""
        store = self.whole.store
        if store.indirect:
            target = replace(store, indices=tuple(map(self._indirect, store.indices)))
        else:
            access = self._access(store.access)
            target = replace(store, array=access.array, indices=access.indices)
        return Nest(self.whole.op, self.extents, tuple(self.ivs), tuple(map(self._node, self.whole.nodes)), target)

    def _node(self, old: Node) -> Node:
        match old:
            case Load():
                return replace(old, access=self._access(old.access))
            case Gather():
                return replace(old, indices=tuple(map(self._indirect, old.indices)))
            case Index():
                return replace(old, value=self._form(old.value))
            case _:
                return old

    def _access(self, access: Access) -> Access:
        indices = [self._form(index) for index in access.indices]
        if access.array not in self.memory:
            return Access(access.array, tuple(indices))
        local = [
            Linear(at.const, index.dims, at.factors)
            for index, base in zip(indices, self.base[access.array], strict=True)
            for at in [Start(index.const, index.symbols).beyond(base)]
        ]
        return Access(self.memory[access.array], tuple(local))

    def _indirect(self, index: Linear | int) -> Linear | int:
        return self._form(index) if isinstance(index, Linear) else index

    def _form(self, index: Linear) -> Linear:
        const, symbols = index.const, [0] * len(self.ivs)
        for factor, low in zip(index.dims, self.lows, strict=True):
            const += factor * low.const
            for k, step in enumerate(low.factors):
                symbols[k] += factor * step
        return Linear(const, index.dims, tuple(symbols))
