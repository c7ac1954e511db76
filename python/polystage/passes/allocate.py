"""Give every buffer its address."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from torch_mlir import ir

from polystage.alloc import Buffer, Infeasible, Problem, Solution, Solver, solve
from polystage.analysis.nests import main_function
from polystage.analysis.values import array_name, array_problem
from polystage.dialects import npu
from polystage.dialects.npu.planned import planned_offset
from polystage.machine import Machine, of_module
from polystage.passes.pipelining.dma_proof import prove
from polystage.pipeline import Pass, PassContext

_QUIET = Solver(blame=False)  # finds what the other one finds

ADDRESS = "npu.address"
TOKEN = "!npu.token"


@dataclass(frozen=True)
class Allocate(Pass):
    """Give every buffer its address.

    A buffer lives from its `memref.alloc` to the last operation of the same block that uses it, directly or in a
    nested loop, or waits for a transfer that does; buffers whose lives meet get disjoint addresses. On chip an address
    is a byte offset inside each lane, in DRAM an offset into the arena of intermediates. The highest byte in use is
    noted on the module as `npu.sbuf_peak`, `npu.psum_peak` (bytes per lane) and `npu.dram_peak`. Where no packing is
    found, buffers lie where `stage` has planned them (`polystage.planned`, in bytes of a lane).

    Before:

    ```mlir
    %a = memref.alloc() : memref<128x256xf32, #npu.sbuf>
    ```

    After:

    ```mlir
    %a = memref.alloc() {npu.address = 1024 : i64} : memref<128x256xf32, #npu.sbuf>
    ```

    Requires: `lower-to-npu`.

    Refuses: buffers that do not fit; the error gives demand, bound and gap. Arrays that no memory can hold.

    Statistics:
        sbuf: buffers in SBUF
        psum: buffers in PSUM
        dram: buffers in DRAM
    """

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Allocate the three memories one after another."""
        machine = of_module(op)
        lives = list(lifetimes(main_function(op)))
        for live in lives:
            problem = _unplaceable(ir.MemRefType(live.op.results[0].type), machine)
            if problem is not None:
                ctx.error(live.op, f"{live.op.results[0].type} {problem}")
        if ctx.failed:
            return
        i64 = ir.IntegerType.get_signless(64)
        for memory, limits in limits_of(machine).items():
            allocs = [live for live in lives if live.memory == memory]
            buffers = [live.buffer(str(k), limits) for k, live in enumerate(allocs)]
            solution = placed(allocs, limits)
            if isinstance(solution, Infeasible):
                where = allocs[int(max(solution.section, key=lambda buffer: buffer.size).name)]
                ctx.error(where.op, _too_full(solution, where, limits, f"{memory} of {machine.name}"))
                continue
            peak = 0
            for live, buffer in zip(allocs, buffers, strict=True):
                address = limits.base + solution.offsets[buffer.name]
                live.op.attributes[ADDRESS] = ir.IntegerAttr.get(i64, address)
                peak = max(peak, address + live.bytes)
            op.attributes[f"npu.{memory}_peak"] = ir.IntegerAttr.get(i64, peak)
            ctx.statistic(memory, len(allocs))

    def prove(self, before: ir.Operation, after: ir.Operation, ctx: PassContext) -> None:
        """Have the checker of `verify-dma` prove that no buffer lies where a transfer in flight reads or writes."""
        prove(after, ctx, addresses=True)


def _too_full(found: Infeasible, where: "Live", limits: "Limits", memory: str) -> str:
    """Why buffers have no addresses, with the largest one where they are most."""
    largest = f"the largest live there is '{array_name(where.op.results[0])}' with {where.bytes:,}"
    if found.proof == "load":
        need = f"buffers in {memory} need {found.demand:,} bytes{limits.unit} at once, it has {limits.capacity:,}"
        return f"{need}; {largest}"
    best = f"found none for {limits.capacity:,} bytes{limits.unit} but one for {found.demand:,}"
    return f"buffers in {memory} have no packing, or a search {best}; at the fullest moment {largest}"


def _unplaceable(type_: ir.MemRefType, machine: Machine) -> str | None:
    """Why no memory of the machine holds such a buffer; None if one does."""
    try:
        memory = npu.memory_of(type_)
    except ValueError as problem:
        return f"cannot be placed: {problem}"
    if (problem := array_problem(type_)) is not None:
        return problem
    if type_.affine_map != ir.AffineMap.get_identity(type_.rank):
        return "has a layout; run lower-to-npu first"
    if memory == "dram":
        return None
    lanes = machine.lanes if memory == "sbuf" else machine.psum.lanes
    if not type_.shape or type_.shape[0] > lanes:
        return f"needs its first dimension to be lanes, of which {machine.name} has {lanes} in {memory}"
    return None


@dataclass(frozen=True)
class Limits:
    """One memory: first address, bytes from there, alignment."""

    base: int
    capacity: int
    alignment: int
    unit: str


def limits_of(machine: Machine) -> dict[str, Limits]:
    """What each memory of the machine offers."""
    per_lane = " per lane"
    bank = machine.psum.bytes_per_bank
    return {
        "sbuf": Limits(machine.reserved_bytes_per_lane, machine.usable_bytes_per_lane, machine.alignment, per_lane),
        "psum": Limits(0, machine.psum.bytes_per_lane, bank, per_lane),
        "dram": Limits(0, machine.dram.bytes, machine.dram.burst, ""),
    }


@dataclass(frozen=True)
class Live:
    """An alloc and the interval of program points, half open, in which its buffer is live."""

    op: ir.Operation
    lower: int
    upper: int

    @property
    def memory(self) -> npu.Memory:
        """The memory that it lies in."""
        return npu.memory_of(self.op.results[0].type)

    @property
    def bytes(self) -> int:
        """Bytes of the buffer: on chip those of one lane."""
        type_ = ir.MemRefType(self.op.results[0].type)
        shape = type_.shape if self.memory == "dram" else type_.shape[1:]
        return prod(shape) * npu.element_bytes(type_.element_type)

    def buffer(self, name: str, limits: Limits) -> Buffer:
        """The buffer as a rectangle of the packing problem."""
        return Buffer(name, self.lower, self.upper, self.bytes, limits.alignment)


def lifetimes(function: ir.Operation) -> Iterator[Live]:
    """All allocs of a function with their lives; program points are operations in textual order."""
    first: dict[ir.Operation, int] = {}
    last: dict[ir.Operation, int] = {}
    count = 0

    def number(block: ir.Block) -> None:
        nonlocal count
        for each in block.operations:
            op = each.operation
            first[op] = count
            count += 1
            for region in op.regions:
                number(region.blocks[0])
            last[op] = count

    body = function.regions[0].blocks[0]
    number(body)
    for op in first:
        if op.name == "memref.alloc":
            ends = [last[_ancestor(each, op.parent)] for use in op.results[0].uses for each in _users(use.owner)]
            yield Live(op, first[op], max(ends, default=last[op]))


def placed(lives: Sequence[Live], limits: Limits, solver: Solver | None = None) -> Solution | Infeasible:
    """Offsets of buffers of one memory, named by their positions; as they were planned if no other packing is found."""
    buffers = [live.buffer(str(k), limits) for k, live in enumerate(lives)]
    found = solve(Problem(limits.capacity, tuple(buffers)), _QUIET)
    if isinstance(found, Solution) or found.proved:
        return found
    planned = solve(Problem(limits.capacity, tuple(_pinned(lives, buffers, limits))), _QUIET)
    return planned if isinstance(planned, Solution) else solve(Problem(limits.capacity, tuple(buffers)), solver)


def _pinned(lives: Sequence[Live], buffers: Sequence[Buffer], limits: Limits) -> Iterator[Buffer]:
    """The buffers, each pinned where it is planned to lie unless one pinned before is there at the same time."""
    pinned: list[tuple[Buffer, range]] = []
    for live, buffer in sorted(zip(lives, buffers, strict=True), key=lambda each: each[1].lower):
        pinned = [each for each in pinned if each[0].upper > buffer.lower]
        offset = planned_offset(live.op)
        if offset is None:
            yield buffer
            continue
        place = range(offset, offset + buffer.size)
        clash = any(place.start < other.stop and other.start < place.stop for _, other in pinned)
        if clash or offset % limits.alignment or place.stop > limits.capacity:
            yield buffer
        else:
            pinned.append((buffer, place))
            yield replace(buffer, pin=offset)


def packs(function: ir.Operation, limits: Mapping[str, Limits]) -> bool:
    """Whether the pass will find addresses for all buffers."""
    lives = list(lifetimes(function))
    for memory, limit in limits.items():
        own = [live for live in lives if live.memory == memory]
        crowded = sum(live.bytes for live in own) > limit.capacity
        if crowded and isinstance(placed(own, limit, _QUIET), Infeasible):
            return False
    return True


def _users(user: ir.Operation | ir.OpView) -> Iterator[ir.Operation]:
    """``user``, and where it is a transfer all that its token goes to: loops that carry it, and waits."""
    yield user.operation
    pending = [value for value in user.operation.results if str(value.type) == TOKEN]
    seen = set[ir.Value]()
    while pending:
        token = pending.pop()
        if token in seen:
            continue
        seen.add(token)
        for use in token.uses:
            op, number = use.owner.operation, use.operand_number
            yield op
            if op.name == "npu.dma_wait":
                continue
            loop = op.parent.operation if op.name == "affine.yield" and op.parent is not None else op
            pending += [loop.regions[0].blocks[0].arguments[number + 1], loop.results[number]]


def _ancestor(user: ir.Operation, parent: ir.Operation | ir.OpView | None) -> ir.Operation:
    """The operation of the alloc's own block that holds ``user``; its terminator where ``user`` is outside of it."""
    op = user
    while op.parent is not None and op.parent != parent:
        op = op.parent.operation
    if op.parent is None:
        assert parent is not None
        return list(parent.operation.regions[0].blocks[0].operations)[-1].operation
    return op
