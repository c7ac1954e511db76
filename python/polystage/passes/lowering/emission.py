"""Writes instructions for point nests: iteration boxes, operand maps, temporaries (mechanism of ``lower-to-npu``)."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from math import ceil

from torch_mlir import ir

from polystage.analysis.nests import Access, Linear, Load, Nest
from polystage.analysis.selection import Immediate, Operand, Result, Selection, Slot, Step, Temporary, Tile
from polystage.analysis.values import argument_text, producer
from polystage.dialects import affine, npu
from polystage.machine import Machine
from polystage.passes.staging.tiled_nests import segments

_STRUCTURE = ("memref.alloc", "memref.get_global", "affine.apply", "affine.yield", "func.return")

_CYCLES = 64  # of work for each fixed cycle of an instruction, from which on it is cut


@dataclass(frozen=True)
class Part:
    """The part of a loop that one instruction covers: ``size`` iterations from ``start + step * iv``."""

    start: int
    size: int
    iv: ir.Value | None = None
    step: int = 0


Parts = Mapping[int, Part]


@contextmanager
def instruction_loops(nest: Nest, loops: Sequence[int]) -> Generator[Parts]:
    """``affine.for`` loops around instructions for ``loops`` of the nest, one iteration at a time."""
    with ExitStack() as stack:
        parts: dict[int, Part] = {}
        for loop in loops:
            extent = nest.extents[loop]
            parts[loop] = Part(0, 1, stack.enter_context(affine.loop(extent)), 1) if extent > 1 else Part(0, 1)
        yield parts


def stepped_loops(nest: Nest, loops: Sequence[int]) -> Iterator[tuple[bool, AbstractContextManager[Parts]]]:
    """``instruction_loops`` with the first iteration by itself: each with whether it comes after that one.

    Iterations keep their order. Each context has to be left before the next one is asked for.
    """
    first = {loop: Part(0, 1) for loop in loops}
    yield False, nullcontext(first)
    for depth in range(len(loops) - 1, -1, -1):
        if nest.extents[loops[depth]] > 1:
            yield True, _after_first(nest, loops, depth)


@contextmanager
def _after_first(nest: Nest, loops: Sequence[int], depth: int) -> Generator[Parts]:
    """Loops over what has zero outside of ``loops[depth]``, there all but zero, and anything inside of it."""
    loop = loops[depth]
    rest = nest.extents[loop] - 1
    outer: Parts = {each: Part(0, 1) for each in loops[:depth]}
    with ExitStack() as stack:
        part = Part(1, 1, stack.enter_context(affine.loop(rest)), 1) if rest > 1 else Part(1, 1)
        inner = stack.enter_context(instruction_loops(nest, loops[depth + 1 :]))
        yield {**outer, loop: part, **inner}


def chunks(nest: Nest, loop: int, size: int) -> Iterator[tuple[int, int, int]]:
    """Start, count and size of the runs of equal chunks of a loop, the remainder last."""
    for segment in segments(nest.extents[loop], size):
        yield segment.start, segment.count, segment.size


def fit(nest: Nest, loops: Sequence[int], elements: int, dims: int) -> tuple[list[int], int | None, int]:
    """Which of ``loops`` one instruction takes whole, innermost first, within ``elements`` and ``dims`` dimensions.

    Returns the loops taken whole, the loop that is cut into chunks (or None) and the size of its chunks.
    """
    taken = [loop for loop in loops if nest.extents[loop] == 1]
    candidates = [loop for loop in reversed(loops) if nest.extents[loop] > 1]
    room = elements
    for loop in candidates[:dims]:
        extent = nest.extents[loop]
        if room <= 1:
            break
        if extent > room:
            return sorted(taken), loop, ceil(extent / ceil(extent / room))
        taken.append(loop)
        room //= extent
    return sorted(taken), None, 0


def most_elements(nest: Nest, machine: Machine) -> int:
    """Elements of each lane that one instruction of a nest takes, by the memories that it uses.

    They are enough that its fixed cycles are less than 2 % of it: with more it would only hold up other engines, which
    wait for all of an instruction.
    """
    arrays = (nest.store.array, *(access.array for access in nest.loads))
    in_psum = any(npu.memory_of(array.type) == "psum" for array in arrays)
    limit = machine.vector.max_free_elements_psum if in_psum else machine.vector.max_free_elements_sbuf
    return min(limit, _CYCLES * machine.vector.fixed_cycles)


@dataclass(frozen=True)
class Turns:
    """Temporaries of instructions in loops: ``count`` copies before ``anchor``, of which ``turn`` says which it is."""

    count: int
    turn: ir.Value
    anchor: ir.Operation


class Emitter:
    """Instructions of one point nest over given parts of its loops."""

    def __init__(self, nest: Nest, lane: int | None, temporaries: Sequence[ir.Value] = ()) -> None:
        self.nest, self.lane, self.temporaries = nest, lane, temporaries
        self.parts: Parts = {}
        self.extra: list[ir.Value] = []
        self.turns: Turns | None = None

    @property
    def lanes(self) -> int:
        """Lanes that an instruction of this nest works on."""
        return 1 if self.lane is None else self.nest.extents[self.lane]

    def box(self, loops: Sequence[int]) -> list[int]:
        """Loops of an instruction box behind the lane: those of more than one iteration here, outermost first."""
        return [loop for loop in sorted(loops) if loop != self.lane and self.parts[loop].size > 1]

    def sizes(self, box: Sequence[int]) -> list[int]:
        """Extents of a box, lanes first."""
        return [self.lanes, *(self.parts[loop].size for loop in box)]

    def symbols(self) -> list[ir.Value]:
        """Everything that maps may depend on besides the box: enclosing induction variables, and ``extra``."""
        own = [part.iv for part in self.parts.values() if part.iv is not None]
        return list(dict.fromkeys([*self.nest.symbols, *own, *self.extra]))

    def position(self, value: ir.Value | None) -> int:
        """The place of a value among the symbols; of no meaning where there is none."""
        return -1 if value is None else self.symbols().index(value)

    def expr(self, form: Linear, dims: Mapping[int, int]) -> ir.AffineExpr:
        """A linear form over box dimensions (``dims``: loop -> position) and symbols."""
        position = {iv: k for k, iv in enumerate(self.symbols())}
        const = form.const
        terms: list[tuple[ir.AffineExpr, int]] = []
        for loop, factor in enumerate(form.dims):
            if not factor:
                continue
            if loop in dims:
                terms.append((ir.AffineExpr.get_dim(dims[loop]), factor))
            part = self.parts.get(loop)
            if part is not None:
                const += factor * part.start
                if part.iv is not None:
                    terms.append((ir.AffineExpr.get_symbol(position[part.iv]), factor * part.step))
        terms += [
            (ir.AffineExpr.get_symbol(position[iv]), factor)
            for iv, factor in zip(self.nest.symbols, form.symbols, strict=True)
            if factor
        ]
        expr: ir.AffineExpr = ir.AffineExpr.get_constant(const)
        for variable, factor in terms:
            expr = expr + variable * factor
        return expr

    def access_map(self, access: Access, dims: Mapping[int, int], rank: int) -> ir.AffineMap:
        """The map of an affine access for a box of ``rank`` dimensions."""
        return ir.AffineMap.get(rank, len(self.symbols()), [self.expr(index, dims) for index in access.indices])

    def operand(self, operand: Operand, slots: Sequence[Slot], box: Sequence[int]) -> tuple[ir.Value, ir.AffineMap]:
        """Memref and map of an operand for the box ``[lane, *box]``."""
        dims = self.dims(box)
        rank = len(box) + 1
        match operand:
            case Tile():
                node = self.nest.nodes[operand.node]
                assert isinstance(node, Load)
                return node.access.array, self.access_map(node.access, dims, rank)
            case Result():
                return self.nest.store.array, self.access_map(self.nest.store.access, dims, rank)
            case Temporary():
                return self.temporaries[operand.slot], self.temporary_map(slots[operand.slot], box)
            case Immediate():
                raise AssertionError("an immediate is part of the instruction")

    def dims(self, box: Sequence[int]) -> dict[int, int]:
        """Position of each loop in the box."""
        dims = {loop: k + 1 for k, loop in enumerate(box)}
        if self.lane is not None:
            dims[self.lane] = 0
        return dims

    def temporary_map(self, slot: Slot, box: Sequence[int]) -> ir.AffineMap:
        """Map of a temporary: lane, then one index for each of its loops, local to the part."""
        dims = self.dims(box)
        lane: ir.AffineExpr = ir.AffineExpr.get_dim(0) if self.lanes > 1 else ir.AffineExpr.get_constant(0)
        exprs = [
            ir.AffineExpr.get_dim(dims[loop]) if loop in box else ir.AffineExpr.get_constant(0)
            for loop in sorted(slot.loops)
        ]
        turn = [] if self.turns is None else [ir.AffineExpr.get_symbol(self.position(self.turns.turn))]
        return ir.AffineMap.get(len(box) + 1, len(self.symbols()), [lane, *turn, *exprs])

    def steps(self, selection: Selection) -> None:
        """Write all instructions of a selection."""
        for step in selection.steps:
            self.step(step, selection.slots)

    def step(self, step: Step, slots: Sequence[Slot]) -> None:
        """Write one instruction."""
        box = self.box(list(step.loops))
        sizes, symbols = self.sizes(box), self.symbols()
        target, target_map = self.operand(step.target, slots, box)
        placed = [self.operand(source, slots, box) for source in step.sources]
        sources = [memref for memref, _ in placed]
        maps = [target_map, *(access for _, access in placed)]
        match step.op:
            case "tensor_tensor":
                npu.tensor_tensor(target, sources[0], sources[1], symbols, sizes=sizes, maps=maps, op=step.ops[0])
            case "tensor_scalar":
                npu.tensor_scalar(target, sources[0], sources[1:], symbols, sizes=sizes, maps=maps, ops=step.scalars)
            case "scalar_tensor_tensor":
                first, second = step.ops
                a, scalar, b = sources
                npu.scalar_tensor_tensor(target, a, scalar, b, symbols, sizes=sizes, maps=maps, op0=first, op1=second)
            case "activation":
                bias = sources[1] if len(sources) > 1 else step.number or 0.0
                scale = sources[2] if len(sources) > 2 else step.scale
                npu.activation(
                    target, sources[0], symbols, sizes=sizes, maps=maps, func=step.ops[0], scale=scale, bias=bias
                )
            case "tensor_copy":
                npu.tensor_copy(target, sources[0], symbols, sizes=sizes, maps=maps)
            case "select":
                predicate, a, b = sources
                npu.select(target, predicate, a, b, symbols, sizes=sizes, maps=maps)
            case "memset":
                assert step.number is not None
                npu.memset(target, symbols, sizes=sizes, maps=maps, value=step.number)
            case "iota":
                assert step.value is not None
                value = ir.AffineMap.get(len(sizes), len(symbols), [self.expr(step.value, self.dims(box))])
                npu.iota(target, symbols, sizes=sizes, maps=maps, value=value)
            case "gather":
                self.gather(step, target, sources, box, maps)
            case _:
                raise AssertionError(step.op)

    def gather(
        self,
        step: Step,
        target: ir.Value,
        sources: Sequence[ir.Value],
        box: Sequence[int],
        maps: Sequence[ir.AffineMap],
    ) -> None:
        """Indirect DMA into ``target``, waited for at once."""
        assert step.array is not None
        array_map = self.indirect_map(step.indices, box)
        token = npu.gather(
            step.array, target, sources, self.symbols(),
            sizes=self.sizes(box), maps=[array_map, *maps], cause=cause_of(step.array),
        )  # fmt: skip
        npu.dma_wait(token)

    def indirect_map(self, indices: Sequence[Linear | int], box: Sequence[int]) -> ir.AffineMap:
        """Map of an indirect access: an ``int`` index is the value of that index memref, an extra dimension."""
        rank = len(box) + 1
        dims = self.dims(box)
        exprs = [
            self.expr(index, dims) if isinstance(index, Linear) else ir.AffineExpr.get_dim(rank + index)
            for index in indices
        ]
        extra = sum(isinstance(index, int) for index in indices)
        return ir.AffineMap.get(rank + extra, len(self.symbols()), exprs)

    def temporary(self, slot: Slot, name: str) -> ir.Value:
        """Allocate the buffer of a slot, as large as the parts that instructions cover."""
        shape = [self.lanes, *(self.parts[loop].size for loop in sorted(slot.loops))]
        if self.turns is not None:
            shape.insert(1, self.turns.count)
            with ir.InsertionPoint(self.turns.anchor):
                return affine.alloc(ir.MemRefType.get(shape, slot.type, memory_space=npu.sbuf()), name)
        return affine.alloc(ir.MemRefType.get(shape, slot.type, memory_space=npu.sbuf()), name)


def chunked(
    emitter: Emitter,
    around: Sequence[int],
    whole: Sequence[int],
    cut: tuple[int | None, int],
    slots: Sequence[Slot],
    body: Callable[[], None],
) -> None:
    """Loops for ``around``, runs of chunks for the loop that is cut, and ``body`` with its temporaries inside."""
    nest = emitter.nest
    fixed: dict[int, Part] = {loop: Part(0, nest.extents[loop]) for loop in whole}
    if emitter.lane is not None:
        fixed[emitter.lane] = Part(0, nest.extents[emitter.lane])
    with instruction_loops(nest, around) as parts:
        for start, count, size in _runs(nest, cut):
            if count > 1 and cut[0] is not None:
                with affine.loop(count) as iv:
                    _with_temporaries(emitter, {**fixed, **parts, cut[0]: Part(start, size, iv, size)}, slots, body)
            else:
                last = {} if cut[0] is None else {cut[0]: Part(start, size)}
                _with_temporaries(emitter, {**fixed, **parts, **last}, slots, body)


def _runs(nest: Nest, cut: tuple[int | None, int]) -> list[tuple[int, int, int]]:
    return [(0, 1, 1)] if cut[0] is None else list(chunks(nest, cut[0], cut[1]))


def _with_temporaries(emitter: Emitter, parts: Parts, slots: Sequence[Slot], body: Callable[[], None]) -> None:
    emitter.parts = parts
    emitter.temporaries = [emitter.temporary(slot, "temporary") for slot in slots]
    body()


def cause_of(array: ir.Value) -> str:
    """Why a DRAM tensor is moved: the kind of its function argument, or that it is an intermediate."""
    op = producer(array)
    if op is None:
        return argument_text(ir.BlockArgument(array), "polystage.kind")
    return "constant" if op.name == "memref.get_global" else "intermediate"


def foreign_operations(block: ir.Block) -> Iterator[ir.Operation]:
    """Operations that an npu program does not have, loops gone into."""
    for op in [each.operation for each in block.operations]:
        if op.name == "affine.for":
            yield from foreign_operations(op.regions[0].blocks[0])
        elif op.name not in _STRUCTURE and not op.name.startswith("npu."):
            yield op
