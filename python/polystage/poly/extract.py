"""Statements of a function in affine or placed form: domains and access functions straight from the affine ops."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import islpy as isl
from torch_mlir import ir

from .access import Access
from .bound import CONTEXT
from .domain import Domain
from .expr import constant, dimensions, evaluate, function


@dataclass(frozen=True, eq=False)
class Reference:
    """A load or store and its access function."""

    op: ir.Operation
    access: Access


@dataclass(frozen=True, eq=False)
class Statement:
    """The loads, scalar operations and stores directly in one block, under its enclosing ``affine.for`` loops.

    ``position[k]`` is the place of the statement, or of its enclosing loop, among its siblings at depth k; interleaved
    with the loop indices these are its schedule. The dimensions of the domain are named d0, d1, ... from outside in.
    """

    loops: tuple[ir.Operation, ...]
    body: tuple[ir.Operation, ...]
    position: tuple[int, ...]
    domain: Domain
    reads: tuple[Reference, ...]
    writes: tuple[Reference, ...]


def array_names(func: ir.Operation) -> dict[ir.Value, str]:
    """The name of each array of ``func``: ``polystage.name``, else ``arg<N>``, the global's symbol, or ``t<N>``."""
    names: dict[ir.Value, str] = {}
    attributes = func.attributes.get("arg_attrs")
    for i, argument in enumerate(func.regions[0].blocks[0].arguments):
        own = attributes[i] if isinstance(attributes, ir.ArrayAttr) else None
        given = own["polystage.name"] if isinstance(own, ir.DictAttr) and "polystage.name" in own else None
        names[argument] = given.value if isinstance(given, ir.StringAttr) else f"arg{i}"
    for op in _operations(func.regions[0].blocks[0]):
        if op.name == "memref.alloc":
            given = op.attributes.get("polystage.name")
            names[op.results[0]] = given.value if isinstance(given, ir.StringAttr) else f"t{len(names)}"
        elif op.name == "memref.get_global":
            names[op.results[0]] = ir.FlatSymbolRefAttr(op.attributes["name"]).value
    return names


def _operations(block: ir.Block) -> Iterator[ir.Operation]:
    """The operations of a block and of the loops in it."""
    for view in block.operations:
        op = view.operation
        yield op
        if op.name == "affine.for":
            yield from _operations(op.regions[0].blocks[0])


def statements(func: ir.Operation) -> tuple[Statement, ...]:
    """All statements of ``func`` in program order; 35-55 us an access, all loops and operations included.

    Loops have step 1 and bounds that are affine maps of enclosing induction variables. A block of operations that
    neither load nor store is no statement.
    """
    return tuple(_Extraction(array_names(func)).block(func.regions[0].blocks[0], (), ()))


class _Extraction:
    """One walk over a function. Functions and sets are shared: maps and bounds are uniqued and recur everywhere."""

    def __init__(self, names: dict[ir.Value, str]) -> None:
        self.names = names
        self.depth: dict[ir.Value, int] = {}
        self.functions: dict[tuple[ir.Attribute, tuple[int, ...], int], isl.MultiAff] = {}
        self.domains: dict[tuple[tuple[ir.Attribute, tuple[int, ...]], ...], Domain] = {}

    def block(self, block: ir.Block, loops: tuple[ir.Operation, ...], position: tuple[int, ...]) -> Iterator[Statement]:
        """Statements of ``block``; a run of operations between two loops is one statement."""
        run: list[ir.Operation] = []
        place = 0
        for view in block.operations:
            op = view.operation
            if op.name != "affine.for":
                run.append(op)
                continue
            yield from self.statement(run, loops, (*position, place))
            self.depth[op.regions[0].blocks[0].arguments[0]] = len(loops)
            yield from self.block(op.regions[0].blocks[0], (*loops, op), (*position, place + 1))
            run, place = [], place + 2
        yield from self.statement(run, loops, (*position, place))

    def statement(
        self, body: Sequence[ir.Operation], loops: tuple[ir.Operation, ...], position: tuple[int, ...]
    ) -> Iterator[Statement]:
        loads = [op for op in body if op.name in ("affine.load", "memref.load")]
        stores = [op for op in body if op.name in ("affine.store", "memref.store")]
        if not loads and not stores:
            return
        domain = self.domain(loops)
        reads = tuple(Reference(op, self.access(op, list(op.operands), domain)) for op in loads)
        writes = tuple(Reference(op, self.access(op, list(op.operands)[1:], domain)) for op in stores)
        yield Statement(loops, tuple(body), position, domain, reads, writes)

    def domain(self, loops: Sequence[ir.Operation]) -> Domain:
        bounds = [self.bound(loop, side) for loop in loops for side in ("lowerBound", "upperBound")]
        key = tuple(bounds)
        if key not in self.domains:
            self.domains[key] = _domain(bounds)
        return self.domains[key]

    def bound(self, loop: ir.Operation, side: str) -> tuple[ir.Attribute, tuple[int, ...]]:
        """The map of a bound, and the depths of the loops that it depends on."""
        operands = list(loop.operands)
        lower, upper, _ = ir.DenseI32ArrayAttr(loop.attributes["operandSegmentSizes"])
        mine = operands[:lower] if side == "lowerBound" else operands[lower : lower + upper]
        return loop.attributes[f"{side}Map"], tuple(self.depth[value] for value in mine)

    def access(self, op: ir.Operation, operands: Sequence[ir.Value], domain: Domain) -> Access:
        """The access function of a load or store whose ``operands`` are the array and the indices."""
        array, count = self.names[operands[0]], len(domain.names)
        if op.name.startswith("memref."):
            return self.indirect(array, operands, domain)
        key = (op.attributes["map"], tuple(self.depth[value] for value in operands[1:]), count)
        if key not in self.functions:
            dims = dimensions(count)
            affine_map = ir.AffineMapAttr(key[0]).value
            self.functions[key] = function(evaluate(affine_map, [dims[i] for i in key[1]], count), count)
        return Access(array, self.functions[key], domain)

    def indirect(self, array: str, operands: Sequence[ir.Value], domain: Domain) -> Access:
        """Indices that are affine in the induction variables stay so; each other one is a new dimension."""
        shape = ir.MemRefType(operands[0].type).shape
        loaded = [i for i, value in enumerate(operands[1:]) if not self.is_affine(value)]
        values = Domain.box([f"l{i}" for i in range(len(loaded))], [shape[i] for i in loaded])
        points = domain.set.flat_product(values.set)
        names, bounds = domain.names + values.names, domain.bounds + values.bounds
        dims = dimensions(len(names))
        results = [
            dims[len(domain.names) + loaded.index(i)] if i in loaded else self.affine(value, dims)
            for i, value in enumerate(operands[1:])
        ]
        return Access(array, function(results, len(names)), Domain(names, bounds, domain.is_box, points), len(loaded))

    def is_affine(self, value: ir.Value) -> bool:
        """Whether ``value`` is an induction variable, a constant or ``affine.apply`` of such."""
        if value in self.depth:
            return True
        owner = value.owner
        return not isinstance(owner, ir.Block) and owner.name in ("affine.apply", "arith.constant")

    def affine(self, value: ir.Value, dims: Sequence[isl.Aff]) -> isl.Aff:
        """The function that an affine ``value`` is of the dimensions."""
        if value in self.depth:
            return dims[self.depth[value]]
        op = value.owner
        assert not isinstance(op, ir.Block)
        if op.name == "arith.constant":
            return constant(len(dims), ir.IntegerAttr(op.attributes["value"]).value)
        operands = [self.affine(operand, dims) for operand in op.operands]
        return evaluate(ir.AffineMapAttr(op.attributes["map"]).value, operands, len(dims))[0]


def _domain(bounds: Sequence[tuple[ir.Attribute, tuple[int, ...]]]) -> Domain:
    """The iterations of loops with the given lower and upper bounds in turn, outermost first."""
    maps = [ir.AffineMapAttr(bound).value for bound, _ in bounds]
    names = [f"d{i}" for i in range(len(maps) // 2)]
    lows, highs = [_constant_bound(m) for m in maps[::2]], [_constant_bound(m) for m in maps[1::2]]
    if lows == [0] * len(names) and None not in highs:
        return Domain.box(names, [high for high in highs if high is not None])
    dims = dimensions(len(names))
    points = isl.Set.universe(isl.Space.set_alloc(CONTEXT, 0, len(names)))
    for i, (affine_map, (_, depths)) in enumerate(zip(maps, bounds, strict=True)):
        dim = dims[i // 2]
        for limit in evaluate(affine_map, [dims[k] for k in depths], len(names)):
            points = points.intersect(dim.lt_set(limit) if i % 2 else dim.ge_set(limit))
    return Domain.of_set(names, points)


def _constant_bound(bound: ir.AffineMap) -> int | None:
    """The value of a bound map with one constant result."""
    results = bound.results
    return results[0].value if len(results) == 1 and isinstance(results[0], ir.AffineConstantExpr) else None
