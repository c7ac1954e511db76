"""Merge array dimensions too short for the lanes with those that a reshape took them from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

from torch_mlir import ir

from polystage.analysis.nest_reader import read_nest
from polystage.analysis.nests import Access, Gather, Index, Linear, Nest, main_function
from polystage.analysis.reductions import sequential
from polystage.dialects import affine
from polystage.machine import Machine, of_module
from polystage.passes.nests.array_uses import accesses_of_allocs
from polystage.passes.nests.ir import reindex
from polystage.pipeline import Pass, PassContext


@dataclass(frozen=True)
class MergeDimensions(Pass):
    """Merge array dimensions too short for the lanes with those that a reshape took them from.

    Attention reads 768 columns as 12 heads of 64: with 64 of 128 lanes in use the array takes twice the room of each
    lane, and products over heads and columns take twice the instructions. Where a nest stores or loads the two
    dimensions of an array as it goes over one dimension of another, the array gets one dimension for both, if the lower
    one alone would leave lanes idle and its multiples are lanes where an access may start. Nests that then go over two
    loops as over one get one loop.

    Before, on 128 lanes:

    ```mlir
    %t = memref.alloc() : memref<12x4096x64xf32>
    affine.for %h = 0 to 12 { affine.for %q = 0 to 4096 { affine.for %d = 0 to 64 {
      %0 = affine.load %x[%q, 64 * %h + %d] : memref<4096x768xf32>
      affine.store %0, %t[%h, %q, %d] : memref<12x4096x64xf32>
    ```

    After:

    ```mlir
    %t = memref.alloc() : memref<4096x768xf32>
    affine.for %q = 0 to 4096 { affine.for %c = 0 to 768 {
      %0 = affine.load %x[%q, %c] : memref<4096x768xf32>
      affine.store %0, %t[%q, %c] : memref<4096x768xf32>
    ```

    Requires: `set-target`; affine normal form with linear accesses (`refine-domains`).

    Refuses: nothing; what it cannot read stays for `map-banks` to report.

    Statistics:
        merged: pairs of array dimensions that became one
        loops: pairs of loops that became one
    """

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Merge to a fixpoint: an array that was merged shows its readers' and writers' arrays as reshaped."""
        machine = of_module(op)
        uses = accesses_of_allocs(main_function(op))
        nests = {nest.op: nest for found in uses.values() for nest, _ in found}
        users = {array: list(dict.fromkeys(nest.op for nest, _ in found)) for array, found in uses.items()}
        pending, touched = list(nests), dict[ir.Operation, None]()
        while pending:
            nest = nests[pending.pop()]
            found = next((pair for pair in _reshaped(nest, machine) if pair[0] in users), None)
            if found is None:
                continue
            _merge(*found)
            ctx.statistic("merged", 1)
            nests |= {loop: read_nest(loop) for loop in users[found[0]]}
            pending += users[found[0]]
            touched |= dict.fromkeys(users[found[0]])
        for loop in touched:
            nest = nests[loop]
            while (pair := _as_one(nest)) is not None:
                nest = read_nest(_merge_loops(nest, *pair))
                ctx.statistic("loops", 1)


def _reshaped(nest: Nest, machine: Machine) -> Iterator[tuple[ir.Value, int, int]]:
    """Arrays of a nest with two dimensions, the higher first, that it goes over as over one dimension of another."""
    accesses = [*nest.loads, *([] if nest.store.indirect else [nest.store.access])]
    for access in accesses:
        shape = ir.MemRefType(access.array.type).shape
        plain = {d: loop for d, index in enumerate(access.indices) if (loop := _plain(index, nest)) is not None}
        for high, low in permutations(plain, 2):
            if _fills_more(shape[low], machine) and any(
                _joins(other, nest, plain[high], plain[low], shape[low])
                for other in accesses
                if other.array != access.array
            ):
                yield access.array, high, low


def _plain(index: Linear, nest: Nest) -> int | None:
    """The loop that an index is, if it is one of several trips and nothing else."""
    loops = [loop for loop in index.support if nest.extents[loop] > 1]
    return loops[0] if len(loops) == 1 and index.dims[loops[0]] == 1 and not index.const else None


def _fills_more(extent: int, machine: Machine) -> bool:
    """Whether that many lanes are not all, and multiples of them are where an access to as many may start."""
    return 1 < extent < machine.lanes and extent % machine.start_multiple(extent) == 0


def _joins(access: Access, nest: Nest, high: int, low: int, radix: int) -> bool:
    """Whether an access goes over two loops as over the digits of one dimension."""
    return nest.extents[low] == radix and any(
        (index.dims[high], index.dims[low]) == (radix, 1) and index.support == frozenset((high, low))
        for index in access.indices
    )


def _merge(array: ir.Value, high: int, low: int) -> None:
    """Give the array one dimension for two, in the place of the lower one."""
    type_ = ir.MemRefType(array.type)
    radix = type_.shape[low]
    shape = [extent * (type_.shape[high] if d == low else 1) for d, extent in enumerate(type_.shape) if d != high]
    array.set_type(ir.MemRefType.get(shape, type_.element_type))

    def merged(old: list[ir.AffineExpr]) -> list[ir.AffineExpr]:
        return [old[high] * radix + old[low] if d == low else old[d] for d in range(len(old)) if d != high]

    for use in list(array.uses):
        reindex(use.owner.operation, merged)


def _as_one(nest: Nest) -> tuple[int, int] | None:
    """Two loops, the higher first, that everything in a nest goes over as over one, in any order."""
    free = frozenset(range(len(nest.extents))) - sequential(nest)
    forms = list(_forms(nest))
    for high, low in permutations(sorted(free), 2):
        alike = (high in nest.parallel) == (low in nest.parallel)
        ordered = high in nest.parallel or not any(high < loop < low or low < loop < high for loop in nest.reduced)
        joined = all(form.dims[high] == nest.extents[low] * form.dims[low] for form in forms)
        if alike and ordered and joined and any(form.dims[low] for form in forms):
            return high, low
    return None


def _forms(nest: Nest) -> Iterator[Linear]:
    """All linear forms of a nest."""
    for access in nest.loads:
        yield from access.indices
    yield from (index for index in nest.store.indices if isinstance(index, Linear))
    for node in nest.nodes:
        if isinstance(node, Index):
            yield node.value
        elif isinstance(node, Gather):
            yield from (index for index in node.indices if isinstance(index, Linear))


def _merge_loops(nest: Nest, high: int, low: int) -> ir.Operation:
    """Write the nest with one loop for two, in the place of the lower one; the new nest."""
    ivs, body = _inside(nest.op)
    kept = [loop for loop in range(len(ivs)) if loop != high]
    extents = [nest.extents[loop] * (nest.extents[high] if loop == low else 1) for loop in kept]
    marks = {name: attribute for name, attribute in nest.op.attributes.items() if name.startswith("polystage.")}
    with ir.InsertionPoint(nest.op), nest.op.location:
        with affine.nest(extents, marks) as new:
            values = dict(zip((ivs[loop] for loop in kept), new, strict=True))
            for op in body:
                _copy(op, values, ivs[high])
        written = _outermost(new[0])
    nest.op.erase()
    return written


def _copy(op: ir.Operation, values: dict[ir.Value, ir.Value], dropped: ir.Value) -> None:
    """Write an operation again on other values, with zero for one induction variable of its map."""
    operands = [values.get(operand, operand) for operand in op.operands if operand != dropped]
    attributes = dict(op.attributes.items())
    if "map" in attributes:
        access = ir.AffineMapAttr(attributes["map"]).value
        mapped = list(op.operands)[len(op.operands) - access.n_dims :]
        kept = [operand for operand in mapped if operand != dropped]
        zero, dims = ir.AffineExpr.get_constant(0), [ir.AffineExpr.get_dim(k) for k in range(len(kept))]
        left = iter(dims)
        exprs = [zero if operand == dropped else next(left) for operand in mapped]
        inner = ir.AffineMap.get(len(kept), 0, exprs)
        results = [expr.compose(inner) for expr in access.results]
        attributes["map"] = ir.AffineMapAttr.get(ir.AffineMap.get(len(kept), 0, results))
    new = ir.Operation.create(op.name, [result.type for result in op.results], operands, attributes)
    values.update(zip(op.results, new.results, strict=True))


def _inside(loop: ir.Operation) -> tuple[Sequence[ir.Value], Sequence[ir.Operation]]:
    """The induction variables of a perfect nest, and its body."""
    ivs = list[ir.Value]()
    while True:
        block = loop.regions[0].blocks[0]
        ivs.append(block.arguments[0])
        body = [op.operation for op in block.operations][:-1]
        if len(body) != 1 or body[0].name != "affine.for":
            return ivs, body
        loop = body[0]


def _outermost(iv: ir.Value) -> ir.Operation:
    block = iv.owner
    assert isinstance(block, ir.Block)
    return block.owner.operation
