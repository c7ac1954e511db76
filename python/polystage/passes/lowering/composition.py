"""The accesses of a nest on physical arrays, over the loops of a piece of its box (mechanism of ``lowering/layouts``).

``lane = index mod block`` and ``index floordiv block`` of an array with a layout become linear by splitting the box;
where induction variables around the nest decide in which part of a block an access lies, by ``affine.apply`` of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import gcd

from torch_mlir import ir

from polystage.analysis.implementation import Implementation
from polystage.analysis.layouts import Layout
from polystage.analysis.nests import Access, Gather, Index, Linear, Load, Nest, Node, NotLinearError
from polystage.dialects import affine, npu
from polystage.machine import Machine
from polystage.passes.nests.boxes import Piece, divide

Physical = Mapping[ir.Value, ir.Value]
"""For every array with a layout, the physical one that takes its place."""


@dataclass
class Composer:
    """Rewrites accesses of one nest; remembers the symbols that it needs besides the nest's own."""

    nest: Nest
    physical: Physical
    machine: Machine
    implementation: Implementation | None = None

    def __post_init__(self) -> None:
        self.lanes = {} if self.implementation is None else dict(lane_loops(self.nest, self.implementation))
        self.symbols = list(self.nest.symbols)
        self.known: dict[tuple[Linear, int], tuple[int, int]] = {}
        self.grain: dict[int, int] = {}  # symbols made here: a number that divides all their values

    def evaluate(self, piece: Piece) -> None:
        """Raises NeedsSplitError where an access is not linear on the piece."""
        for access in accesses_of(self.nest):
            self.access(access, piece)

    def access(self, access: Access, piece: Piece) -> Access:
        """The access over the loops of ``piece``, on the physical array."""
        indices = [_substituted(index, piece) for index in access.indices]
        if access.array not in self.physical:
            return Access(access.array, tuple(indices))
        type_ = ir.MemRefType(access.array.type)
        layout = Layout.of(type_, self.machine.lanes)
        target = self.physical[access.array]
        if layout.dim is None:
            loop = self.own_lane(access) if ir.MemRefType(target.type).shape[0] > 1 else None
            own = unit_loop(piece, loop)
            lane = Linear(0, tuple(int(k == own) for k in range(len(piece.extents))), (0,) * len(self.nest.symbols))
            return Access(target, (lane, *indices))
        index, free = indices[layout.dim], indices[: layout.dim] + indices[layout.dim + 1 :]
        if type_.shape[layout.dim] <= layout.block:
            return Access(target, (index, *free))
        return Access(target, (*self.digits(index, layout.block, piece.extents), *free))

    def own_lane(self, access: Access) -> int | None:
        """The loop of the nest that runs over the lanes that all hold an access; None where the first lane does."""
        if self.implementation is not None:
            return self.lanes[access]
        return 0 if is_spread(self.nest, self.physical, self.machine) else None

    def digits(self, index: Linear, block: int, extents: Sequence[int]) -> tuple[Linear, Linear]:
        """Lane and block of an index."""
        own = Linear(index.const, index.dims)
        crossing = [factor for factor in index.symbols if factor % block]
        if not crossing:
            high, low = divide(own, block, extents)
            whole = tuple(factor // block for factor in index.symbols)
            return replace(low, symbols=(0,) * len(whole)), replace(high, symbols=whole)
        grain = gcd(block, *crossing)
        steps, rest = divide(own, grain, extents)
        if any(steps.dims):
            raise NotLinearError(f"blocks of {block} lanes are crossed by loops around the nest and by its own")
        lane, block_symbol = self.derived(replace(index, const=steps.const * grain, dims=()), block, grain)
        return self.symbol(rest, lane), self.symbol(Linear(0, (0,) * len(extents)), block_symbol)

    def symbol(self, form: Linear, position: int) -> Linear:
        """The form plus the symbol at ``position``."""
        return replace(form, symbols=tuple(int(k == position) for k in range(position + 1)))

    def derived(self, base: Linear, block: int, grain: int) -> tuple[int, int]:
        """Positions of the symbols ``base mod block`` and ``base floordiv block``."""
        if (base, block) not in self.known:
            expr: ir.AffineExpr = ir.AffineExpr.get_constant(base.const)
            for position, factor in enumerate(base.symbols):
                expr = expr + ir.AffineExpr.get_dim(position) * factor
            own = list(self.nest.symbols)
            values = [
                affine.apply(ir.AffineMap.get(len(own), 0, [digit]), own)
                for digit in (ir.AffineExpr.get_mod(expr, block), ir.AffineExpr.get_floor_div(expr, block))
            ]
            first = len(self.symbols)
            self.symbols += values
            self.grain[first] = grain
            self.known[base, block] = (first, first + 1)
        return self.known[base, block]

    def nest_of(self, piece: Piece) -> Nest:
        """The nest over one piece, all forms with as many coefficients as there are symbols."""
        count = len(self.symbols)

        def padded(form: Linear) -> Linear:
            return replace(form, symbols=form.symbols + (0,) * (count - len(form.symbols)))

        def access(old: Access) -> Access:
            new = self.access(old, piece)
            return Access(new.array, tuple(map(padded, new.indices)))

        def indirect(index: Linear | int) -> Linear | int:
            return padded(_substituted(index, piece)) if isinstance(index, Linear) else index

        def node(old: Node) -> Node:
            match old:
                case Load():
                    return replace(old, access=access(old.access))
                case Gather():
                    return replace(old, indices=tuple(map(indirect, old.indices)))
                case Index():
                    return replace(old, value=padded(_substituted(old.value, piece)))
                case _:
                    return old

        nest = self.nest
        if nest.store.indirect:
            store = replace(nest.store, indices=tuple(map(indirect, nest.store.indices)))
        else:
            target = access(nest.store.access)
            store = replace(nest.store, array=target.array, indices=target.indices)
        return Nest(nest.op, piece.extents, tuple(self.symbols), tuple(map(node, nest.nodes)), store)


def _substituted(form: Linear, piece: Piece) -> Linear:
    """A linear form of the nest's loops as one of the piece's."""
    const, dims = form.const, [0] * len(piece.extents)
    for factor, iv in zip(form.dims, piece.ivs, strict=True):
        if factor:
            const += factor * iv.const
            for position, step in enumerate(iv.dims):
                dims[position] += factor * step
    return Linear(const, tuple(dims), form.symbols)


def unit_loop(piece: Piece, loop: int | None) -> int | None:
    """The loop of a piece that is the lowest digit of a loop of the nest; None where it has one iteration."""
    if loop is None:
        return None
    dims = piece.ivs[loop].dims
    return next((k for k, factor in enumerate(dims) if factor == 1 and piece.extents[k] > 1), None)


def accesses_of(nest: Nest) -> list[Access]:
    """Loads, and the store if its place is a matter of the loops alone."""
    stored = [] if nest.store.indirect else [nest.store.access]
    return [*nest.loads, *stored]


def is_spread(nest: Nest, physical: Physical, machine: Machine) -> bool:
    """Whether what the nest stores lies on every lane on chip."""
    type_ = ir.MemRefType(nest.store.array.type)
    on_chip = nest.store.array in physical and npu.memory_of(type_) != "dram"
    return on_chip and Layout.of(type_, machine.lanes).replicated


def lane_loops(nest: Nest, implementation: Implementation) -> Iterator[tuple[Access, int | None]]:
    """Every access of a nest with the loop that its instruction puts on the lanes of that operand."""
    result = implementation.lane
    if implementation.kind == "contraction" or (implementation.kind == "reduce" and implementation.replicated):
        result = implementation.rows
    elif implementation.kind != "elementwise" and result in nest.reduced:
        result = None
    stored = None if nest.store.indirect else nest.store.access
    for access in nest.loads:
        yield access, result if access == stored else implementation.lane
    if stored is not None:
        yield stored, result
