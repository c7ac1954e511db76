"""Which transfers of which loops overlap with other iterations (policy and legality of ``pipeline-dma`` across trips).

A buffer is *private* to a loop if what it holds never outlives an iteration. With several copies of it, used in turn, a
load into it may start iterations ahead, and a store from it may end in the next iteration. Everything else that the
transfer then passes must not conflict with it; arrays other than private buffers are compared as they are in the
iterations that meet.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch_mlir import ir

from polystage.passes.pipelining.accesses import Reader, Touched, counts_of, shifted, walk
from polystage.passes.pipelining.blocks import Block, Flight, Item, Life

_LARGEST = 600  # operations that a loop may become


@dataclass(frozen=True)
class Load:
    """A transfer that starts ``LoopPlan.ahead`` iterations before the one that needs it."""

    start: ir.Operation
    wait: ir.Operation


@dataclass(frozen=True)
class Store:
    """A transfer that is waited for in the next iteration, before ``anchor``; ``first``: before anything starts."""

    start: ir.Operation
    wait: ir.Operation
    anchor: ir.Operation
    first: bool


@dataclass(frozen=True)
class LoopPlan:
    """What becomes of a loop; ``buffers`` get ``copies`` copies each, which take ``extra`` bytes of a lane more."""

    loop: ir.Operation
    copies: int
    ahead: int
    loads: tuple[Load, ...]
    stores: tuple[Store, ...]
    buffers: tuple[ir.Operation, ...]
    extra: int


def plan_loops(block: Block, reader: Reader, limit: int, copies: int, around: int = 0) -> list[LoopPlan]:
    """Plans for the loops inside of ``block``, inner loops first; ``limit`` as in `Bounds`.

    What the plans take is added to ``own`` of the blocks.
    """
    return _Planner(reader, limit, copies, dict(block.lives)).inside(block, around)


@dataclass(frozen=True)
class _Step:
    """One operation of a loop body that touches arrays; ``flight`` where it starts a transfer."""

    op: ir.Operation
    touched: tuple[Touched, ...]
    flight: Flight | None


@dataclass(frozen=True)
class _Planner:
    reader: Reader
    limit: int
    copies: int
    lives: dict[int, Life]

    def inside(self, block: Block, around: int) -> list[LoopPlan]:
        plans: list[LoopPlan] = []
        for number, item in enumerate(block.items):
            if item.body is None:
                continue
            point, peak = 2 * number + 1, item.body.peak
            outside = around + block.own[point] - peak
            self.lives.update(item.body.lives)
            plans += self.inside(item.body, outside)
            plan = self.loop(item, item.body, self.limit - outside - item.body.peak)
            if plan is not None:
                plans.append(plan)
            block.own[point] += item.body.peak - peak + (plan.extra if plan is not None else 0)
        return plans

    def loop(self, item: Item, body: Block, room: int) -> LoopPlan | None:
        counts = counts_of(item.op)
        if len(counts) < 2 or counts.step != 1 or len(item.op.operands) or not body.flights:
            return None
        variable = self.reader.number(item.op.regions[0].blocks[0].arguments[0])
        question = _Question(self.reader, variable, _steps(body))
        private = {m: life for m, life in self.candidates(body).items() if self.private(life, item.op, m, question)}
        while private:
            plan = self.with_buffers(item.op, body, private, question)
            if plan is None or plan.extra <= room:
                break
            del private[max(private, key=lambda memref: private[memref].size)]
        else:
            return None
        if plan is None or len(counts) < plan.ahead + bool(plan.stores):
            return None
        size = sum(1 for _ in walk(item.op)) * (1 + plan.ahead + bool(plan.stores))
        return plan if size <= _LARGEST else None

    def candidates(self, body: Block) -> dict[int, Life]:
        """Buffers of the scratchpad that transfers of the body itself fill or empty."""
        found: dict[int, Life] = {}
        for flight in _whole(body):
            for each in flight.touched:
                life = self.lives.get(each.memref)
                if life is not None and life.size:
                    found[each.memref] = life
        return found

    def private(self, life: Life, loop: ir.Operation, memref: int, question: "_Question") -> bool:
        """Whether no element outlives an iteration.

        A buffer that only this loop uses, the same elements in each iteration, holds nothing at the start of the first
        one: whatever an iteration reads it has written itself.
        """
        block = loop.regions[0].blocks[0]
        if life.alloc.block == block:
            return True
        if not all(_holds(loop, use.owner.operation) for use in life.alloc.results[0].uses):
            return False
        return not any(
            question.varies(each) for step in question.steps for each in step.touched if each.memref == memref
        )

    def with_buffers(
        self, loop: ir.Operation, body: Block, private: Mapping[int, Life], question: "_Question"
    ) -> LoopPlan | None:
        """The plan where the ``private`` buffers have several copies; None if no transfer profits."""
        flights = _whole(body)
        ahead = self.copies - 1
        inplace = {m for flight in flights for m in _read(flight)} & {m for flight in flights for m in _written(flight)}
        if ahead > 1 and inplace & set(private):
            ahead -= 1  # one copy is filled and one emptied while the third is worked on
        loads: list[Flight] = []
        for flight in flights:
            if _written(flight) <= set(private) and question.may_start_ahead(flight, loads, ahead):
                loads.append(flight)
        stores = [s for flight in flights if (s := self.store(flight, loads, ahead, private, question)) is not None]
        used = {m for flight in loads for m in _written(flight)}
        used |= {m for flight in flights if any(flight.start == each.start for each in stores) for m in _read(flight)}
        used &= set(private)
        if not used:
            return None
        extra = sum(private[m].size for m in used) * (self.copies - 1)
        buffers = tuple(private[m].alloc for m in sorted(used))
        pairs = tuple(Load(flight.start, flight.wait) for flight in loads if flight.start and flight.wait)
        return LoopPlan(loop, self.copies, ahead if pairs else 0, pairs, tuple(stores), buffers, extra)

    def store(
        self, flight: Flight, loads: Sequence[Flight], ahead: int, private: Mapping[int, Life], question: "_Question"
    ) -> Store | None:
        """How ``flight`` ends in the next iteration; None where it has to end in its own."""
        if flight in loads or not _read(flight) & set(private) or flight.start is None or flight.wait is None:
            return None
        if question.meets_later(flight):
            return None
        first = any(question.meets(flight, load, ahead + 1) for load in loads)
        if not first and (ahead + 1) % self.copies == 0:
            first = any(_written(load) & _read(flight) for load in loads)
        anchor = question.first_conflict(flight, loads, _read(flight) & set(private))
        return Store(flight.start, flight.wait, anchor, first)


@dataclass(frozen=True)
class _Question:
    """Conflicts between the iterations of one loop."""

    reader: Reader
    variable: int
    steps: Sequence[_Step]

    def varies(self, touched: Touched) -> bool:
        """Whether which elements an access touches depends on the iteration, or is not known."""
        return not touched.box or any(
            name == self.variable
            for interval in touched.box
            for name, _ in (*interval.terms, *(interval.copy.terms if interval.copy is not None else ()))
        )

    def may_start_ahead(self, load: Flight, others: Sequence[Flight], ahead: int) -> bool:
        """Whether ``load`` may start ``ahead`` iterations early; ``others`` do so already."""
        if any(self.reader.conflicts(load.touched, other.touched) for other in others):
            return False
        earlier = True
        for step in self.steps:
            if step.flight is load:
                earlier = False
            elif earlier and step.flight not in others and self.reader.conflicts(load.touched, step.touched):
                return False
            for distance in range(1, ahead + 1):
                later = shifted(_without(load.touched, _written(load)), self.variable, distance)
                if self.reader.conflicts(later, step.touched):
                    return False
        return True

    def meets(self, store: Flight, load: Flight, distance: int) -> bool:
        """Whether ``store`` conflicts with ``load`` of ``distance`` iterations later, copies apart."""
        later = shifted(_without(load.touched, _written(load)), self.variable, distance)
        return self.reader.conflicts(store.touched, later)

    def meets_later(self, store: Flight) -> bool:
        """Whether something behind the wait of ``store`` in its own iteration conflicts with it."""
        behind = False
        for step in self.steps:
            if behind and step.flight is not store and self.reader.conflicts(store.touched, step.touched):
                return True
            behind = behind or step.op == store.wait
        return False

    def first_conflict(self, store: Flight, loads: Sequence[Flight], apart: set[int]) -> ir.Operation:
        """The operation of the next iteration before which ``store`` has to end: at last its own start.

        Buffers ``apart`` have a copy for each of the two iterations.
        """
        for step in self.steps:
            if step.flight is store:
                break
            later = shifted(_without(step.touched, apart), self.variable, 1)
            if step.flight not in loads and self.reader.conflicts(store.touched, later):
                return step.op
        assert store.start is not None
        return store.start


def _steps(body: Block) -> list[_Step]:
    """What touches arrays in a loop body, in order; a wait stands there with nothing touched."""
    items = {item.op: item for item in body.items}
    starts = {flight.start: flight for flight in body.flights}
    waits = {flight.wait for flight in body.flights}
    found: list[_Step] = []
    for view in body.block.operations:
        op = view.operation
        if op in items:
            found.append(_Step(op, items[op].touched, None))
        elif op in starts:
            found.append(_Step(op, starts[op].touched, starts[op]))
        elif op in waits:
            found.append(_Step(op, (), None))
    return found


def _whole(body: Block) -> list[Flight]:
    """The transfers that start and end in an iteration."""
    return [flight for flight in body.flights if flight.start is not None and flight.wait is not None]


def _written(flight: Flight) -> set[int]:
    return {each.memref for each in flight.touched if each.write}


def _read(flight: Flight) -> set[int]:
    return {each.memref for each in flight.touched if not each.write}


def _without(touched: Sequence[Touched], apart: set[int]) -> Iterator[Touched]:
    return (each for each in touched if each.memref not in apart)


def _holds(loop: ir.Operation, op: ir.Operation) -> bool:
    inner: ir.Operation | None = op
    while inner is not None and inner != loop:
        inner = inner.parent.operation if inner.parent is not None else None
    return inner is not None
