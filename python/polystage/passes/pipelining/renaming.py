"""Tiles of PSUM, each in a buffer of its own, and then in banks that are given (mechanism of ``order-instructions``).

Tiles of a nest take turns in one buffer, which orders them: the second tile of a turn begins when the first one is
used up. Where each tile begins with an instruction that writes all that is used of it, they need not wait::

    matmul(%p[turn 0]); activation(%y, %p[turn 0])          matmul(%p0); activation(%y, %p0)
    matmul(%p[turn 0]); activation(%z, %p[turn 0])    -->   matmul(%p1); activation(%z, %p1)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from torch_mlir import ir

from polystage.dialects import npu
from polystage.machine import Machine
from polystage.passes.pipelining.accesses import Interval, Reader

_ELEMENT = 4  # bytes of a sum


@dataclass
class _Tile:
    """What is used of a tile, and the operands that use it."""

    box: tuple[Interval, ...]
    uses: list[tuple[ir.Operation, int]]


def tiles_apart(body: ir.Block, machine: Machine) -> list[ir.Operation]:
    """Give tiles buffers ``[lanes, 1, elements of a bank]`` of their own, in all buffers where they can be told apart.

    Returns their allocs.
    """
    reader = Reader()
    ops = [view.operation for view in body.operations]
    allocs = [op for op in ops if op.name == "memref.alloc" and npu.memory_of(op.results[0].type) == "psum"]
    ops = [op for op in ops if npu.is_instruction(op)]
    found: list[ir.Operation] = []
    for alloc in allocs:
        users = {use.owner.operation for use in alloc.results[0].uses}
        turns = _turns(ir.MemRefType(alloc.results[0].type), machine)
        if turns is None or any(user.block != body for user in users):
            continue
        tiles = _tiles(alloc.results[0], [op for op in ops if op in users], reader, turns)
        found += [_give_buffer(alloc, tile, turns, machine) for tile in tiles]
        if tiles:
            alloc.erase()
    return found


def _turns(type_: ir.MemRefType, machine: Machine) -> bool | None:
    """Whether a buffer is ``[lanes, turns, ..]`` rather than one tile; None where a tile is larger than a bank."""
    bank = machine.psum.bytes_per_bank
    if npu.element_bytes(type_.element_type) != _ELEMENT or prod(type_.shape[2:]) * _ELEMENT > bank:
        return None
    if prod(type_.shape[1:]) * _ELEMENT <= bank:
        return False
    return True if type_.rank > 1 else None


def _tiles(buffer: ir.Value, users: Sequence[ir.Operation], reader: Reader, turns: bool) -> list[_Tile]:
    """The tiles of a buffer in the order of the program; none where they cannot be told apart."""
    latest: dict[int, _Tile] = {}
    found: list[_Tile] = []
    for op in users:
        instruction = npu.decode(op)
        boxes = {each.box for each in reader.touched(op) if each.memref == reader.number(buffer)}
        own = {turn for box in boxes for turn in (box[1].low, box[1].high)} if turns else {0}
        if len(own) != 1:
            return []
        (turn,) = own
        positions = [k for k, memref in enumerate(instruction.memrefs) if memref == buffer]
        if not any(k in instruction.reads for k in positions):
            latest[turn] = _Tile(next(iter(boxes)), [])
            found.append(latest[turn])
        if turn not in latest or not all(_within(box, latest[turn].box) for box in boxes):
            return []
        latest[turn].uses += [(op, position) for position in positions]
    return found


def _within(inner: tuple[Interval, ...], outer: tuple[Interval, ...]) -> bool:
    return all(b.low <= a.low and a.high <= b.high for a, b in zip(inner, outer, strict=True))


def _give_buffer(alloc: ir.Operation, tile: _Tile, turns: bool, machine: Machine) -> ir.Operation:
    old = ir.MemRefType(alloc.results[0].type)
    inner = list(old.shape[2 if turns else 1 :])
    attributes = {name: alloc.attributes[name] for name in alloc.attributes}
    with ir.InsertionPoint(alloc), alloc.location:
        new = _buffer(old.shape[0], 1, machine, attributes)

    def place(results: Sequence[ir.AffineExpr]) -> list[ir.AffineExpr]:
        at: ir.AffineExpr = ir.AffineExpr.get_constant(0)
        for k, expr in enumerate(results[2 if turns else 1 :]):
            at = at + expr * prod(inner[k + 1 :])
        return [results[0], ir.AffineExpr.get_constant(0), at]

    for op, position in tile.uses:
        _move(op, position, new.results[0], place)
    return new


def into_banks(body: ir.Block, tiles: Mapping[ir.Operation, int], banks: int, machine: Machine) -> None:
    """Let the tiles lie in one buffer, each in the bank that it is given."""
    lanes = max(ir.MemRefType(alloc.results[0].type).shape[0] for alloc in tiles)
    with ir.InsertionPoint.at_block_begin(body), next(iter(tiles)).location:
        buffer = _buffer(lanes, banks, machine, {"polystage.name": ir.StringAttr.get("psum")}).results[0]
    for alloc, bank in tiles.items():

        def place(results: Sequence[ir.AffineExpr], bank: int = bank) -> list[ir.AffineExpr]:
            return [results[0], ir.AffineExpr.get_constant(bank), results[2]]

        for use in list(alloc.results[0].uses):
            _move(use.owner.operation, use.operand_number, buffer, place)
        alloc.erase()


def _buffer(lanes: int, banks: int, machine: Machine, attributes: Mapping[str, ir.Attribute]) -> ir.Operation:
    shape = [lanes, banks, machine.psum.bytes_per_bank // _ELEMENT]
    type_ = ir.MemRefType.get(shape, ir.F32Type.get(), memory_space=npu.psum())
    return ir.Operation.create("memref.alloc", [type_], [], dict(attributes))


def _move(
    op: ir.Operation,
    position: int,
    buffer: ir.Value,
    place: Callable[[Sequence[ir.AffineExpr]], list[ir.AffineExpr]],
) -> None:
    """Let an operand of an instruction be elsewhere."""
    maps = [ir.AffineMapAttr(each).value for each in ir.ArrayAttr(op.attributes["maps"])]
    access = maps[position]
    maps[position] = ir.AffineMap.get(access.n_dims, access.n_symbols, place(list(access.results)))
    op.operands[position] = buffer
    op.attributes["maps"] = ir.ArrayAttr.get([ir.AffineMapAttr.get(each) for each in maps])
