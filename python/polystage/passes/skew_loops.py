"""Run later parts of an iteration beside earlier parts of the next ones, where engines would wait for each other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch_mlir import ir

from polystage.analysis.nests import main_function
from polystage.dialects import npu
from polystage.machine import of_module
from polystage.passes.pipelining.accesses import Reader, Touched, counts_of, shifted, walk
from polystage.passes.pipelining.blocks import Block, read_block
from polystage.passes.pipelining.iterations import Place, Values
from polystage.pipeline import Pass, PassContext, option


@dataclass(frozen=True)
class SkewLoops(Pass):
    """Run later parts of an iteration beside earlier parts of the next ones, where engines would wait for each other.

    An engine takes its instructions in program order. Where one of them needs what another engine makes of an earlier
    result of the same engine, both engines stand still by turns. The instructions of a loop are divided into *stages*:
    such an instruction begins the next one, and stage s runs s iterations later (modulo scheduling of stages: Lam,
    "Software pipelining", 1988).

    Before:

    ```mlir
    affine.for %i = 0 to 8 {
      "npu.activation"(%a, %psum, %i) ...        // scalar engine
      "npu.tensor_tensor"(%b, %a, %r, %i) ...    // vector engine
      "npu.activation"(%y, %b, %i) ...           // scalar engine, waits for the vector engine
    }
    ```

    After: the first iteration's first two instructions; a loop from 1 to 8 with those of iteration `%i` and the last
    one of iteration `%i - 1`; the last one of iteration 7.

    Requires: `lower-to-npu`. What one iteration leaves in a buffer for its later stages must not be overwritten by the
    next one: tiles that take turns in several buffers are what makes it so.

    Refuses: nothing; a loop with transfers, or whose instructions may not change places, stays as it is.

    Statistics:
        loops: loops whose iterations overlap
    """

    strategy: str = option("skew", choices=("off", "skew"), help="off: iterations run one behind the other")

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Skew every loop that gains from it."""
        if self.strategy == "off":
            return
        machine = of_module(op)
        reader = Reader()
        for loop, block in list(_loops(read_block(main_function(op).regions[0].blocks[0], reader, machine.alignment))):
            stages = _stages(block, reader)
            if max(stages, default=0) and _may_skew(loop, block, stages, reader):
                with loop.location, ir.InsertionPoint(loop):
                    _skew(loop, block, stages)
                loop.erase()
                ctx.statistic("loops")


def _loops(block: Block) -> Iterator[tuple[ir.Operation, Block]]:
    """Loops of instructions, in which every other loop has instructions of one engine."""
    for item in block.items:
        if item.body is None:
            continue
        engines = [_engine_of(each.op) for each in item.body.items]
        if item.body.flights or item.body.lives or item.op.results or None in engines:
            yield from _loops(item.body)
        else:
            yield item.op, item.body


def _engine_of(op: ir.Operation) -> str | None:
    """The engine of an instruction, or of all instructions in a loop; None where there are several."""
    names = {npu.ENGINE[each.name.removeprefix("npu.")] for each in walk(op) if npu.is_instruction(each)}
    return names.pop() if len(names) == 1 else None


# ---- policy


def _stages(block: Block, reader: Reader) -> list[int]:
    """The stage of each item: those that wait for their own engine by way of another one begin a new stage."""
    stages = list[int]()
    before = list[frozenset[str]]()  # engines whose results of the same stage an item needs
    engines = [str(_engine_of(item.op)) for item in block.items]
    for number, item in enumerate(block.items):
        needed = [k for k in range(number) if reader.conflicts(block.items[k].touched, item.touched)]
        stage = max((stages[k] for k in needed), default=0)
        own = [k for k in needed if stages[k] == stage]
        if any(engines[k] != engines[number] and engines[number] in before[k] for k in own):
            stages.append(stage + 1)
            before.append(frozenset())
        else:
            stages.append(stage)
            before.append(frozenset(engines[k] for k in own).union(*(before[k] for k in own)))
    return stages


# ---- legality


def _may_skew(loop: ir.Operation, block: Block, stages: Sequence[int], reader: Reader) -> bool:
    """Whether no two instances that would change places conflict; there are as many iterations as stages at least."""
    variable = reader.loop(loop)
    if len(counts_of(loop)) <= max(stages):
        return False
    return not any(
        reader.conflicts(first, shifted(second, variable, distance * counts_of(loop).step))
        for first, second, distance in _exchanged(block, stages)
    )


def _exchanged(block: Block, stages: Sequence[int]) -> Iterator[tuple[tuple[Touched, ...], tuple[Touched, ...], int]]:
    """Accesses of two items, the second so many iterations later, that run in the other order when skewed."""
    order = sorted(range(len(stages)), key=lambda number: stages[number])
    rank = {number: k for k, number in enumerate(order)}
    for a, first in enumerate(block.items):
        for b, second in enumerate(block.items):
            for distance in range(int(a >= b), max(stages) + 1):
                if (stages[a], rank[a]) > (distance + stages[b], rank[b]):
                    yield first.touched, second.touched, distance


# ---- mechanism


def _skew(loop: ir.Operation, block: Block, stages: Sequence[int]) -> None:
    """Write the iterations with stages apart: what begins before the loop, the loop, and what ends behind it."""
    counts, last = counts_of(loop), max(stages)
    by_stage = {stage: [i.op for i, own in zip(block.items, stages, strict=True) if own == stage] for stage in stages}
    writer = _Writer(loop.regions[0].blocks[0].arguments[0], by_stage, {})
    for slot in range(last):
        for stage in range(slot + 1):
            writer.write(stage, Place(None, counts[slot - stage]))
    attributes = {name: loop.attributes[name] for name in loop.attributes}
    attributes["lowerBoundMap"] = ir.AffineMapAttr.get(ir.AffineMap.get_constant(counts[last]))
    new = ir.Operation.create("affine.for", [], [], attributes, regions=1)
    body = new.regions[0].blocks.append(ir.IndexType.get())
    with ir.InsertionPoint(body):
        for stage in range(last + 1):
            writer.write(stage, Place(body.arguments[0], -stage * counts.step))
        ir.Operation.create("affine.yield")
    for slot in range(len(counts), len(counts) + last):
        for stage in range(slot - len(counts) + 1, last + 1):
            writer.write(stage, Place(None, counts[slot - stage]))


@dataclass(frozen=True)
class _Writer:
    counter: ir.Value
    by_stage: Mapping[int, Sequence[ir.Operation]]
    constants: dict[int, ir.Value]

    def write(self, stage: int, place: Place) -> None:
        """The instructions of one stage of an iteration."""
        values = Values(self.counter, place, self.constants if place.counter is None else {})
        for op in self.by_stage[stage]:
            values.copy(op)
