"""A block of an npu program as ``pipeline-dma`` sees it: items that stay in place, and transfers around them.

Positions. Items are numbered; *gap* g lies before item g, the last gap behind the last item. Starts and waits lie in
gaps. *Points* number both: gap g is point 2g, item g is point 2g + 1.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import prod

from torch_mlir import ir

from polystage.dialects import npu
from polystage.passes.pipelining.accesses import Reader, Touched, whole

TRANSFERS = frozenset({"npu.dma_start", "npu.gather", "npu.scatter"})
_FREE = frozenset({"affine.apply", "memref.get_global", "arith.constant"})


@dataclass(eq=False)
class Item:
    """An instruction, or a loop with all that it touches; ``body`` is the block of a loop."""

    op: ir.Operation
    touched: tuple[Touched, ...]
    body: "Block | None" = None


@dataclass(eq=False)
class Flight:
    """A transfer in one block, in flight from gap ``departs`` to gap ``lands``.

    ``start`` is None where it was started before the block or in a loop of the block, ``wait`` where it is waited for
    behind the block or in a loop. ``begin`` and ``end`` order starts and waits as the program had them.
    """

    touched: tuple[Touched, ...]
    start: ir.Operation | None
    departs: int
    begin: int
    wait: ir.Operation | None = None
    lands: int = 0
    end: int = 0

    @property
    def stores(self) -> bool:
        """Whether the block starts it, and it writes to DRAM."""
        return self.start is not None and npu.memory_of(self.start.operands[1].type) == "dram"


@dataclass(eq=False)
class Life:
    """A buffer allocated in the block: ``size`` bytes of a lane from point ``first`` to point ``last``."""

    alloc: ir.Operation
    size: int
    first: int
    last: int


@dataclass(eq=False)
class Block:
    """``lives`` by memref; ``own`` is what they take at each point, loops with what is allocated inside of them.

    ``mixed`` is what they take where starts and waits of one gap come in any order; ``room`` what they may take.
    """

    block: ir.Block
    free: list[ir.Operation] = field(default_factory=list[ir.Operation])
    items: list[Item] = field(default_factory=list[Item])
    flights: list[Flight] = field(default_factory=list[Flight])
    lives: dict[int, Life] = field(default_factory=dict[int, Life])
    own: list[int] = field(default_factory=list[int])
    mixed: list[int] = field(default_factory=list[int])
    room: int = 0

    @property
    def peak(self) -> int:
        """Bytes of a lane that are live at once of what the block allocates."""
        return max(self.own, default=0)

    def occupy(self, first: int, last: int, size: int) -> None:
        """Take ``size`` bytes from point ``first`` to ``last``, both included."""
        for point in range(first, last + 1):
            self.own[point] += size
            self.mixed[point] += size


def read_block(block: ir.Block, reader: Reader, alignment: int) -> Block:
    """Read a block and those inside of it; SBUF buffers count in multiples of ``alignment`` bytes."""
    return _Reading(reader, alignment).block(block)


@dataclass(frozen=True)
class _Reading:
    reader: Reader
    alignment: int

    def block(self, block: ir.Block) -> Block:
        result = Block(block)
        allocs: list[ir.Operation] = []
        flights: dict[ir.Value, Flight] = {}
        points: list[int] = []
        for order, view in enumerate(block.operations):
            op = view.operation
            points.append(2 * len(result.items))
            if op.name == "memref.alloc":
                allocs.append(op)
            elif op.name in _FREE:
                result.free.append(op)
            elif op.name in TRANSFERS:
                flights[op.results[0]] = Flight(self.reader.touched(op), op, len(result.items), order)
            elif op.name == "npu.dma_wait":
                flight = self.flight(op.operands[0], flights)
                flight.wait, flight.lands, flight.end = op, len(result.items), order
            elif op.name == "affine.for":
                for token in op.operands:
                    flight = self.flight(token, flights)
                    flight.lands, flight.end = len(result.items), order
                points[-1] += 1
                result.items.append(self.loop(op))
                for token in op.results:
                    flights[token] = Flight(self.in_flight(token), None, len(result.items), order)
            elif npu.is_instruction(op):
                points[-1] += 1
                result.items.append(Item(op, self.reader.touched(op)))
            else:  # the terminator
                for token in op.operands:
                    flight = self.flight(token, flights)
                    flight.lands, flight.end = len(result.items), order
        result.flights = sorted(flights.values(), key=lambda flight: flight.begin)
        result.lives = {life_of: life for op in allocs for life_of, life in self.life(op, result)}
        self.fill(result, points)
        return result

    def flight(self, token: ir.Value, known: dict[ir.Value, Flight]) -> Flight:
        """The transfer of a token; one that the block did not start came with the loop's arguments."""
        if token not in known:
            known[token] = Flight(self.in_flight(token), None, 0, -1)
        return known[token]

    def loop(self, op: ir.Operation) -> Item:
        variable = self.reader.loop(op)
        body = self.block(op.regions[0].blocks[0])
        inside = [each for item in body.items for each in item.touched]
        inside += [each for flight in body.flights for each in flight.touched]
        return Item(op, self.reader.fold(inside, variable), body)

    def in_flight(self, token: ir.Value) -> tuple[Touched, ...]:
        """What a transfer of another iteration touches: its arrays, any element."""
        starts = {start for start in starts_of(token)}
        return whole(each for start in starts for each in self.reader.touched(start))

    def life(self, alloc: ir.Operation, block: Block) -> Iterator[tuple[int, Life]]:
        type_ = ir.MemRefType(alloc.results[0].type)
        bytes_ = prod(type_.shape[1:]) * npu.element_bytes(type_.element_type)
        size = -(-bytes_ // self.alignment) * self.alignment if npu.memory_of(type_) == "sbuf" else 0
        last = 2 * len(block.items)
        yield self.reader.number(alloc.results[0]), Life(alloc, size, last, 0)

    def fill(self, block: Block, points: Sequence[int]) -> None:
        """Find first and last points of the lives, and what is live at each point.

        ``points`` are those of the operations of the block in their order.
        """
        orders: dict[int, tuple[int, int]] = {}
        for point, order, touched in _uses(block, points):
            for each in touched:
                life = block.lives.get(each.memref)
                if life is not None:
                    life.first, life.last = min(life.first, point), max(life.last, point)
                    first, last = orders.get(each.memref, (order, order))
                    orders[each.memref] = min(first, order), max(last, order)
        count = 2 * len(block.items) + 1
        inside = [block.items[point // 2].body if point % 2 else None for point in range(count)]
        peaks = [0 if body is None else body.peak for body in inside]
        used = [life for life in block.lives.values() if life.first <= life.last]
        by_point = _totals(count, [(life.first, life.last, life.size) for life in used])
        by_order = _totals(len(points), [(*orders[memref], block.lives[memref].size) for memref in orders])
        block.own = [0] * count
        for order, point in enumerate(points):
            block.own[point] = max(block.own[point], by_order[order])
        block.own = [total + peak for total, peak in zip(block.own, peaks, strict=True)]
        block.mixed = [total + peak for total, peak in zip(by_point, peaks, strict=True)]


def _totals(count: int, spans: Iterable[tuple[int, int, int]]) -> list[int]:
    """The sum of sizes at each of ``count`` places; spans are first and last place and size."""
    changes = [0] * (count + 1)
    for first, last, size in spans:
        changes[first] += size
        changes[last + 1] -= size
    return list(accumulate(changes[:-1]))


def _uses(block: Block, points: Sequence[int]) -> Iterator[tuple[int, int, tuple[Touched, ...]]]:
    """Point, order and arrays of each use in a block."""
    items = iter(block.items)
    for order, point in enumerate(points):
        if point % 2:
            yield point, order, next(items).touched
    for flight in block.flights:
        yield 2 * flight.departs, max(0, flight.begin), flight.touched
        yield 2 * flight.lands, flight.end, flight.touched


def starts_of(token: ir.Value) -> list[ir.Operation]:
    """The transfers that a token may stand for; one that a loop carries has several."""
    found: list[ir.Operation] = []
    pending, seen = [token], set[ir.Value]()
    while pending:
        value = pending.pop()
        if value in seen:
            continue
        seen.add(value)
        owner = value.owner
        if not isinstance(owner, ir.Block) and owner.operation.name in TRANSFERS:
            found.append(owner.operation)
            continue
        loop = owner.owner.operation if isinstance(owner, ir.Block) else owner.operation
        carried = loop.regions[0].blocks[0].arguments[1:] if isinstance(owner, ir.Block) else loop.results
        number = [each == value for each in carried].index(True)
        last = list(loop.regions[0].blocks[0].operations)[-1].operation
        pending += [loop.operands[number], last.operands[number]]
    return found
