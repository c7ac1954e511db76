"""From a decoded npu instruction to its site and the accesses of its operands."""

from dataclasses import replace
from itertools import product
from math import prod
from operator import itemgetter

from torch_mlir import ir

from polystage.dialects.npu import Instruction
from polystage.errors import UserError
from polystage.interp.access import Access, Linear, build, linear
from polystage.interp.core import Decoder, Operand, Reach, Site, describe, index_of
from polystage.interp.memory import Buffer
from polystage.interp.plans import Use


def site_of(decoder: Decoder, instruction: Instruction) -> Site:
    """The site of ``instruction``, with no operands yet."""
    return Site(
        instruction.op,
        instruction.engine,
        instruction.cause,
        instruction.sizes,
        instruction.operation.location,
        decoder.env,
        decoder.loops,
        decoder.spans,
    )


def access_of(decoder: Decoder, site: Site, instruction: Instruction, use: Use) -> Access:
    """How ``use`` reaches its memref operand. Raises Fault where it leaves the memref or writes what is read-only."""
    buffer, role = buffer_of(decoder, instruction, use.position), instruction.roles[use.position]
    access = build(site, role, buffer, subscripts(decoder, instruction, use.position), use.dims)
    if use.write:
        refuse_write(site, role, buffer)
        if any(extent > 1 and stride == 0 for extent, stride in zip(access.shape, access.strides, strict=True)):
            text = f"npu.{site.op}: the map of {role} does not use every dimension"
            raise UserError(text, describe(site.position))
    return access


def refuse_write(site: Site, role: str, buffer: Buffer) -> None:
    """Raise Fault (read-only) where ``buffer`` may not be written."""
    if not buffer.writable:
        text = f"{role} {buffer.label}: write to a read-only argument or constant"
        raise site.fault("read-only", text, with_loops=False)


def subscripts(decoder: Decoder, instruction: Instruction, position: int) -> tuple[Linear, ...]:
    """The index expressions of memref operand ``position`` over box dimensions (and those of a gather) and slots."""
    access = instruction.maps[position]
    dims = [Linear(dims={i: 1}) for i in range(access.n_dims)]
    symbols = [index_of(decoder, value) for value in instruction.indices]
    found = [linear(expr, dims, symbols) for expr in access.results]
    if any(index is None for index in found):
        location = describe(instruction.operation.location)
        raise UserError(f"npu.{instruction.op}: the map of {instruction.roles[position]} is not linear", location)
    return tuple([index for index in found if index is not None])


def buffer_of(decoder: Decoder, instruction: Instruction, position: int) -> Buffer:
    """The buffer that memref operand ``position`` names."""
    value = instruction.memrefs[position]
    buffer = decoder.buffers.get(value)
    if buffer is None:
        location = describe(instruction.operation.location)
        raise UserError(
            f"npu.{instruction.op}: {instruction.roles[position]} is no argument, alloc or constant", location
        )
    return buffer


def elements_of(instruction: Instruction) -> list[str]:
    """The element type of each memref operand."""
    return [str(ir.MemRefType(value.type).element_type) for value in instruction.memrefs]


def operand_of(access: Access, write: bool = False) -> Operand:
    """What listeners learn about an access."""
    return replace(picked_operand(access.role, access.buffer, write), reach=_reach(access))


def picked_operand(role: str, buffer: Buffer, write: bool = False) -> Operand:
    """What listeners learn about an access to elements that index values name."""
    return Operand(role, buffer.memory.name, buffer.tensor, buffer.element, "write" if write else "read", buffer)


_PIECES = 8  # an access of more separate runs of bytes is taken for one run, gaps included


def _reach(access: Access) -> Reach | None:
    pitch = access.buffer.memory.pitch
    if not pitch:
        return None
    dims = [(extent, stride) for extent, stride in zip(access.shape, access.strides, strict=True) if extent > 1]
    within = [(extent, step) for extent, stride in dims if (step := _in_lane(stride, pitch))]
    lowest = sum((extent - 1) * stride for extent, stride in within if stride < 0)
    run, gaps = access.buffer.itemsize, list[tuple[int, int]]()
    for extent, stride in sorted([(extent, abs(stride)) for extent, stride in within], key=itemgetter(1)):
        if gaps or stride > run:
            gaps.append((extent, stride))
        else:
            run += (extent - 1) * stride
    while prod(extent for extent, _ in gaps) > _PIECES:
        extent, stride = gaps.pop(0)
        run += (extent - 1) * stride
    starts = [lowest + sum(steps) for steps in product(*(range(0, extent * stride, stride) for extent, stride in gaps))]
    return Reach(access.base, access.terms, tuple([(start, start + run) for start in sorted(starts)]))


def _in_lane(stride: int, pitch: int) -> int:
    """What a step of ``stride`` bytes moves within a lane, where it may also lead to another lane."""
    return stride if abs(stride) < pitch else (stride + pitch // 2) % pitch - pitch // 2
