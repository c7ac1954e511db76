"""Writes one nest as tile loops, transfers and point nests on tile buffers (mechanism of ``stage``)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil

from torch_mlir import ir

from polystage.analysis.implementation import ATTRIBUTE
from polystage.analysis.layouts import Layout
from polystage.analysis.nests import Access, Constant, Gather, Index, Linear, Load, Node, Scalar
from polystage.analysis.tiling import NestTiling, PointLoops, TileBuffer, depth_of
from polystage.analysis.values import array_name
from polystage.dialects import affine, npu

KIND = "npu.nest"  # on the outermost loop of a point nest: "transfer" or "compute"


@dataclass(frozen=True)
class Segment:
    """``count`` tiles of ``size`` iterations, the first at ``start``."""

    start: int
    count: int
    size: int


def segments(extent: int, size: int) -> Iterator[Segment]:
    """Whole tiles, then the remainder."""
    if extent >= size:
        yield Segment(0, extent // size, size)
    if extent % size:
        yield Segment(extent - extent % size, 1, extent % size)


@dataclass(frozen=True)
class Span:
    """Where a loop of the nest is: at ``start + step * iv`` (``iv`` a tile loop's, or None) for ``size`` iterations."""

    start: int
    size: int
    iv: ir.Value | None = None
    step: int = 0


class Form:
    """A linear form under construction over induction variables (values) of the code being written."""

    def __init__(self, const: int = 0) -> None:
        self.const = const
        self.terms: dict[ir.Value, int] = {}

    def add(self, iv: ir.Value | None, factor: int) -> "Form":
        """Add ``factor * iv``; no induction variable stands for zero."""
        if iv is not None and factor:
            self.terms[iv] = self.terms.get(iv, 0) + factor
        return self


def access_map(forms: Sequence[Form]) -> tuple[ir.AffineMap, list[ir.Value]]:
    """The affine map of several forms and its operands."""
    operands = list(dict.fromkeys(iv for form in forms for iv in form.terms))
    position = {iv: k for k, iv in enumerate(operands)}
    exprs: list[ir.AffineExpr] = []
    for form in forms:
        expr: ir.AffineExpr = ir.AffineExpr.get_constant(form.const)
        for iv, factor in form.terms.items():
            expr = expr + ir.AffineExpr.get_dim(position[iv]) * factor
        exprs.append(expr)
    return ir.AffineMap.get(len(operands), 0, exprs), operands


class StagedNest:
    """One nest being written with given tile sizes and order of tile loops."""

    def __init__(
        self,
        tiling: NestTiling,
        sizes: Sequence[int],
        order: Sequence[int],
        constant: Callable[[Constant], ir.Value],
    ) -> None:
        self.tiling, self.nest, self.sizes = tiling, tiling.nest, tuple(sizes)
        self.constant = constant
        self.trips = [ceil(e / s) for e, s in zip(self.nest.extents, sizes, strict=True)]
        self.order = [loop for loop in order if self.trips[loop] > 1]
        self.memory = {buffer: self._alloc(buffer) for buffer in tiling.buffers}
        self.by_access = {buffer.access: buffer for buffer in tiling.buffers}

    def write(self) -> None:
        """Write the nest at the current insertion point."""
        whole = {loop: Span(0, extent) for loop, extent in enumerate(self.nest.extents) if self.trips[loop] == 1}
        self._level(0, whole)

    def _alloc(self, buffer: TileBuffer) -> ir.Value:
        shape = buffer.shape(self.sizes, self.tiling.blocks)
        type_ = ir.MemRefType.get(shape, buffer.element, memory_space=npu.sbuf())
        if buffer.lane is None and buffer.lanes > 1:
            type_ = Layout(None, buffer.lanes).of_type(type_, on_chip=True)
        return affine.alloc(type_, f"{array_name(buffer.access.array)}.tile")

    def _level(self, depth: int, spans: Mapping[int, Span]) -> None:
        here = [b for b in self.tiling.buffers if depth_of(b.loops, self.trips, self.order) == depth]
        for buffer in here:
            if buffer.loaded:
                self._transfer(buffer, spans, load=True)
        if depth == len(self.order):
            self._compute(spans)
        else:
            loop = self.order[depth]
            for segment in segments(self.nest.extents[loop], self.sizes[loop]):
                if segment.count == 1:
                    self._level(depth + 1, {**spans, loop: Span(segment.start, segment.size)})
                else:
                    with affine.loop(segment.count) as iv:
                        span = Span(segment.start, segment.size, iv, segment.size)
                        self._level(depth + 1, {**spans, loop: span})
        for buffer in here:
            if buffer.stored:
                self._transfer(buffer, spans, load=False)

    def _transfer(self, buffer: TileBuffer, spans: Mapping[int, Span], *, load: bool) -> None:
        """One copy nest for each run of equal lane blocks."""
        sizes = [spans[d].size if d in spans else self.sizes[d] for d in range(len(self.sizes))]
        free = [dim.extent(sizes) for dim in buffer.free]
        for block in self._lane_blocks(buffer, sizes):
            extents = [block.count, block.size, *free]
            kept = [k for k, extent in enumerate(extents) if extent > 1]
            with affine.nest([extents[k] for k in kept], {KIND: ir.StringAttr.get("transfer")}) as ivs:
                iv = dict(zip(kept, ivs, strict=True))
                tile = self.buffer_index(
                    buffer, block, iv.get(0), iv.get(1), [Form().add(iv.get(k + 2), 1) for k in range(len(free))]
                )
                array = [
                    self._array_index(buffer, position, block, iv, spans, sizes)
                    for position in range(len(buffer.access.indices))
                ]
                source, target = (array, tile) if load else (tile, array)
                memories = (buffer.access.array, self.memory[buffer])
                from_, to = memories if load else memories[::-1]
                affine.store(affine.load(from_, *access_map(source)), to, *access_map(target))

    def _lane_blocks(self, buffer: TileBuffer, sizes: Sequence[int]) -> Iterator[Segment]:
        if buffer.lane is None:
            yield Segment(0, 1, 1)
            return
        block = self.tiling.blocks[buffer.lane]
        if buffer.blocked:
            yield from segments(sizes[buffer.lane], block)
        else:
            yield Segment(0, 1, min(sizes[buffer.lane], block))

    def buffer_index(
        self, buffer: TileBuffer, block: Segment, outer: ir.Value | None, lane: ir.Value | None, free: Sequence[Form]
    ) -> list[Form]:
        """Index into a tile buffer: lane, block of lanes where there are several, free dimensions."""
        index = [Form().add(lane, 1)]
        if self._has_blocks(buffer):
            index.append(Form(block.start // self.tiling.blocks[buffer.lane or 0]).add(outer, 1))
        return [*index, *free]

    def _has_blocks(self, buffer: TileBuffer) -> bool:
        if buffer.lane is None or not buffer.blocked:
            return False
        return self.sizes[buffer.lane] > self.tiling.blocks[buffer.lane]

    def _array_index(
        self,
        buffer: TileBuffer,
        position: int,
        block: Segment,
        iv: Mapping[int, ir.Value],
        spans: Mapping[int, Span],
        sizes: Sequence[int],
    ) -> Form:
        index = buffer.access.indices[position]
        form = self.origin(index, spans)
        if buffer.blocked and buffer.lane is not None:
            factor = index.dims[buffer.lane]
            form.const += factor * block.start
            form.add(iv.get(0), factor * block.size).add(iv.get(1), factor)
        for k, dim in enumerate(buffer.free):
            for stride in [stride for at, stride in dim.strides if at == position]:
                form.const += stride * dim.least(sizes)
                form.add(iv.get(k + 2), stride)
        return form

    def origin(self, index: Linear, spans: Mapping[int, Span]) -> Form:
        """The index at the first iteration of the current tile."""
        form = Form(index.const)
        for symbol, factor in zip(self.nest.symbols, index.symbols, strict=True):
            form.add(symbol, factor)
        for loop, factor in enumerate(index.dims):
            if factor and loop in spans:
                form.const += factor * spans[loop].start
                form.add(spans[loop].iv, factor * spans[loop].step)
        return form

    def _compute(self, spans: Mapping[int, Span]) -> None:
        sizes = [spans[d].size for d in range(len(self.sizes))]
        lane_loops = list(self.tiling.blocks)
        runs = [list(segments(sizes[loop], self.tiling.blocks[loop])) for loop in lane_loops]
        for chosen in product(*runs):
            PointNest(self, spans, sizes, dict(zip(lane_loops, chosen, strict=True))).write()


class PointNest:
    """The computation of one tile, on one run of equal lane blocks for each lane loop."""

    def __init__(
        self, staged: StagedNest, spans: Mapping[int, Span], sizes: Sequence[int], blocks: Mapping[int, Segment]
    ) -> None:
        self.staged, self.spans, self.sizes, self.blocks = staged, spans, sizes, blocks
        self.outer: dict[int, ir.Value] = {}
        self.inner: dict[int, ir.Value] = {}
        self.values: list[ir.Value] = []

    def write(self) -> None:
        """Write the loops and the body."""
        blocks = [self.blocks.get(loop, Segment(0, 1, size)) for loop, size in enumerate(self.sizes)]
        loops = PointLoops(tuple((block.count, block.size) for block in blocks))
        implementation = loops.implementation(self.staged.tiling.implementation)
        attributes = {KIND: ir.StringAttr.get("compute"), ATTRIBUTE: implementation.to_attribute()}
        with affine.nest([extent for _, _, extent, _ in loops.kept], attributes) as ivs:
            for (loop, over_blocks, _, _), iv in zip(loops.kept, ivs, strict=True):
                (self.outer if over_blocks else self.inner)[loop] = iv
            self._body()

    def _body(self) -> None:
        nest = self.staged.nest
        for node in nest.nodes:
            self.values.append(self._node(node))
        value = self.values[nest.store.value]
        if nest.store.indirect:
            indices = [self._index_value(index) for index in nest.store.indices]
            ir.Operation.create("memref.store", [], [value, nest.store.array, *indices])
        else:
            affine.store(value, *self._place(nest.store.access))

    def _node(self, node: Node) -> ir.Value:
        match node:
            case Load():
                return affine.load(*self._place(node.access))
            case Constant():
                return self.staged.constant(node)
            case Index():
                value = self._index_value(node.value)
                return ir.Operation.create("arith.index_cast", [node.type], [value]).result
            case Gather():
                indices = [self._index_value(index) for index in node.indices]
                return ir.Operation.create("memref.load", [node.type], [node.array, *indices]).result
            case Scalar():
                i64 = ir.IntegerType.get_signless(64)
                attributes: dict[str, ir.Attribute] = (
                    {} if node.predicate is None else {"predicate": ir.IntegerAttr.get(i64, node.predicate)}
                )
                operands = [self.values[k] for k in node.operands]
                return ir.Operation.create(node.name, [node.type], operands, attributes).result

    def _place(self, access: Access) -> tuple[ir.Value, ir.AffineMap, list[ir.Value]]:
        """Where the point nest finds an element: in a tile buffer, or in an array that is on chip."""
        if access in self.staged.by_access:
            memory = self.staged.memory[self.staged.by_access[access]]
            return memory, *access_map(self._tile_index(access))
        return access.array, *access_map([self._global(index) for index in access.indices])

    def _index_value(self, index: Linear | int) -> ir.Value:
        if isinstance(index, Linear):
            access, operands = access_map([self._global(index)])
            return affine.apply(access, operands)
        value = self.values[index]
        return ir.Operation.create("arith.index_cast", [ir.IndexType.get()], [value]).result

    def _local(self, form: Form, loop: int, factor: int) -> Form:
        """Add ``factor`` times the position of ``loop`` inside the tile."""
        block = self.blocks.get(loop)
        if block is not None:
            form.const += factor * block.start
            form.add(self.outer.get(loop), factor * block.size)
        return form.add(self.inner.get(loop), factor)

    def _global(self, index: Linear) -> Form:
        form = self.staged.origin(index, self.spans)
        for loop, factor in enumerate(index.dims):
            if factor:
                self._local(form, loop, factor)
        return form

    def _tile_index(self, access: Access) -> list[Form]:
        buffer = self.staged.by_access[access]
        free = list[Form]()
        for dim in buffer.free:
            form = Form(-dim.least(self.sizes))
            for loop, factor in dim.factors:
                self._local(form, loop, factor)
            free.append(form)
        if buffer.lane is None:
            return [Form(), *free]
        block = self.blocks[buffer.lane]
        return self.staged.buffer_index(buffer, block, self.outer.get(buffer.lane), self.inner.get(buffer.lane), free)
