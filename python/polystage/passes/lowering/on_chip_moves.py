"""Moves arrays between layouts on chip by engines instead of a DMA (mechanism of ``lower-to-npu``).

A DMA between lanes moves element by element, the worst case of its descriptors. Engines do better where they can:

- ``copy``: the same loop lies across the lanes of both ends, so that every lane copies within itself;
- ``transpose``: one loop across the lanes of the source, another across those of the target: blocks go through the
  matrix engine into PSUM, as many to a bank as it holds, and are copied from there;
- ``broadcast``: many lanes get what one lane holds: a product with a single one (K = 1) into PSUM, then copied. The
  product ``1 * x`` is exact for the float types, but for the sign of a zero.

What is faster by the target's costs is written. Lanes start where they may; where no cut of the nest makes that so, and
for element types that the matrix engine does not take, the DMA remains.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import gcd, prod
from typing import Literal

from torch_mlir import ir

from polystage.analysis.costs import broadcast_ns, copy_ns, move_ns, transpose_ns
from polystage.analysis.implementation import Implementation
from polystage.analysis.nests import Access, Linear, Load, Nest
from polystage.analysis.selection import NotSelectableError, is_float
from polystage.dialects import affine, npu
from polystage.machine import Machine
from polystage.passes.lowering.emission import Emitter, Part, chunked, fit, instruction_loops
from polystage.passes.lowering.layouts import in_loops, legal_parts, runs_of

CAUSE = "relayout"
"""The cause of the instruction that writes what has been moved; ``report`` counts by it."""

Kind = Literal["copy", "transpose", "broadcast"]


@dataclass(frozen=True)
class Move:
    """A legal part of a transfer, on physical arrays in SBUF, and how it is moved.

    ``how.lane`` is the loop across the lanes of the source, ``how.rows`` that of the target where it is another one.
    """

    kind: Kind
    nest: Nest
    how: Implementation

    @property
    def ends(self) -> tuple[Access, Access]:
        """The accesses of source and target."""
        return _ends(self.nest)


def write_on_chip(nest: Nest, machine: Machine) -> bool:
    """Write a transfer between arrays in SBUF with instructions; False, and nothing written, where a DMA is better."""
    moves = engine_moves(nest, machine)
    if not moves or sum(_ns(move, machine) for move in moves) >= _dma_ns(nest, machine):
        return False
    for move in moves:
        with ExitStack() as stack:
            _write(Move(move.kind, *in_loops(move.nest, move.how, stack)), machine)
    return True


def engine_moves(nest: Nest, machine: Machine) -> list[Move]:
    """How engines would move a transfer between arrays in SBUF; empty where they cannot."""
    source, target = _ends(nest)
    lane, rows = _lane_of(source, target, nest), _lane_of(target, source, nest)
    common = _lane_of(source, source, nest, shared=target)
    if common is not None or (lane is None and rows is None):
        return _legal("copy", nest, Implementation("elementwise", common), machine)
    element = ir.MemRefType(target.array.type).element_type
    if str(element) not in machine.matrix.cycle_factor:
        return []
    broadcast = lane is None and rows not in source.support
    if broadcast and not is_float(element):
        return []
    # the matrix engine exchanges lanes as a contraction does: what is on the lanes of its operand, and of its result
    exchange = Implementation("contraction", lane, rows)
    return _legal("broadcast" if broadcast else "transpose", nest, exchange, machine)


def _ends(nest: Nest) -> tuple[Access, Access]:
    value = nest.nodes[nest.store.value]
    assert isinstance(value, Load)
    return value.access, nest.store.access


def _lane_of(access: Access, other: Access, nest: Nest, shared: Access | None = None) -> int | None:
    """The longest loop that runs along the lanes of ``access`` alone and not along those of ``other``; with ``shared``
    one that runs along the lanes of that too.
    """
    ends = (access,) if shared is None else (access, shared)
    loops = [
        loop
        for loop, extent in enumerate(nest.extents)
        if extent > 1
        and all(end.indices[0].dims[loop] == 1 and not any(i.dims[loop] for i in end.indices[1:]) for end in ends)
        and (other is access or not other.indices[0].dims[loop])
    ]
    return max(loops, key=lambda loop: nest.extents[loop], default=None)


def _legal(kind: Kind, nest: Nest, how: Implementation, machine: Machine) -> list[Move]:
    """The moves of that kind, every part of legal lanes; empty where there are none."""
    most: dict[int, int] = {}
    if kind != "copy":
        element = npu.element_bytes(ir.MemRefType(nest.store.array.type).element_type)
        room = min(machine.matrix.rows, machine.psum.bytes_per_bank // element, machine.vector.max_free_elements_psum)
        most |= {how.lane: room} if how.lane is not None else {}
        most |= {how.rows: machine.matrix.columns} if how.rows is not None else {}
    try:
        parts = legal_parts(nest, how, most, machine)
    except NotSelectableError:
        return []
    moves = [Move(kind, part, each) for part, each in parts]
    return moves if all(_single_lanes_start(move, machine) for move in moves) else []


def _single_lanes_start(move: Move, machine: Machine) -> bool:
    """Whether ends that use one lane at a time only use lanes where an access may start."""
    source, target = move.ends
    lanes = (move.how.lane, move.how.lane if move.kind == "copy" else move.how.rows)
    return all(
        lane is not None or _grain(end.indices[0], move.nest) % machine.start_multiple(1) == 0
        for end, lane in zip((source, target), lanes, strict=True)
    )


def _grain(index: Linear, nest: Nest) -> int:
    """A number that divides all values of an index."""
    return gcd(
        index.const, *(f for f, extent in zip(index.dims, nest.extents, strict=True) if extent > 1), *index.symbols
    )


# ---- costs


def _ns(move: Move, machine: Machine) -> float:
    """Engine time of a move."""
    nest, how = move.nest, move.how
    element = ir.MemRefType(nest.store.array.type).element_type
    rows, lanes = (1 if loop is None else nest.extents[loop] for loop in (how.rows, how.lane))
    around = prod(nest.extents[loop] for loop in _around(move))
    free = prod(nest.extents) // (rows * lanes * around)
    match move.kind:
        case "copy":
            return around * copy_ns(free, machine)
        case "transpose":
            return around * transpose_ns(lanes, free, element, machine)
        case "broadcast":
            return around * broadcast_ns(free, element, machine)


def _around(move: Move) -> list[int]:
    """Loops that move an end from lane to lane."""
    return [
        loop
        for loop, extent in enumerate(move.nest.extents)
        if extent > 1
        and loop not in (move.how.lane, move.how.rows)
        and any(end.indices[0].dims[loop] for end in move.ends)
    ]


def _dma_ns(nest: Nest, machine: Machine) -> float:
    """Time of the same transfer by DMA, whose descriptors are runs that are contiguous at both ends."""
    size = run = npu.element_bytes(ir.MemRefType(nest.store.array.type).element_type)
    steps = [tuple(_stride(end, loop) for end in _ends(nest)) for loop in range(len(nest.extents))]
    length = 1
    for step, extent in sorted(zip(steps, nest.extents, strict=True)):
        if extent > 1 and step == (length, length):
            length *= extent
    return move_ns(size * prod(nest.extents), run * length, machine)


def _stride(access: Access, loop: int) -> int:
    """Elements that an iteration of the loop moves an access inside its lane; none where it changes the lane."""
    shape, stride, total = ir.MemRefType(access.array.type).shape, 1, 0
    for index, extent in zip(reversed(access.indices[1:]), reversed(shape[1:]), strict=True):
        total, stride = total + index.dims[loop] * stride, stride * extent
    return 0 if access.indices[0].dims[loop] else total


# ---- writing


def _write(move: Move, machine: Machine) -> None:
    match move.kind:
        case "copy":
            _copy(move, machine)
        case "transpose":
            for part in _banked(move, machine):
                _transposed(part, machine)
        case "broadcast":
            _broadcast(move, machine)


def _rest(move: Move) -> list[int]:
    return [loop for loop in range(len(move.nest.extents)) if loop not in (move.how.lane, move.how.rows)]


def _copy(move: Move, machine: Machine) -> None:
    """Every lane copies within itself."""
    source, target = move.ends
    emitter, loops = Emitter(move.nest, move.how.lane), _rest(move)
    whole, cut, size = fit(move.nest, loops, machine.vector.max_free_elements_sbuf, machine.vector.max_free_dims)

    def body() -> None:
        box = emitter.box(loops)
        maps = [emitter.access_map(end, emitter.dims(box), len(box) + 1) for end in (target, source)]
        npu.tensor_copy(target.array, source.array, emitter.symbols(), sizes=emitter.sizes(box), maps=maps, cause=CAUSE)

    chunked(emitter, [d for d in loops if d not in whole and d != cut], whole, (cut, size), (), body)


def _fit_bank(move: Move, machine: Machine) -> tuple[list[int], int | None, int]:
    """Which loops are moved through one PSUM bank and copied from there at once."""
    element = npu.element_bytes(ir.MemRefType(move.nest.store.array.type).element_type)
    lanes = 1 if move.how.lane is None else move.nest.extents[move.how.lane]
    room = min(machine.psum.bytes_per_bank // element, machine.vector.max_free_elements_psum) // lanes
    dims = min(machine.vector.max_free_dims, machine.matrix.max_free_dims) - (move.how.lane is not None)
    return fit(move.nest, _rest(move), room, dims)


def _banked(move: Move, machine: Machine) -> Iterator[Move]:
    """The move with loops cut so that what fits into a bank is whole loops."""
    _, cut, size = _fit_bank(move, machine)
    if cut is None or size == 1:
        yield move
        return
    for nest, how in runs_of(move.nest, move.how, cut, size, machine):
        yield from _banked(Move(move.kind, nest, how), machine)


def _transposed(move: Move, machine: Machine) -> None:
    """Blocks ``[P, F]`` into a PSUM buffer ``[F, blocks.., P]``, then one copy."""
    nest, (_, target) = move.nest, move.ends
    whole, _, _ = _fit_bank(move, machine)
    emitter = Emitter(nest, None)
    with instruction_loops(nest, [loop for loop in _rest(move) if loop not in whole]) as around:
        own = [loop for loop in (move.how.rows, move.how.lane) if loop is not None]
        parts = {**around, **{loop: Part(0, nest.extents[loop]) for loop in (*whole, *own)}}
        blocks = [loop for loop in whole if nest.extents[loop] > 1]
        free = [*blocks, *([] if move.how.lane is None else [move.how.lane])]
        rows = 1 if move.how.rows is None else nest.extents[move.how.rows]
        element = ir.MemRefType(target.array.type).element_type
        shape = [rows, *(nest.extents[loop] for loop in free)]
        psum = affine.alloc(ir.MemRefType.get(shape, element, memory_space=npu.psum()), "transposed")
        with instruction_loops(nest, blocks) as stepped:
            emitter.parts = {**parts, **stepped}
            _transpose(emitter, move, psum, free)
        emitter.parts = parts
        _copy_back(emitter, target, psum, move.how.rows, free)


def _transpose(emitter: Emitter, move: Move, psum: ir.Value, free: Sequence[int]) -> None:
    """One block, box ``[P, F]``: P on the lanes of the source, F on those of PSUM."""
    nest, how = move.nest, move.how
    positions = {loop: k for k, loop in enumerate((how.lane, how.rows)) if loop is not None}
    unit = [
        Linear(0, tuple(int(d == loop) for d in range(len(nest.extents))), (0,) * len(nest.symbols)) for loop in free
    ]
    row = ir.AffineExpr.get_constant(0) if how.rows is None else ir.AffineExpr.get_dim(1)
    symbols = emitter.symbols()
    blocks = ir.AffineMap.get(2, len(symbols), [row, *(emitter.expr(form, positions) for form in unit)])
    maps = [blocks, emitter.access_map(move.ends[0], positions, 2)]
    sizes = [1 if loop is None else nest.extents[loop] for loop in (how.lane, how.rows)]
    npu.transpose(psum, move.ends[0].array, symbols, sizes=sizes, maps=maps)


def _copy_back(emitter: Emitter, target: Access, psum: ir.Value, rows: int | None, free: Sequence[int]) -> None:
    """Copy a PSUM buffer ``[rows, free..]`` to the target."""
    positions = {loop: k + 1 for k, loop in enumerate(free)} | ({} if rows is None else {rows: 0})
    rank, symbols = len(free) + 1, emitter.symbols()
    lane = ir.AffineExpr.get_constant(0) if rows is None else ir.AffineExpr.get_dim(0)
    plain = ir.AffineMap.get(rank, len(symbols), [lane, *(ir.AffineExpr.get_dim(k) for k in range(1, rank))])
    sizes = [1 if rows is None else emitter.nest.extents[rows], *(emitter.parts[loop].size for loop in free)]
    maps = [emitter.access_map(target, positions, rank), plain]
    npu.tensor_copy(target.array, psum, symbols, sizes=sizes, maps=maps, cause=CAUSE)


def _broadcast(move: Move, machine: Machine) -> None:
    """Products ``1 * row`` for all lanes of the target at once, box ``[1, M, N..]``."""
    nest, rows, (source, target) = move.nest, move.how.rows, move.ends
    element, loops = ir.MemRefType(target.array.type).element_type, _rest(move)
    dims = min(machine.vector.max_free_dims, machine.matrix.max_free_dims)
    whole, cut, size = fit(nest, loops, min(machine.max_moving_f32, machine.vector.max_free_elements_psum), dims)
    emitter, dim, const = Emitter(nest, None), ir.AffineExpr.get_dim, ir.AffineExpr.get_constant
    one = affine.alloc(ir.MemRefType.get([1], element, memory_space=npu.sbuf()), "one")
    npu.memset(one, [], sizes=[1], maps=[ir.AffineMap.get(1, 0, [const(0)])], value=1.0)
    lanes = 1 if rows is None else nest.extents[rows]

    def body() -> None:
        free, symbols = emitter.box(loops), emitter.symbols()
        sizes, rank = [emitter.parts[loop].size for loop in free], len(free) + 2
        psum = affine.alloc(ir.MemRefType.get([lanes, *sizes], ir.F32Type.get(), memory_space=npu.psum()), "broadcast")
        maps = [
            ir.AffineMap.get(rank, len(symbols), [dim(k) for k in range(1, rank)]),
            ir.AffineMap.get(rank, len(symbols), [const(0)]),
            emitter.access_map(source, {loop: k + 2 for k, loop in enumerate(free)}, rank),
        ]
        npu.matmul(psum, one, source.array, symbols, sizes=[1, lanes, *sizes], maps=maps, accumulate=False)
        _copy_back(emitter, target, psum, rows, free)

    around = [loop for loop in loops if loop not in whole and loop != cut]
    chunked(emitter, around, [*whole, *([] if rows is None else [rows])], (cut, size), (), body)
