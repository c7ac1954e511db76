"""Writes the products of a contraction: PSUM tiles, accumulation, what becomes of them (mechanism of ``lower-to-npu``).

The first product of a tile starts its accumulators, the others add to them. Tiles that follow each other lie in several
banks in turn, so that the products of one run while the tile before is used.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, prod

from torch_mlir import ir

from polystage.analysis.implementation import Implementation
from polystage.analysis.nests import Access, Linear, Load, Nest
from polystage.analysis.reductions import product_of, reduction_of
from polystage.analysis.sums import columns_of
from polystage.dialects import affine, npu
from polystage.machine import Machine
from polystage.passes.lowering.emission import Emitter, Parts, Turns, chunked, fit, instruction_loops, stepped_loops


@dataclass(frozen=True)
class _Roles:
    """Loops of a contraction: ``columns`` are moved, ``others`` run around PSUM tiles, ``steps`` accumulate."""

    stationary: Access
    moving: Access
    columns: tuple[int, ...]
    others: tuple[int, ...]
    steps: tuple[int, ...]


@dataclass(frozen=True)
class Accumulators:
    """The tile of PSUM that holds the finished sums of some iterations of a contraction.

    ``array`` is ``[rows, *columns]``, or where several banks take turns ``[rows, turns, elements of a bank]``;
    ``turn`` then says in which. ``columns`` are the loops that lie along its free axis, with their sizes.
    """

    array: ir.Value
    turn: ir.Value | None
    rows: int
    columns: tuple[tuple[int, int], ...]

    def indices(self, row: ir.AffineExpr, columns: Sequence[ir.AffineExpr], turn: int) -> list[ir.AffineExpr]:
        """Indices of an element; ``turn`` is the number of the symbol that says which."""
        if self.turn is None:
            return [row, *columns]
        place: ir.AffineExpr = ir.AffineExpr.get_constant(0)
        for expr, stride in zip(columns, self.strides, strict=True):
            place = place + expr * stride
        return [row, ir.AffineExpr.get_symbol(turn), place]

    @property
    def turns(self) -> Turns | None:
        """Turns for what else is made for each tile."""
        if self.turn is None:
            return None
        return Turns(ir.MemRefType(self.array.type).shape[1], self.turn, ir.OpResult(self.array).owner.operation)

    @property
    def strides(self) -> list[int]:
        """Distance of neighbours along each column loop in a bank."""
        sizes = [size for _, size in self.columns]
        return [prod(sizes[k + 1 :]) for k in range(len(sizes))]

    def access(self, row: Linear, columns: Sequence[Linear], turn: Linear) -> Access:
        """The access to an element, of forms over the loops of some nest."""
        if self.turn is None:
            return Access(self.array, (row, *columns))
        place = Linear(0, (0,) * len(row.dims), (0,) * len(row.symbols))
        for form, stride in zip(columns, self.strides, strict=True):
            place = added(place, form, stride)
        return Access(self.array, (row, turn, place))


def added(a: Linear, b: Linear, factor: int) -> Linear:
    """``a + factor * b``."""
    dims = tuple(x + factor * y for x, y in zip(a.dims, b.dims, strict=True))
    symbols = tuple(x + factor * y for x, y in zip(a.symbols, b.symbols, strict=True))
    return Linear(a.const + factor * b.const, dims, symbols)


Drain = Callable[[Emitter, Accumulators], None]
"""Writes what is done with a finished tile; the parts of the emitter say which iterations it is of."""


def write_contraction(
    nest: Nest, implementation: Implementation, machine: Machine, most_turns: int, drain: Drain | None = None
) -> None:
    """Products accumulated in PSUM, then ``drain``, which adds to the result where nothing else is asked for.

    Where the result itself is in PSUM, products are added to it there. Tiles take at most so many banks in turn.
    """
    roles = _roles(nest, implementation)
    whole, cut, size = fit(nest, roles.columns, machine.max_moving_f32, machine.matrix.max_free_dims)
    around = [*roles.others, *(d for d in roles.columns if d not in whole and d != cut)]
    emitter = Emitter(nest, implementation.lane)
    writer = _Writer(emitter, implementation, roles, drain or add_to_result)
    extents = [nest.extents[d] for d in around] + ([] if cut is None else [ceil(nest.extents[cut] / size)])
    tiles = prod(extents)
    in_place = npu.memory_of(nest.store.array.type) == "psum"
    if tiles > 1 and most_turns > 1 and not in_place:
        writer.turns = _Turns(tuple([*around, *([] if cut is None else [cut])]), tuple(extents), machine, most_turns)
        writer.turns.allocate(writer.rows)
    rows = [implementation.rows] if implementation.rows is not None else []
    chunked(emitter, around, [*whole, *rows], (cut, size), (), writer.add if in_place else writer.tile)


def _roles(nest: Nest, implementation: Implementation) -> _Roles:
    reduction = reduction_of(nest)
    product = product_of(nest, reduction) if reduction is not None else None
    assert product is not None
    factors = [node.access for node in (nest.nodes[product.lhs], nest.nodes[product.rhs]) if isinstance(node, Load)]
    stationary, moving = factors[implementation.stationary], factors[1 - implementation.stationary]
    special = {implementation.lane, implementation.rows}
    loops = [d for d in range(len(nest.extents)) if d not in special]
    columns = tuple(sorted(columns_of(nest, implementation)))
    steps = tuple(d for d in loops if d not in nest.parallel)
    others = tuple(d for d in loops if d not in columns and d not in steps)
    return _Roles(stationary, moving, columns, others, steps)


class _Turns:
    """Banks that tiles take in turn: tile ``k`` of the ``loops`` around lies in bank ``k mod turns``."""

    def __init__(self, loops: Sequence[int], extents: Sequence[int], machine: Machine, most: int) -> None:
        self.loops, self.extents = loops, extents
        self.count = min(prod(extents), most)
        self.elements = machine.psum.bytes_per_bank // 4
        self.array: ir.Value | None = None

    def allocate(self, rows: int) -> None:
        """The banks, before the loops."""
        shape = [rows, self.count, self.elements]
        self.array = affine.alloc(ir.MemRefType.get(shape, ir.F32Type.get(), memory_space=npu.psum()), "psum")

    def turn(self, parts: Parts) -> ir.Value:
        """The bank of the tile that ``parts`` are of."""
        expr: ir.AffineExpr = ir.AffineExpr.get_constant(0)
        ivs: list[ir.Value] = []
        for position, loop in enumerate(self.loops):
            part, trips = parts[loop], prod(self.extents[position + 1 :])
            if part.iv is None:
                expr = expr + trips * ceil(part.start / max(1, part.size))
            else:
                expr = expr + ir.AffineExpr.get_dim(len(ivs)) * trips
                ivs.append(part.iv)
        return affine.apply(ir.AffineMap.get(len(ivs), 0, [ir.AffineExpr.get_mod(expr, self.count)]), ivs)


@dataclass
class _Writer:
    """Writes the tiles of one contraction."""

    emitter: Emitter
    implementation: Implementation
    roles: _Roles
    drain: Drain
    turns: _Turns | None = None

    @property
    def rows(self) -> int:
        return 1 if self.implementation.rows is None else self.emitter.nest.extents[self.implementation.rows]

    def tile(self) -> None:
        """The products of one tile, then what becomes of it."""
        emitter, roles = self.emitter, self.roles
        parts = dict(emitter.parts)
        columns = tuple((d, parts[d].size) for d in roles.columns if parts[d].size > 1)
        if self.turns is None:
            shape = [self.rows, *(size for _, size in columns)]
            array = affine.alloc(ir.MemRefType.get(shape, ir.F32Type.get(), memory_space=npu.psum()), "psum")
            psum = Accumulators(array, None, self.rows, columns)
        else:
            assert self.turns.array is not None
            psum = Accumulators(self.turns.array, self.turns.turn(parts), self.rows, columns)
        emitter.extra = [] if psum.turn is None else [psum.turn]
        for accumulate, loops in stepped_loops(emitter.nest, roles.steps):
            with loops as stepped:
                emitter.parts = {**parts, **stepped}
                self.product(psum, accumulate=accumulate)
        emitter.parts = parts
        self.drain(emitter, psum)
        emitter.extra = []

    def add(self) -> None:
        """The products of one tile of a result that is in PSUM."""
        emitter, parts, target = self.emitter, dict(self.emitter.parts), self.emitter.nest.store.access
        with instruction_loops(emitter.nest, self.roles.steps) as stepped:
            emitter.parts = {**parts, **stepped}
            columns = tuple((d, parts[d].size) for d in self.roles.columns if parts[d].size > 1)
            placed = emitter.access_map(target, self.positions(columns), len(columns) + 2)
            self.matmul(target.array, placed, columns, accumulate=True)
        emitter.parts = parts

    def product(self, psum: Accumulators, *, accumulate: bool) -> None:
        """The products of one step into a tile."""
        rank = len(psum.columns) + 2
        dims: list[ir.AffineExpr] = [ir.AffineExpr.get_dim(k) for k in range(1, rank)]
        indices = psum.indices(dims[0], dims[1:], self.emitter.position(psum.turn))
        placed = ir.AffineMap.get(rank, len(self.emitter.symbols()), indices)
        self.matmul(psum.array, placed, psum.columns, accumulate=accumulate)

    def positions(self, columns: Sequence[tuple[int, int]]) -> dict[int, int]:
        """The dimension of the box ``[K, M, N..]`` of each loop."""
        positions: dict[int, int] = {loop: k + 2 for k, (loop, _) in enumerate(columns)}
        if self.implementation.lane is not None:
            positions[self.implementation.lane] = 0
        if self.implementation.rows is not None:
            positions[self.implementation.rows] = 1
        return positions

    def matmul(
        self, array: ir.Value, placed: ir.AffineMap, columns: Sequence[tuple[int, int]], *, accumulate: bool
    ) -> None:
        """One product into an array of PSUM."""
        emitter, a, b = self.emitter, self.roles.stationary, self.roles.moving
        positions, rank = self.positions(columns), len(columns) + 2
        maps = [placed, emitter.access_map(a, positions, rank), emitter.access_map(b, positions, rank)]
        sizes = [emitter.lanes, self.rows, *(size for _, size in columns)]
        npu.matmul(array, a.array, b.array, emitter.symbols(), sizes=sizes, maps=maps, accumulate=accumulate)


def add_to_result(emitter: Emitter, psum: Accumulators) -> None:
    """``result += tile``."""
    result, drained, sizes = _result(emitter, psum)
    array = emitter.nest.store.array
    npu.tensor_tensor(
        array, array, psum.array, emitter.symbols(), sizes=sizes, maps=[result, result, drained], op="add"
    )


def copy_to_result(emitter: Emitter, psum: Accumulators) -> None:
    """``result = tile``: for results that would be zero before."""
    result, drained, sizes = _result(emitter, psum)
    array, symbols = emitter.nest.store.array, emitter.symbols()
    npu.activation(array, psum.array, symbols, sizes=sizes, maps=[result, drained], func="copy")


def _result(emitter: Emitter, psum: Accumulators) -> tuple[ir.AffineMap, ir.AffineMap, list[int]]:
    """Maps of result and tile for the box of a tile, and its sizes."""
    nest = emitter.nest
    evacuated = {loop: k + 1 for k, (loop, _) in enumerate(psum.columns)}
    rank = len(psum.columns) + 1
    for loop in range(len(nest.extents)):
        if loop in nest.parallel and loop not in evacuated and emitter.parts[loop].size > 1:
            evacuated[loop] = 0  # the rows
    dims: list[ir.AffineExpr] = [ir.AffineExpr.get_dim(k) for k in range(rank)]
    drained = psum.indices(dims[0], dims[1:], emitter.position(psum.turn))
    result = emitter.access_map(nest.store.access, evacuated, rank)
    sizes = [psum.rows, *(size for _, size in psum.columns)]
    return result, ir.AffineMap.get(rank, len(emitter.symbols()), drained), sizes
