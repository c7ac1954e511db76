"""inline-index-tables: an array of indices that is cheaper to compute than to load is computed."""

from dataclasses import dataclass

from torch_mlir import ir

from polystage.analysis.nests import main_function
from polystage.passes.nests import fold
from polystage.passes.nests.body import Body, Index, Load, Store, loads_of
from polystage.passes.nests.evaluate import cone_of
from polystage.passes.nests.io import Reader, Writer
from polystage.passes.nests.ir import nest_of, reported, splat_globals, walk
from polystage.passes.nests.quasi import ZERO, Quasi
from polystage.passes.nests.tree import STORES, statements_of
from polystage.pipeline import Pass, PassContext


@dataclass(frozen=True)
class InlineIndexTables(Pass):
    """Replace loads from arrays that hold a function of their position by that function.

    The array is written by one nest that loads nothing. A quasi-affine function (0, 1, 2 ...) is inlined
    everywhere, any other one only where an index, an integer array or another such array is computed from it.

    Before:
    ```mlir
    affine.for %i = 0 to 8 { affine.store %i, %t[%i] : memref<8xi32> }
    affine.for %i = 0 to 8 { %0 = affine.load %t[%i] ; %1 = memref.load %x[%0] ; affine.store %1, %y[%i] }
    ```
    After:
    ```mlir
    affine.for %i = 0 to 8 { %0 = affine.load %x[%i] ; affine.store %0, %y[%i] }
    ```

    Requires: nests as normalize-nests leaves them.
    Statistics: tables, loads (replaced).
    """

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Inline every table, in program order, so that a table of a table is one."""
        with op.context, ir.Location.unknown(), reported(ctx):
            block = main_function(op).regions[0].blocks[0]
            inliner = _Inliner(Reader(splat_globals(op)), Writer(block), ctx)
            for array in _written(block):
                inliner.inline(array)


class _Inliner:
    """Inlines the tables of one function."""

    def __init__(self, reader: Reader, writer: Writer, ctx: PassContext) -> None:
        self.reader, self.writer, self.ctx = reader, writer, ctx
        self.known: dict[ir.Value, bool] = {}

    def inline(self, array: ir.Value) -> None:
        """Inline ``array`` where that pays, if it is a table."""
        store = _only_store(array)
        if store is None or not self.is_positional(array) or _loads(store):
            return
        table = self.body_of(store)
        if not _covers(table):
            return
        self.ctx.statistic("tables")
        always = isinstance(table.nodes[table.result().value], Index)
        users = [use.owner.operation for use in array.uses]
        for nest in dict.fromkeys(nest_of(op) for op in users if op != store):
            if nest is None:
                continue
            body = self.body_of(nest)
            if always or _computes_indices(body, array) or self.is_positional(body.result().array):
                with ir.InsertionPoint(nest):
                    self.writer.write(_without_loads(body, table, self.ctx), nest.location)
                nest.erase()

    def is_positional(self, array: ir.Value) -> bool:
        """Whether one nest writes the array, from arrays of the same sort only."""
        if array not in self.known:
            store = _only_store(array)
            self.known[array] = False  # an accumulator depends on itself
            self.known[array] = store is not None and all(self.is_positional(op.operands[0]) for op in _loads(store))
        return self.known[array]

    def body_of(self, op: ir.Operation) -> Body:
        return self.reader.read(next(statements_of(nest_of(op) or op)))


def _written(block: ir.Block) -> list[ir.Value]:
    """The arrays that the nests of ``block`` write, in program order."""
    stores = [op for view in block.operations for op in walk(view.operation) if op.name in STORES]
    return list(dict.fromkeys(store.operands[1] for store in stores))


def _only_store(array: ir.Value) -> ir.Operation | None:
    """The store to an allocated array, if there is one only."""
    if isinstance(array.owner, ir.Block):
        return None
    users = [(use.owner.operation, use.operand_number) for use in array.uses]
    stores = [op for op, number in users if op.name in STORES and number == 1]
    return stores[0] if len(stores) == 1 else None


def _loads(store: ir.Operation) -> list[ir.Operation]:
    """The loads in the body that ``store`` ends."""
    return [v.operation for v in store.block.operations if v.operation.name in ("affine.load", "memref.load")]


def _computes_indices(body: Body, array: ir.Value) -> bool:
    """Whether an index, or an integer that is stored, is computed from a load from ``array``."""
    store, loads = body.result(), loads_of(body)
    roots = [i for access in (*loads, store) for i in access.indices if isinstance(i, int)]
    element = ir.MemRefType(store.array.type).element_type
    if isinstance(element, ir.IntegerType) and element.width > 1:
        roots.append(store.value)
    nodes = [body.nodes[number] for root in roots for number in cone_of(body, root)]
    return any(isinstance(node, Load) and node.array == array for node in nodes)


def _covers(body: Body) -> bool:
    """Whether the nest stores every element of its array once, at plain induction variables."""
    store = body.result()
    if not all(isinstance(index, Quasi) for index in store.indices):
        return False
    shape = ir.MemRefType(store.array.type).shape
    plain = [_iv(index) for index in store.indices]
    covered = all(
        body.extents[depth] == size if depth is not None else size == 1 and index == ZERO
        for depth, index, size in zip(plain, store.indices, shape, strict=True)
    )
    return covered and sorted(d for d in plain if d is not None) == list(range(len(body.extents)))


def _iv(index: "Quasi | int") -> int | None:
    """The induction variable that ``index`` is."""
    if isinstance(index, Quasi) and index.const == 0 and len(index.terms) == 1 and index.terms[0][1] == 1:
        atom = index.terms[0][0]
        return atom if isinstance(atom, int) else None
    return None


def _without_loads(body: Body, table: Body, ctx: PassContext) -> Body:
    """``body`` with the loads from the array of ``table`` computed."""
    new, numbers = Body(body.extents), list[int]()
    ivs = [Quasi(0, ((depth, 1),)) for depth in range(len(body.extents))]
    for node, location in zip(body.nodes, body.locations, strict=True):
        if (
            isinstance(node, Load)
            and node.array == table.result().array
            and all(isinstance(i, Quasi) for i in node.indices)
        ):
            numbers.append(_computed(new, node, table))
            ctx.statistic("loads")
        else:
            numbers.append(fold.replay(new, node, numbers, ivs, location))
    old = body.result()
    indices = tuple(new.index(numbers[i]) if isinstance(i, int) else i for i in old.indices)
    new.store = Store(old.array, indices, numbers[old.value], old.location)
    return new


def _computed(body: Body, load: Load, table: Body) -> int:
    """The value of ``load`` computed in ``body`` as ``table`` computes it."""
    values = [ZERO] * len(table.extents)
    for index, at in zip(table.result().indices, load.indices, strict=True):
        depth = _iv(index)
        if depth is not None and isinstance(at, Quasi):
            values[depth] = at
    numbers = list[int]()
    for node, location in zip(table.nodes, table.locations, strict=True):
        numbers.append(fold.replay(body, node, numbers, values, location))
    return numbers[table.result().value]
