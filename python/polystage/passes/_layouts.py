"""Composes the accesses of a nest with the layouts of its arrays (mechanism of ``lower-to-npu``).

An array with a layout is accessed by logical indices; ``lane = index mod block`` and ``index floordiv block`` become
linear by splitting the nest's box (``_boxes``), and where an induction variable around the nest decides in which part
of a block an access lies, by ``affine.apply`` of it. A lane loop is cut into as many lanes as may start where its
accesses start. Loops that move an access from lane to lane without being its lane loop run around the instructions.

What is written to every lane, by a replicated nest or a transfer, gets one more loop, over the lanes.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import gcd

from torch_mlir import ir

from polystage.analysis.implementation import Implementation
from polystage.analysis.layouts import Layout, lane_chunk
from polystage.analysis.nests import Access, Gather, Index, Linear, Load, Nest, Node, NotLinearError, with_forms
from polystage.analysis.selection import NotSelectableError
from polystage.dialects import affine, npu
from polystage.machine import Machine
from polystage.passes._boxes import Piece, divide, refine, whole_box

Physical = Mapping[ir.Value, ir.Value]
"""For every array with a layout, the physical one that takes its place."""


def physical_arrays(block: ir.Block, machine: Machine) -> dict[ir.Value, ir.Value]:
    """A physical alloc before every alloc with a layout, also in loops."""
    arrays: dict[ir.Value, ir.Value] = {}
    for op in [each.operation for each in block.operations]:
        if op.name == "affine.for":
            arrays |= physical_arrays(op.regions[0].blocks[0], machine)
        elif op.name == "memref.alloc":
            type_ = ir.MemRefType(op.results[0].type)
            if type_.affine_map != ir.AffineMap.get_identity(type_.rank):
                layout = Layout.of(type_, machine.lanes)
                in_dram = npu.memory_of(type_) == "dram"
                if in_dram and layout.replicated:
                    layout = Layout(None)
                shape, space = layout.physical_shape(type_.shape), None if in_dram else type_.memory_space
                with ir.InsertionPoint(op), op.location:
                    name = ir.StringAttr(op.attributes["polystage.name"]).value
                    new = ir.MemRefType.get(shape, type_.element_type, memory_space=space)
                    arrays[op.results[0]] = affine.alloc(new, name)
    return arrays


def physical_nests(
    nest: Nest, implementation: Implementation | None, physical: Physical, machine: Machine
) -> Iterator[tuple[Nest, Implementation | None]]:
    """The pieces of a point nest on physical arrays, each inside the loops that it needs around it.

    The consumer writes the instructions of a piece before it asks for the next one. Without an implementation (of a
    transfer) accesses may lie anywhere.
    """
    if implementation is not None and implementation.replicated != _is_spread(nest, physical, machine):
        raise NotSelectableError("a nest is replicated if and only if what it stores is")
    if implementation is None and not any(access.array in physical for access in _accesses(nest)):
        yield nest, None
        return
    if implementation is None and (crossing := _crossing(nest, physical, machine)):
        kept = [loop for loop in range(len(nest.extents)) if loop not in crossing]
        with ExitStack() as stack:
            ivs = [stack.enter_context(affine.loop(nest.extents[loop])) for loop in crossing]
            yield from physical_nests(_with_symbols(nest, kept, crossing, ivs), None, physical, machine)
        return
    nest, implementation = _on_every_lane(nest, implementation, physical, machine)
    composer = _Composer(nest, physical, machine, implementation)
    for piece in refine(whole_box(nest.extents), composer.evaluate):
        for part in _legal(composer, piece, implementation):
            with ExitStack() as stack:
                yield _around(composer.nest_of(part), _moved(part, implementation), stack)


def _on_every_lane(
    nest: Nest, implementation: Implementation | None, physical: Physical, machine: Machine
) -> tuple[Nest, Implementation | None]:
    """The nest with a loop over the lanes around it, the first, where what it stores is written to every lane."""
    if not _is_spread(nest, physical, machine):
        return nest, implementation

    def form(old: Linear) -> Linear:
        return Linear(old.const, (0, *old.dims), old.symbols)

    lanes = ir.MemRefType(physical[nest.store.array].type).shape[0]
    spread_nest = with_forms(nest, (lanes, *nest.extents), nest.symbols, form)
    if implementation is None:
        return spread_nest, None
    if implementation.kind == "elementwise":
        return spread_nest, replace(implementation, lane=0)
    lane = None if implementation.lane is None else implementation.lane + 1
    return spread_nest, replace(implementation, lane=lane, rows=0)


def _is_spread(nest: Nest, physical: Physical, machine: Machine) -> bool:
    """Whether what the nest stores lies on every lane on chip."""
    type_ = ir.MemRefType(nest.store.array.type)
    on_chip = nest.store.array in physical and npu.memory_of(type_) != "dram"
    return on_chip and Layout.of(type_, machine.lanes).replicated


def _crossing(nest: Nest, physical: Physical, machine: Machine) -> list[int]:
    """Loops of a transfer that, with loops around it, cross blocks of lanes where no split of its box tells: they run
    one iteration at a time.
    """
    found = set[int]()
    for access in _accesses(nest):
        if access.array not in physical:
            continue
        type_ = ir.MemRefType(access.array.type)
        layout = Layout.of(type_, machine.lanes)
        if layout.dim is None or type_.shape[layout.dim] <= layout.block:
            continue
        index = access.indices[layout.dim]
        grain = gcd(layout.block, *index.symbols)
        if grain < layout.block:
            found |= {k for k, f in enumerate(index.dims) if f and nest.extents[k] > grain // gcd(f, grain)}
    return sorted(found)


def plain_parts(
    nest: Nest, implementation: Implementation, physical: Physical, machine: Machine
) -> list[tuple[Nest, Implementation]] | None:
    """What `physical_nests` yields where no piece needs loops around it; None where one does. Writes nothing."""
    composer = _Composer(nest, physical, machine)
    for access in _accesses(nest):
        if access.array in physical:
            layout = Layout.of(ir.MemRefType(access.array.type), machine.lanes)
            if layout.dim is not None and any(f % layout.block for f in access.indices[layout.dim].symbols):
                return None
    found: list[tuple[Nest, Implementation]] = []
    for piece in refine(whole_box(nest.extents), composer.evaluate):
        for part in _legal(composer, piece, implementation):
            inner, moved = composer.nest_of(part), _moved(part, implementation)
            assert moved is not None
            if _moving(inner, moved):
                return None
            found.append((inner, moved))
    return found


def legal_parts(
    nest: Nest, implementation: Implementation, most: Mapping[int, int], machine: Machine
) -> list[tuple[Nest, Implementation]]:
    """A nest on physical arrays cut so that every lane loop starts at legal lanes and has at most ``most`` iterations.

    NotSelectableError where no cut does that.
    """
    composer, pieces = _Composer(nest, {}, machine), [whole_box(nest.extents)]
    for loop, size in most.items():
        if nest.extents[loop] > size:
            pieces = [part for piece in pieces for part in piece.radix(_digit(piece, loop), size)]
    legal = [part for piece in pieces for part in _legal(composer, piece, implementation)]
    moved = [_moved(part, implementation) for part in legal]
    return [(composer.nest_of(part), each) for part, each in zip(legal, moved, strict=True) if each is not None]


def in_loops(nest: Nest, implementation: Implementation, stack: ExitStack) -> tuple[Nest, Implementation]:
    """A legal part inside loops, which ``stack`` holds open, for those that move an operand from lane to lane."""
    inner, moved = _around(nest, implementation, stack)
    assert moved is not None
    return inner, moved


def runs_of(
    nest: Nest, implementation: Implementation, loop: int, size: int, machine: Machine
) -> Iterator[tuple[Nest, Implementation]]:
    """A nest on physical arrays with one loop cut into runs of ``size`` iterations, the remainder by itself."""
    composer = _Composer(nest, {}, machine)
    for piece in whole_box(nest.extents).radix(loop, size):
        moved = _moved(piece, implementation)
        assert moved is not None
        yield composer.nest_of(piece), moved


def _digit(piece: Piece, loop: int) -> int:
    """The loop of a piece that stands for a loop of the nest that is not cut."""
    return next(k for k, factor in enumerate(piece.ivs[loop].dims) if factor)


def _accesses(nest: Nest) -> list[Access]:
    stored = [] if nest.store.indirect else [nest.store.access]
    return [*nest.loads, *stored]


@dataclass
class _Composer:
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
        for access in _accesses(self.nest):
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
            own = _unit_loop(piece, loop)
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
        return 0 if _is_spread(self.nest, self.physical, self.machine) else None

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


def _unit_loop(piece: Piece, loop: int | None) -> int | None:
    """The loop of a piece that is the lowest digit of a loop of the nest; None where it has one iteration."""
    if loop is None:
        return None
    dims = piece.ivs[loop].dims
    return next((k for k, factor in enumerate(dims) if factor == 1 and piece.extents[k] > 1), None)


def _moved(piece: Piece, implementation: Implementation | None) -> Implementation | None:
    if implementation is None:
        return None
    lane, rows = _unit_loop(piece, implementation.lane), _unit_loop(piece, implementation.rows)
    return replace(implementation, lane=lane, rows=rows)


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


def _legal(composer: _Composer, piece: Piece, implementation: Implementation | None) -> Iterator[Piece]:
    """The piece cut so that every lane loop starts at legal lanes."""
    if implementation is None:
        yield piece
        return
    nest, moved = composer.nest_of(piece), _moved(piece, implementation)
    assert moved is not None
    limits: dict[int, int] = {}
    for access, loop in lane_loops(nest, moved):
        if loop is None or npu.memory_of(access.array.type) == "dram":
            continue
        index = access.indices[0]
        if index.dims[loop] != 1:
            raise NotSelectableError("an operand in SBUF does not have the nest's lane loop across its lanes")
        others = [f for k, f in enumerate(index.dims) if k != loop and piece.extents[k] > 1]
        symbols = [f * composer.grain.get(k, 1) for k, f in enumerate(index.symbols)]
        chunk = lane_chunk(gcd(index.const, *others, *symbols), piece.extents[loop], composer.machine)
        if chunk is None:
            raise NotSelectableError(f"an operand in SBUF starts at lane {index.const}, which no instruction can")
        limits[loop] = min(chunk, limits.get(loop, chunk))
    cut = next(((loop, size) for loop, size in limits.items() if size < piece.extents[loop]), None)
    if cut is None:
        yield piece
        return
    for part in piece.radix(*cut):
        yield from _legal(composer, part, implementation)


def _around(nest: Nest, implementation: Implementation | None, stack: ExitStack) -> tuple[Nest, Implementation | None]:
    """Open loops for those of the nest that move an operand from lane to lane; they become symbols of what is left."""
    if implementation is None:
        return nest, None
    moving = _moving(nest, implementation)
    if not moving:
        return nest, implementation
    if moving & {implementation.lane, implementation.rows}:
        raise NotSelectableError("the lane loop of one operand moves another from lane to lane")
    outer = sorted(moving)
    ivs = [stack.enter_context(affine.loop(nest.extents[k])) for k in outer]
    kept = [k for k in range(len(nest.extents)) if k not in moving]
    return _with_symbols(nest, kept, outer, ivs), replace(
        implementation,
        lane=None if implementation.lane is None else kept.index(implementation.lane),
        rows=None if implementation.rows is None else kept.index(implementation.rows),
    )


def _moving(nest: Nest, implementation: Implementation) -> set[int]:
    """Loops that move an operand from lane to lane without lying across its lanes."""
    return {
        k
        for access, loop in lane_loops(nest, implementation)
        if npu.memory_of(access.array.type) != "dram"
        for k, factor in enumerate(access.indices[0].dims)
        if factor and k != loop and nest.extents[k] > 1
    }


def _with_symbols(nest: Nest, kept: Sequence[int], outer: Sequence[int], ivs: Sequence[ir.Value]) -> Nest:
    """The nest with its ``outer`` loops turned into symbols."""

    def form(old: Linear) -> Linear:
        return Linear(old.const, tuple(old.dims[k] for k in kept), old.symbols + tuple(old.dims[k] for k in outer))

    return with_forms(nest, tuple(nest.extents[k] for k in kept), (*nest.symbols, *ivs), form)
