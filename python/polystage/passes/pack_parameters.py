"""Store parameters in DRAM in the order in which their tile buffers lie in lanes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import gcd, prod

from torch_mlir import ir

from polystage.analysis.descriptors import Order as DramOrder
from polystage.analysis.descriptors import tile_run
from polystage.analysis.implementation import Implementation, MalformedImplementationError, implementation_of
from polystage.analysis.layouts import Layout
from polystage.analysis.nest_reader import read_nest
from polystage.analysis.nests import (
    Access,
    Load,
    Nest,
    Node,
    NotANestError,
    NotLinearError,
    main_function,
    top_nests,
)
from polystage.analysis.selection import NotSelectableError
from polystage.analysis.tiling import TileBuffer, tiling_of
from polystage.analysis.values import check_arguments
from polystage.dialects import affine
from polystage.dialects.npu import element_bytes
from polystage.machine import Machine, of_module
from polystage.passes.nests.ir import reindex
from polystage.passes.nests.load_function import (
    STATIC,
    Argument,
    described,
    entries_of,
    inner_operations,
    load_function,
    load_or_new,
    text_of,
    with_arguments,
    with_results,
)
from polystage.pipeline import Pass, PassContext, option


@dataclass(frozen=True)
class Order:
    """How a parameter is packed: ``dims[k]`` of the array becomes dimension ``k``.

    Where ``block`` is not zero, dimension 0 lies in blocks of so many lanes (`analysis/layouts`): all that one lane
    holds of all blocks is one run.
    """

    dims: tuple[int, ...]
    block: int = 0

    def of(self, indices: Sequence[ir.AffineExpr]) -> list[ir.AffineExpr]:
        """The indices of the packed array."""
        return [indices[k] for k in self.dims]

    def type(self, array: ir.Value) -> ir.MemRefType:
        """The type of the packed array."""
        type_ = ir.MemRefType(array.type)
        plain = ir.MemRefType.get([type_.shape[k] for k in self.dims], type_.element_type)
        return Layout(0, self.block).of_type(plain, on_chip=False) if self.block else plain


@dataclass(frozen=True)
class PackParameters(Pass):
    """Store parameters in DRAM in the order in which their tile buffers lie in lanes.

    `@load` runs once, so that the order of a parameter's dimensions is free. First comes the dimension that the nests
    spread over the lanes, then what one lane holds: for a contraction the loops whose products are summed, then those
    of the result, the rows innermost; for other nests as it was. A dimension longer than the lanes lies in blocks, as
    the layout of the new type says. What one lane loads is then one run of bytes, one descriptor. A parameter is packed
    where no read of it then has smaller descriptors and at least one has larger ones, as far as that makes the target's
    DMA more efficient; what every inference reads stays the same bytes.

    A parameter of which elements are chosen by data too (the table of an embedding that is also the last matrix) stays,
    and the other nests read a packed copy of it: such a table is never on chip as a whole, so that no inference reads
    more for it. A parameter stays as it is where its reads want different orders, and where its descriptors are as
    efficient already.

    Before:

    ```mlir
    func.func @main(%w: memref<64x32x3xf32> {polystage.name = "w", ...}, ...) {
      affine.for %m = 0 to 64 { affine.for %n = 0 to 100 { affine.for %k = 0 to 32 { affine.for %r = 0 to 3 {
        ... %y[%m, %n] += %w[%m, %k, %r] * %x[%k, %n + %r]    // npu.implementation = {lane = 2, rows = 0, ...}
    ```

    After:

    ```mlir
    func.func @main(%p: memref<32x3x64xf32> {polystage.name = "w.packed", ...}, ...) {
        ... %y[%m, %n] += %p[%k, %r, %m] * %x[%k, %n + %r]
    func.func @load(%w: memref<64x32x3xf32> {...}, %p: memref<32x3x64xf32> {polystage.kind = "output", ...}) {
      ... %p[%k, %r, %m] = %w[%m, %k, %r]
    ```

    What `hoist-parameters` computes is stored in the new order at once.

    Requires: `map-banks`.

    Refuses: a nest that reads a parameter and has no implementation.

    Statistics:
        packed: parameters packed
        copied: those of them that also stay as they are
        bytes: their size
    """

    strategy: str = option("pack", choices=("off", "pack"), help="off: parameters lie as the model has them")

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Choose an order for every parameter, then rewrite both functions."""
        if self.strategy == "off":
            return
        machine = of_module(op)
        main = main_function(op)
        check_arguments(main)
        reads = reads_of(main, machine, ctx)
        if ctx.failed:
            return
        names = {array: text_of(entry, "name") for array, entry in entries_of(main).items()}
        results = results_of_load(op)
        orders: dict[ir.Value, Order] = {}
        for array, there in reads.items():
            order = best_order(array, there, machine) if movable(array, results.get(names[array])) else None
            if order is not None:
                orders[array] = order
                ctx.statistic("packed")
                ctx.statistic("copied", int(is_chosen(array)))
                ctx.statistic("bytes", _size(array))
        if orders:
            with op.location:
                _pack(op, main, orders)


@dataclass(frozen=True)
class Read:
    """An access of a nest to a parameter, how the nest is run, and the tile buffer that the access gets.

    ``lanes`` are those of one block of the buffer.
    """

    nest: Nest
    implementation: Implementation
    access: Access
    buffer: TileBuffer
    lanes: int

    def permuted(self, dims: Sequence[int], machine: Machine) -> "Read":
        """The read of an array whose dimensions have that order; the array as a value stays."""
        if list(dims) == sorted(dims):
            return self
        access = Access(self.access.array, tuple(self.access.indices[k] for k in dims))

        def node(old: Node) -> Node:
            return replace(old, access=access) if isinstance(old, Load) and old.access == self.access else old

        nest = replace(self.nest, nodes=tuple(map(node, self.nest.nodes)))
        buffers = tiling_of(nest, self.implementation, machine).buffers
        buffer = next(each for each in buffers if each.access == access)
        return replace(self, nest=nest, access=access, buffer=buffer)


def parameters(main: ir.Operation) -> list[ir.Value]:
    """The arguments that are the same at every inference and have an order of dimensions."""
    return [
        array
        for array, entry in entries_of(main).items()
        if text_of(entry, "kind") in STATIC and ir.MemRefType(array.type).rank
    ]


def reads_of(main: ir.Operation, machine: Machine, ctx: PassContext) -> Mapping[ir.Value, list[Read]]:
    """The affine reads of each parameter; an error at every nest that cannot be run as it says."""
    found: dict[ir.Value, list[Read]] = {array: [] for array in parameters(main)}
    for loop in top_nests(main):
        if not any(value in found for op in inner_operations(loop) for value in op.operands):
            continue
        try:
            nest = read_nest(loop)
            implementation = implementation_of(nest, "map-banks")
            tiling = tiling_of(nest, implementation, machine)
        except (NotANestError, NotLinearError) as problem:
            ctx.error(loop, f"nest cannot be read: {problem}; run lower-to-affine and refine-domains first")
        except NotSelectableError as problem:
            ctx.error(loop, f"no instruction covers this nest: {problem}")
        except MalformedImplementationError as problem:
            ctx.error(loop, str(problem))
        else:
            for each in tiling.buffers:
                if each.access.array in found and each.access in nest.loads:
                    lanes = 1 if each.lane is None else tiling.blocks[each.lane]
                    found[each.access.array].append(Read(nest, implementation, each.access, each, lanes))
    return found


def movable(array: ir.Value, result: ir.Value | None) -> bool:
    """Whether the affine accesses to the parameter can move to a packed one; ``result`` is what `@load` computes."""
    if result is None:
        return True
    return all(use.owner.name in ("affine.load", "affine.store") for each in (array, result) for use in each.uses)


def is_chosen(array: ir.Value) -> bool:
    """Whether data choose elements of the array."""
    return any(not use.owner.name.startswith("affine.") for use in array.uses)


def best_order(array: ir.Value, reads: Sequence[Read], machine: Machine) -> Order | None:
    """The order that makes no read less efficient and some more; None where there is none.

    Of several that do, the one with the greatest sum of efficiencies, then the one of the first read.
    """
    own = Order(tuple(range(ir.MemRefType(array.type).rank)))
    before = [efficiency(read, own, machine) for read in reads]
    best, most = None, sum(before)
    for order in dict.fromkeys(order for read in reads for order in wishes(read, machine)):
        after = [efficiency(read, order, machine) for read in reads]
        if sum(after) > most and all(new >= old for new, old in zip(after, before, strict=True)):
            best, most = order, sum(after)
    return best


def wishes(read: Read, machine: Machine) -> Iterator[Order]:
    """The orders that suit a read: by rows, and in blocks of lanes where there are several."""
    dims = wish(read)
    yield Order(dims)
    moved = read.permuted(dims, machine)
    if moved.buffer.lane is not None and moved.buffer.lane in moved.access.indices[0].support:
        index = moved.access.indices[0]
        others = [factor for loop, factor in enumerate(index.dims) if factor and loop != moved.buffer.lane]
        block = gcd(*others) if others else moved.lanes
        if block < ir.MemRefType(read.access.array.type).shape[dims[0]]:
            yield Order(dims, block)


def wish(read: Read) -> tuple[int, ...]:
    """Lanes first, then what the nest does not run over, then the free dimensions as one lane holds them."""
    buffer, indices = read.buffer, read.access.indices
    lanes = [k for k, index in enumerate(indices) if buffer.lane in index.support]
    free = list(dict.fromkeys(k for dim in buffer.free for k, _ in dim.strides if k not in lanes))
    if read.implementation.kind == "contraction":
        free.sort(key=lambda k: _place(read, indices[k].support))
    still = [k for k in range(len(indices)) if k not in lanes and k not in free]
    return (*lanes, *still, *free)


def _place(read: Read, loops: frozenset[int]) -> int:
    """Of the dimensions of a factor: summed loops outside, the rows inside, so that each product reads a run."""
    if read.implementation.rows in loops:
        return 2
    return int(not loops.isdisjoint(read.nest.parallel))


def efficiency(read: Read, order: Order, machine: Machine) -> float:
    """Part of the DMA bandwidth that loads of whole tile buffers reach from the array in that order."""
    moved = read.permuted(order.dims, machine)
    if order.block and not in_blocks(moved, order.block):
        return 0.0
    shape = [ir.MemRefType(read.access.array.type).shape[k] for k in order.dims]
    return machine.dma.efficiency_at(descriptor_bytes(moved, shape, order.block))


def in_blocks(read: Read, block: int) -> bool:
    """Whether every lane of the buffer holds elements of one lane of an array in such blocks."""
    index, lane = read.access.indices[0], read.buffer.lane
    if lane is None or index.dims[lane] != 1 or index.const % block or any(index.symbols):
        return False
    others = [factor for loop, factor in enumerate(index.dims) if factor and loop != lane]
    fits = read.nest.extents[lane] <= block if others else read.lanes == block
    return fits and not any(factor % block for factor in others)


def descriptor_bytes(read: Read, shape: Sequence[int], block: int = 0) -> int:
    """Bytes that lie in one run both in an array of that shape and in a lane of the buffer of the whole nest."""
    order = DramOrder(tuple(shape), Layout(0, block) if block else None)
    return tile_run(order, read.buffer, read.nest.extents, read.lanes) * element_bytes(read.buffer.element)


def results_of_load(module: ir.Operation) -> Mapping[str, ir.Value]:
    """What `@load` returns, by name; nothing where there is no `@load`."""
    load = load_function(module)
    entries = {} if load is None else entries_of(load)
    return {text_of(entry, "name"): array for array, entry in entries.items() if text_of(entry, "kind") == "output"}


def _size(array: ir.Value) -> int:
    type_ = ir.MemRefType(array.type)
    return prod(type_.shape) * element_bytes(type_.element_type)


def _packed_name(entry: ir.DictAttr) -> str:
    return f"{text_of(entry, 'name')}.packed"


def _pack(module: ir.Operation, main: ir.Operation, orders: Mapping[ir.Value, Order]) -> None:
    """Rewrite `@main` to read the parameters in their new order, and `@load` to store them so."""
    entries = entries_of(main)
    load = load_or_new(module)
    results = results_of_load(module)
    computed: dict[ir.Value, Order] = {}
    given: dict[ir.Value, Order] = {}
    for array, order in orders.items():
        result = results.get(text_of(entries[array], "name"))
        if result is None:
            given[array] = order
        else:
            computed[result] = order
    _add_to_load(_renamed(load, computed), entries, given)
    _renamed(main, orders)


def _renamed(function: ir.Operation, orders: Mapping[ir.Value, Order]) -> ir.Operation:
    """The function with some of its arguments in a new order and every affine access to them permuted.

    Arguments whose elements are chosen by data stay, and the affine accesses move to a new argument.
    """
    arguments: list[Argument] = []
    moving: dict[str, list[ir.Operation]] = {}
    for array, entry in entries_of(function).items():
        if array not in orders:
            arguments.append(Argument(array.type, entry, array))
            continue
        accesses = [use.owner.operation for use in array.uses if use.owner.name.startswith("affine.")]
        for op in accesses:
            reindex(op, orders[array].of)
        stays = is_chosen(array)
        if stays:
            arguments.append(Argument(array.type, entry, array))
            moving[_packed_name(entry)] = accesses
        new = described(_packed_name(entry), text_of(entry, "kind"))
        arguments.append(Argument(orders[array].type(array), new, None if stays else array))
    renamed = with_arguments(function, arguments)
    for array, entry in entries_of(renamed).items():
        for load in moving.get(text_of(entry, "name"), ()):
            load.operands[0] = array
    return renamed


def _add_to_load(load: ir.Operation, entries: Mapping[ir.Value, ir.DictAttr], orders: Mapping[ir.Value, Order]) -> None:
    """Give `@load` the parameters of the model that are packed, and the nests that pack them."""
    sources = {array: entries[array] for array in orders}
    packed = [
        Argument(order.type(array), described(_packed_name(entries[array]), "output"))
        for array, order in orders.items()
    ]
    function, by_name = with_results(load, sources, packed)
    with ir.InsertionPoint.at_block_terminator(function.regions[0].blocks[0]):
        for array, order in orders.items():
            source, target = by_name[text_of(entries[array], "name")], by_name[_packed_name(entries[array])]
            with array.location:
                _packing_nest(source, target, order)


def _packing_nest(source: ir.Value, target: ir.Value, order: Order) -> None:
    """``target[i_order[0], ...] = source[i_0, ...]``, target in row-major order; loops of one trip are left out."""
    extents = ir.MemRefType(target.type).shape
    looped = [k for k, extent in enumerate(extents) if extent > 1]
    loops = [extents[k] for k in looped]
    zero = ir.AffineExpr.get_constant(0)
    indices = [ir.AffineExpr.get_dim(looped.index(k)) if k in looped else zero for k in range(len(extents))]
    inverse = [order.dims.index(k) for k in range(len(order.dims))]
    with affine.nest(loops) as ivs:
        read = ir.AffineMap.get(len(ivs), 0, [indices[k] for k in inverse])
        affine.store(affine.load(source, read, ivs), target, ir.AffineMap.get(len(ivs), 0, indices), ivs)
