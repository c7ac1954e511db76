"""Gives buffers copies and lets transfers of a loop cross its iterations (mechanism of ``pipeline-dma``).

Before --> after, for one load into ``a`` and two copies of it::

    for i in 0..n:                     t0 = start a[0] = x[0]
      t = start a = x[i]               t1 = for i in 0..n-1 carrying t = t0:
      wait t                    -->       s = start a[(i + 1) mod 2] = x[i + 1]
      compute a                           wait t
                                          compute a[i mod 2]
                                          yield s
                                       wait t1
                                       compute a[(n - 1) mod 2]
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch_mlir import ir

from polystage.dialects import affine, npu
from polystage.dialects.npu.planned import PLANNED
from polystage.passes.pipelining.accesses import counts_of
from polystage.passes.pipelining.iterations import Place, Values
from polystage.passes.pipelining.loops import LoopPlan

_TOKEN = "!npu.token"


def rewrite(plans: Sequence[LoopPlan]) -> None:
    """Do what ``plans`` say; inner loops come first."""
    for plan in plans:
        for store in plan.stores:
            store.wait.move_before(store.anchor)  # waits of one iteration for the one before it, from here on
    for plan in plans:
        with plan.loop.location:
            _Rewriting(_with_copies(plan)).run()
        plan.loop.erase()


# ---- copies of buffers


def _with_copies(plan: LoopPlan) -> LoopPlan:
    """Give each buffer a dimension of copies behind the lane; the plan with the instructions that came of it."""
    body = plan.loop.regions[0].blocks[0]
    with ir.InsertionPoint.at_block_begin(body):
        turn = ir.AffineExpr.get_mod(ir.AffineExpr.get_dim(0), plan.copies)
        copy = affine.apply(ir.AffineMap.get(1, 0, [turn]), [body.arguments[0]])
    buffers: dict[ir.Value, ir.Value] = {alloc.results[0]: _enlarged(alloc, plan) for alloc in plan.buffers}
    users = dict.fromkeys(use.owner.operation for old in buffers for use in old.uses)
    renewed = {user: _on_copy(user, buffers, copy) for user in users}
    loads = tuple(replace(load, start=renewed.get(load.start, load.start)) for load in plan.loads)
    stores = tuple(replace(store, start=renewed.get(store.start, store.start)) for store in plan.stores)
    for op in [*users, *plan.buffers]:
        op.erase()
    return replace(plan, loads=loads, stores=stores, buffers=())


def _enlarged(alloc: ir.Operation, plan: LoopPlan) -> ir.Value:
    """The buffer with all its copies, allocated outside of the loop."""
    old = ir.MemRefType(alloc.results[0].type)
    shape = [old.shape[0], plan.copies, *old.shape[1:]]
    inside = alloc.block == plan.loop.regions[0].blocks[0]
    attributes = {name: alloc.attributes[name] for name in alloc.attributes if name != PLANNED}
    with ir.InsertionPoint(plan.loop if inside else alloc), alloc.location:
        type_ = ir.MemRefType.get(shape, old.element_type, memory_space=old.memory_space)
        return ir.Operation.create("memref.alloc", [type_], [], attributes).results[0]


def _on_copy(op: ir.Operation, buffers: Mapping[ir.Value, ir.Value], copy: ir.Value) -> ir.Operation:
    """The instruction ``op`` on copy ``copy`` of the new buffers, before the old one, which nobody uses any more."""
    instruction = npu.decode(op)
    indices = [*instruction.indices, copy]
    maps: list[ir.AffineMap] = []
    for memref, access in zip(instruction.memrefs, instruction.maps, strict=True):
        results = list(access.results)
        if memref in buffers:
            results.insert(1, ir.AffineExpr.get_symbol(len(indices) - 1))
        maps.append(ir.AffineMap.get(access.n_dims, len(indices), results))
    attributes = {name: op.attributes[name] for name in op.attributes}
    attributes["maps"] = ir.ArrayAttr.get([ir.AffineMapAttr.get(each) for each in maps])
    if op.name == "npu.iota":
        value = ir.AffineMapAttr(attributes["value"]).value
        attributes["value"] = ir.AffineMapAttr.get(ir.AffineMap.get(value.n_dims, len(indices), list(value.results)))
    if "operandSegmentSizes" in attributes:
        segments = list(ir.DenseI32ArrayAttr(attributes["operandSegmentSizes"]))
        attributes["operandSegmentSizes"] = ir.DenseI32ArrayAttr.get([*segments[:-1], len(indices)])
    memrefs = [buffers.get(memref, memref) for memref in instruction.memrefs]
    with ir.InsertionPoint(op), op.location:
        made = ir.Operation.create(op.name, [each.type for each in op.results], [*memrefs, *indices], attributes)
    for before, after in zip(op.results, made.results, strict=True):
        before.replace_all_uses_with(after)
    return made


# ---- iterations


@dataclass(frozen=True)
class _Under:
    """Tokens that are carried from iteration to iteration: of loads, the oldest first, and of stores."""

    loads: tuple[tuple[ir.Value, ...], ...]
    stores: tuple[ir.Value, ...]

    @property
    def flat(self) -> list[ir.Value]:
        """All of them."""
        return [*(token for tokens in self.loads for token in tokens), *self.stores]

    def like(self, tokens: Sequence[ir.Value]) -> "_Under":
        """The same form with other values."""
        rest = iter(tokens)
        return _Under(
            tuple(tuple(next(rest) for _ in each) for each in self.loads), tuple(next(rest) for _ in self.stores)
        )


class _Rewriting:
    def __init__(self, plan: LoopPlan) -> None:
        self.plan = plan
        self.counts = counts_of(plan.loop)
        self.counter = plan.loop.regions[0].blocks[0].arguments[0]
        self.constants: dict[int, ir.Value] = {}
        self.load_starts = [load.start for load in plan.loads]
        self.load_waits = {load.wait: k for k, load in enumerate(plan.loads)}
        self.store_starts = {store.start: k for k, store in enumerate(plan.stores)}
        self.store_waits = {store.wait: k for k, store in enumerate(plan.stores)}
        self.first = [store.wait for store in plan.stores if store.first]
        self.ops = [view.operation for view in plan.loop.regions[0].blocks[0].operations][:-1]

    def run(self) -> None:
        plan, begin, end = self.plan, self.counts.start, self.counts.stop
        peeled = bool(plan.stores)
        with ir.InsertionPoint(plan.loop):
            places = [Place(None, begin + k) for k in range(plan.ahead)]
            loads = [[self.begin(start, place) for place in places] for start in self.load_starts]
            under = _Under(tuple(map(tuple, loads)), ())
            if peeled:
                under = self.iteration(Place(None, begin), under, begin + plan.ahead < end)
            if begin + peeled + 1 < end - plan.ahead:
                under = self.loop(begin + peeled, end - plan.ahead, under)
            elif begin + peeled + 1 == end - plan.ahead:
                under = self.iteration(Place(None, begin + peeled), under, True)
            for k in range(max(begin + peeled, end - plan.ahead), end):
                under = self.iteration(Place(None, k), under, False)
            for token in under.stores:
                npu.dma_wait(token)

    def begin(self, start: ir.Operation, place: Place) -> ir.Value:
        return Values(self.counter, place, self.constants).copy(start).results[0]

    def loop(self, begin: int, end: int, under: _Under) -> _Under:
        token, index = ir.Type.parse(_TOKEN), ir.IndexType.get()
        carried = under.flat
        attributes = {name: self.plan.loop.attributes[name] for name in self.plan.loop.attributes}
        attributes["lowerBoundMap"] = ir.AffineMapAttr.get(ir.AffineMap.get_constant(begin))
        attributes["upperBoundMap"] = ir.AffineMapAttr.get(ir.AffineMap.get_constant(end))
        attributes["operandSegmentSizes"] = ir.DenseI32ArrayAttr.get([0, 0, len(carried)])
        op = ir.Operation.create("affine.for", [token] * len(carried), carried, attributes, regions=1)
        block = op.regions[0].blocks.append(index, *([token] * len(carried)))
        counter, *tokens = block.arguments
        with ir.InsertionPoint(block):
            after = self.iteration(Place(counter, 0), under.like(tokens), True)
            ir.Operation.create("affine.yield", [], after.flat)
        return under.like(list(op.results))

    def iteration(self, place: Place, under: _Under, more: bool) -> _Under:
        """One iteration; ``more`` says that loads of later ones are still to be started."""
        values = Values(self.counter, place, self.constants)
        for wait in self.first:
            self.end_store(wait, under)
        ahead = place.later(self.plan.ahead)
        started = [self.begin(start, ahead) for start in self.load_starts] if more else []
        stores: dict[int, ir.Value] = {}
        for op in self.ops:
            if op in self.load_starts or op in self.first:
                continue
            if op in self.load_waits:
                npu.dma_wait(under.loads[self.load_waits[op]][0])
            elif op in self.store_waits:
                self.end_store(op, under)
            elif op.name == "affine.apply":
                values.of(op.results[0])
            elif op in self.store_starts:
                stores[self.store_starts[op]] = values.copy(op).results[0]
            else:
                values.copy(op)
        loads = [tokens[1:] for tokens in under.loads]
        if more:
            loads = [(*tokens, new) for tokens, new in zip(loads, started, strict=True)]
        return _Under(tuple(loads), tuple(stores[k] for k in range(len(self.plan.stores))))

    def end_store(self, wait: ir.Operation, under: _Under) -> None:
        if under.stores:
            npu.dma_wait(under.stores[self.store_waits[wait]])
