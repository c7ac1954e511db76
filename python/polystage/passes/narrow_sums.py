"""Keep sums in the type in which they are read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from torch_mlir import ir

from polystage.analysis.nests import Access, Nest, main_function
from polystage.analysis.values import array_name, producer
from polystage.dialects import affine
from polystage.passes.nests.array_uses import accesses_of_allocs
from polystage.passes.nests.ir import nest_of, op_after
from polystage.pipeline import Pass, PassContext

Accesses = Sequence[tuple[Nest, Access]]


@dataclass(frozen=True)
class NarrowSums(Pass):
    """Keep sums in the type in which they are read.

    Contractions add in f32, and what reads the sums may cast them to a narrower type first. A nest that is the only
    one to do so reads them where they were added. Where several do, and read elements again, a nest of its own casts
    the sums to an array that they read: it is half as large while it waits for them, and each time that it moves. What
    one nest computes, as a mean from sums, that nest casts itself.

    Before:

    ```mlir
    %t[%i] = %t[%i] + %a[%i, %k] * %b[%k]     // for all %k
    %x[%i] = exp(truncf(%t[%i]))
    %y[%i] = sqrt(truncf(%t[%i]))
    ```

    After:

    ```mlir
    %t[%i] = %t[%i] + %a[%i, %k] * %b[%k]     // for all %k
    %n[%i] = truncf(%t[%i])
    %x[%i] = exp(%n[%i])
    %y[%i] = sqrt(%n[%i])
    ```

    Requires: affine normal form with linear accesses (`refine-domains`).

    Refuses: nothing; what it cannot read stays for `map-banks` to report.

    Statistics:
        narrowed: arrays that are read through a narrower one
    """

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Narrow every sum that several nests read."""
        for array, found in accesses_of_allocs(main_function(op)).items():
            type_ = narrow_type(array)
            if type_ is None or not is_read_again(array, found):
                continue
            if is_summed(array, found):
                _narrow(array, type_, found)
            elif (store := only_store(array, found)) is not None:
                _store_narrow(array, type_, store)
            else:
                continue
            ctx.statistic("narrowed", 1)


def narrow_type(array: ir.Value) -> ir.Type | None:
    """The one type to which all nests cast what they load of an array, but for those that store to it."""
    types = set[ir.Type]()
    for op in _reads(array):
        for use in op.results[0].uses:
            owner = use.owner.operation
            if owner.name != "arith.truncf":
                return None
            types.add(owner.results[0].type)
    return types.pop() if len(types) == 1 else None


def is_summed(array: ir.Value, accesses: Accesses) -> bool:
    """Whether a nest adds to the array, and all that store to it come before those that only read it."""
    writers = [k for k, (nest, _) in enumerate(accesses) if nest.store.array == array]
    reads = [k for k, (nest, _) in enumerate(accesses) if nest.store.array != array]
    adds = any(nest.store.array == array and nest.self_loads for nest, _ in accesses)
    return adds and bool(reads) and max(writers) < min(reads)


def only_store(array: ir.Value, accesses: Accesses) -> ir.Operation | None:
    """The one operation that stores to the array, in a nest before its readers that does more than fill it."""
    stores = [use.owner.operation for use in array.uses if use.owner.operation.name == "affine.store"]
    first, writers = accesses[0][0], [nest for nest, _ in accesses if nest.store.array == array]
    return stores[0] if len(stores) == len(writers) == 1 and first is writers[0] and first.loads else None


def is_read_again(array: ir.Value, accesses: Accesses) -> bool:
    """Whether several nests read the array, more elements together than it has."""
    reads = [(nest, access) for nest, access in accesses if nest.store.array != array]
    elements = sum(prod(nest.extents[loop] for loop in access.support) for nest, access in reads)
    return len({nest.op for nest, _ in reads}) > 1 and elements > prod(ir.MemRefType(array.type).shape)


def _reads(array: ir.Value) -> Iterator[ir.Operation]:
    """The loads of an array in nests that do not store to it."""
    stores = {nest_of(use.owner.operation) for use in array.uses if use.owner.operation.name == "affine.store"}
    for use in array.uses:
        op = use.owner.operation
        if op.name == "affine.load" and nest_of(op) not in stores:
            yield op


def _narrow(array: ir.Value, element: ir.Type, accesses: Accesses) -> None:
    """Cast the array after the last nest that stores to it, and let the others read the result."""
    last = next(nest.op for nest, _ in reversed(accesses) if nest.store.array == array)
    shape = ir.MemRefType(array.type).shape
    kept = [dim for dim, extent in enumerate(shape) if extent > 1]
    zero = ir.AffineConstantExpr.get(0)
    indices = [ir.AffineDimExpr.get(kept.index(d)) if d in kept else zero for d in range(len(shape))]
    reads, narrow = list(_reads(array)), _narrow_array(array, element)
    with ir.InsertionPoint(op_after(last)), last.location, affine.nest([shape[dim] for dim in kept]) as ivs:
        identity = ir.AffineMap.get(len(kept), 0, indices)
        value = affine.load(array, identity, ivs)
        cast = ir.Operation.create("arith.truncf", [element], [value])
        affine.store(cast.result, narrow, identity, ivs)
    for op in reads:
        _read_narrow(op, narrow)


def _store_narrow(array: ir.Value, element: ir.Type, store: ir.Operation) -> None:
    """Cast what is stored, and let the others read that."""
    reads, narrow = list(_reads(array)), _narrow_array(array, element)
    with ir.InsertionPoint(store), store.location:
        cast = ir.Operation.create("arith.truncf", [element], [store.operands[0]])
        affine.store(cast.result, narrow, ir.AffineMapAttr(store.attributes["map"]).value, list(store.operands)[2:])
    store.erase()
    for op in reads:
        _read_narrow(op, narrow)
    alloc = producer(array)
    assert alloc is not None
    alloc.erase()


def _narrow_array(array: ir.Value, element: ir.Type) -> ir.Value:
    alloc = producer(array)
    assert alloc is not None
    with ir.InsertionPoint(alloc), alloc.location:
        return affine.alloc(ir.MemRefType.get(ir.MemRefType(array.type).shape, element), f"{array_name(array)}.narrow")


def _read_narrow(load: ir.Operation, narrow: ir.Value) -> None:
    """Let a load take the cast element, and its casts go."""
    with ir.InsertionPoint(load), load.location:
        value = affine.load(narrow, ir.AffineMapAttr(load.attributes["map"]).value, list(load.operands)[1:])
    for use in list(load.results[0].uses):
        cast = use.owner.operation
        cast.results[0].replace_all_uses_with(value)
        cast.erase()
    load.erase()
