"""Composes the accesses of a nest with the layouts of its arrays (mechanism of ``lower-to-npu``).

An array with a layout is accessed by logical indices; ``lane = index mod block`` and ``index floordiv block`` become
linear by splitting the nest's box (``nests/boxes``), and where an induction variable around the nest decides in which
part of a block an access lies, by ``affine.apply`` of it. A lane loop is cut into as many lanes as may start where its
accesses start. Loops that move an access from lane to lane without being its lane loop run around the instructions.

What is written to every lane, by a replicated nest or a transfer, gets one more loop, over the lanes.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from math import gcd

from torch_mlir import ir

from polystage.analysis.implementation import Implementation
from polystage.analysis.layouts import Layout, lane_chunk
from polystage.analysis.nests import Linear, Nest, with_forms
from polystage.analysis.selection import NotSelectableError
from polystage.dialects import affine, npu
from polystage.dialects.npu.planned import plan_offset, planned_offset
from polystage.machine import Machine
from polystage.passes.lowering.composition import Composer, Physical, accesses_of, is_spread, lane_loops, unit_loop
from polystage.passes.nests.boxes import Piece, refine, whole_box


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
                    made = affine.alloc(new, name)
                    arrays[op.results[0]] = made
                    offset = planned_offset(op)
                    if offset is not None:
                        plan_offset(ir.OpResult(made).owner.operation, offset)
    return arrays


def physical_nests(
    nest: Nest, implementation: Implementation | None, physical: Physical, machine: Machine
) -> Iterator[tuple[Nest, Implementation | None]]:
    """The pieces of a point nest on physical arrays, each inside the loops that it needs around it.

    The consumer writes the instructions of a piece before it asks for the next one. Without an implementation (of a
    transfer) accesses may lie anywhere.
    """
    if implementation is not None and implementation.replicated != is_spread(nest, physical, machine):
        raise NotSelectableError("a nest is replicated if and only if what it stores is")
    if implementation is None and not any(access.array in physical for access in accesses_of(nest)):
        yield nest, None
        return
    if implementation is None and (crossing := _crossing(nest, physical, machine)):
        kept = [loop for loop in range(len(nest.extents)) if loop not in crossing]
        with ExitStack() as stack:
            ivs = [stack.enter_context(affine.loop(nest.extents[loop])) for loop in crossing]
            yield from physical_nests(_with_symbols(nest, kept, crossing, ivs), None, physical, machine)
        return
    nest, implementation = _on_every_lane(nest, implementation, physical, machine)
    composer = Composer(nest, physical, machine, implementation)
    for piece in refine(whole_box(nest.extents), composer.evaluate):
        for part in _legal(composer, piece, implementation):
            with ExitStack() as stack:
                yield _around(composer.nest_of(part), _moved(part, implementation), stack)


def _on_every_lane(
    nest: Nest, implementation: Implementation | None, physical: Physical, machine: Machine
) -> tuple[Nest, Implementation | None]:
    """The nest with a loop over the lanes around it, the first, where what it stores is written to every lane."""
    if not is_spread(nest, physical, machine):
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


def _crossing(nest: Nest, physical: Physical, machine: Machine) -> list[int]:
    """Loops of a transfer that, with loops around it, cross blocks of lanes where no split of its box tells: they run
    one iteration at a time.
    """
    found = set[int]()
    for access in accesses_of(nest):
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
    """What `physical_nests` yields, with a part for each iteration of a loop that moves an operand from lane to lane
    instead of a loop around; None where those are more than there are lanes. Writes nothing.
    """
    nest, spread = _on_every_lane(nest, implementation, physical, machine)
    assert spread is not None
    implementation = spread
    composer = Composer(nest, physical, machine, implementation)
    for access in accesses_of(nest):
        if access.array in physical:
            layout = Layout.of(ir.MemRefType(access.array.type), machine.lanes)
            if layout.dim is not None and any(f % layout.block for f in access.indices[layout.dim].symbols):
                return None
    found: list[tuple[Nest, Implementation]] = []
    for piece in refine(whole_box(nest.extents), composer.evaluate):
        for part in _legal(composer, piece, implementation):
            found += _apart(composer, part, implementation)
            if len(found) > machine.lanes:
                return None
    return found


def legal_parts(
    nest: Nest, implementation: Implementation, most: Mapping[int, int], machine: Machine
) -> list[tuple[Nest, Implementation]]:
    """A nest on physical arrays cut so that every lane loop starts at legal lanes and has at most ``most`` iterations.

    NotSelectableError where no cut does that.
    """
    composer, pieces = Composer(nest, {}, machine), [whole_box(nest.extents)]
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
    composer = Composer(nest, {}, machine)
    for piece in whole_box(nest.extents).radix(loop, size):
        moved = _moved(piece, implementation)
        assert moved is not None
        yield composer.nest_of(piece), moved


def _digit(piece: Piece, loop: int) -> int:
    """The loop of a piece that stands for a loop of the nest that is not cut."""
    return next(k for k, factor in enumerate(piece.ivs[loop].dims) if factor)


def _moved(piece: Piece, implementation: Implementation | None) -> Implementation | None:
    if implementation is None:
        return None
    lane, rows = unit_loop(piece, implementation.lane), unit_loop(piece, implementation.rows)
    return replace(implementation, lane=lane, rows=rows)


def _legal(composer: Composer, piece: Piece, implementation: Implementation | None) -> Iterator[Piece]:
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


def _apart(composer: Composer, piece: Piece, implementation: Implementation) -> Iterator[tuple[Nest, Implementation]]:
    """The iterations of loops that move an operand from lane to lane, each by itself."""
    inner, moved = composer.nest_of(piece), _moved(piece, implementation)
    assert moved is not None
    moving = min(_moving(inner, moved), default=None)
    if moving is None:
        yield inner, moved
        return
    if moving in (moved.lane, moved.rows):
        raise NotSelectableError("the lane loop of one operand moves another from lane to lane")
    for part in piece.cut(moving, range(piece.extents[moving])):
        yield from _apart(composer, part, implementation)


def _with_symbols(nest: Nest, kept: Sequence[int], outer: Sequence[int], ivs: Sequence[ir.Value]) -> Nest:
    """The nest with its ``outer`` loops turned into symbols."""

    def form(old: Linear) -> Linear:
        return Linear(old.const, tuple(old.dims[k] for k in kept), old.symbols + tuple(old.dims[k] for k in outer))

    return with_forms(nest, tuple(nest.extents[k] for k in kept), (*nest.symbols, *ivs), form)
