"""Order instructions so that engines wait least for each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch_mlir import ir

from polystage.analysis.nests import main_function
from polystage.dialects import npu
from polystage.machine import Machine, of_module
from polystage.passes.allocate import lifetimes, limits_of, packs
from polystage.passes.pipelining.accesses import Reader
from polystage.passes.pipelining.blocks import Block, Flight, Item, read_block
from polystage.passes.pipelining.list_schedule import (
    DMA,
    Node,
    Rules,
    graph_of,
    in_program_order,
    loads_late,
    most_tiles,
    ordered,
)
from polystage.passes.pipelining.renaming import into_banks, tiles_apart
from polystage.passes.pipelining.times import flight_ns, item_ns
from polystage.passes.pipelining.unrolling import trips, unroll
from polystage.pipeline import Pass, PassContext, option


@dataclass(frozen=True)
class OrderInstructions(Pass):
    """Order instructions so that engines wait least for each other.

    An engine takes its instructions in program order. Where the program has one nest behind the other, the engine that
    a nest keeps busy least waits for the others, though the first rows of the next nest could be computed already.
    Loops of instructions are unrolled, and all instructions of the function ordered by list scheduling.

    Before:

    ```mlir
    affine.for %i = 0 to 2 {
      "npu.matmul"(%p, %w, %x, %i) ...       // tensor engine
      "npu.activation"(%y, %p, %i) ...       // scalar engine
    }
    affine.for %i = 0 to 2 {
      "npu.tensor_tensor"(%z, %y, %y, %i) ...  // vector engine
    }
    ```

    After, with %c0 and %c1 for the values of `%i`:

    ```mlir
    "npu.matmul"(%p, %w, %x, %c0) ...
    "npu.activation"(%y, %p, %c0) ...
    "npu.matmul"(%p, %w, %x, %c1) ...
    "npu.tensor_tensor"(%z, %y, %y, %c0) ...
    "npu.activation"(%y, %p, %c1) ...
    "npu.tensor_tensor"(%z, %y, %y, %c1) ...
    ```

    Requires: `lower-to-npu`.

    Refuses: nothing. A program in which a new order is estimated to save less than `gain`, or whose buffers then find
    no room, stays as it is; a loop with transfers is one instruction here, and so is one that would make more than
    `instructions` of them.

    Statistics:
        unrolled: loops unrolled
        moved: instructions that come behind one that they were before
    """

    strategy: str = option("list", choices=("off", "list"), help="off: the order of the program")
    instructions: int = option(8192, help="most instructions to order", unit="instructions")
    gain: float = option(0.02, help="least part of the estimated time that a new order saves")
    window: int = option(512, help="most instructions that one is moved before", unit="instructions")

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Order the instructions of the function, if that saves time."""
        if self.strategy == "off":
            return
        original = main_function(op).clone().operation
        function = main_function(op)
        counts = self._order(function, of_module(op))
        for name, count in counts.items():
            ctx.statistic(name, count)
        if not counts:
            original.clone(ip=ir.InsertionPoint(function))
            function.erase()

    def _order(self, function: ir.Operation, machine: Machine) -> dict[str, int]:
        """Order the instructions; returns statistics, none where the function is to stay as it was."""
        body = function.regions[0].blocks[0]
        unrolled = _unroll(body, self.instructions)
        tiles = tiles_apart(body, machine)
        reader = Reader()
        block = read_block(body, reader, machine.alignment)
        entries = _entries(block)
        nodes = [Node(_busy(entry, machine), entry.touched) for entry in entries]
        numbers = {reader.number(alloc.results[0]): alloc for alloc in tiles}
        banks = _banks(function, tiles, machine)
        rules = Rules(machine.semaphore_ns, machine.dma.fixed_ns, frozenset(numbers), banks)
        graph = graph_of(nodes, reader, rules)
        if most_tiles(graph) > banks:
            return {}
        order = ordered(graph, self.window)
        if order.ns > (1 - self.gain) * in_program_order(graph).ns:
            return {}
        _write(block, entries, loads_late(graph, order))
        if tiles:
            into_banks(body, {alloc: order.banks[number] for number, alloc in numbers.items()}, banks, machine)
        if not packs(function, limits_of(machine)):
            return {}
        return {"unrolled": unrolled, "moved": sum(a > b for a, b in pairwise(order.numbers))}


def _unroll(body: ir.Block, most: int) -> int:
    """Unroll loops of instructions, those of the fewest first, while there are at most so many in all."""
    loops = [view.operation for view in body.operations if view.operation.name == "affine.for"]
    sizes = {loop: size for loop in loops if not loop.results and (size := trips(loop)) is not None}
    total = sum(npu.is_instruction(view.operation) for view in body.operations)
    taken: list[ir.Operation] = []
    for loop in sorted(sizes, key=sizes.__getitem__):
        total += sizes[loop]
        if total > most:
            break
        taken.append(loop)
    constants: dict[int, ir.Value] = {}
    for loop in [loop for loop in loops if loop in taken]:
        unroll(loop, constants)
    return len(taken)


def _entries(block: Block) -> list[Item | Flight]:
    """Items and transfers in the order of the program."""
    place = {view.operation: k for k, view in enumerate(block.block.operations)}
    found = [(place[item.op], item) for item in block.items]
    flights = [(place[flight.start], flight) for flight in block.flights if flight.start is not None]
    return [entry for _, entry in sorted([*found, *flights], key=lambda each: each[0])]


def _busy(entry: Item | Flight, machine: Machine) -> dict[str, float]:
    return dict(item_ns(entry, machine)) if isinstance(entry, Item) else {DMA: flight_ns(entry, machine)}


def _banks(function: ir.Operation, tiles: Sequence[ir.Operation], machine: Machine) -> int:
    """Banks of PSUM that nothing but ``tiles`` needs at any time."""
    bank = machine.psum.bytes_per_bank
    others = [live for live in lifetimes(function) if live.memory == "psum" and live.op not in tiles]
    taken = [sum(-(-b.bytes // bank) for b in others if b.lower <= a.lower < b.upper) for a in others]
    return machine.psum.banks - max(taken, default=0)


def _write(block: Block, entries: Sequence[Item | Flight], order: Sequence[int]) -> None:
    """Bring the operations of the block into their order; each buffer is allocated right before its first use."""
    terminator = list(block.block.operations)[-1].operation
    waiting = dict(block.lives)
    for op in [*block.free, *(life.alloc for life in block.lives.values() if life.first > life.last)]:
        op.move_before(terminator)
    for number in order:
        entry = entries[number]
        for each in entry.touched:
            life = waiting.pop(each.memref, None)
            if life is not None:
                life.alloc.move_before(terminator)
        ops = [entry.op] if isinstance(entry, Item) else [entry.start, entry.wait]
        for op in ops:
            if op is not None:
                op.move_before(terminator)
