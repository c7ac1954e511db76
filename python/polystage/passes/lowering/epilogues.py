"""Which point nests run on the accumulators of a contraction, and how (all of it for ``lower-to-npu``).

A result that is filled with zeros before its one contraction need not be filled: the finished sums are copied. The
same holds for other reductions that find what changes nothing, if one instruction makes all of a result. Where
one elementwise nest is all that reads the result, it takes its elements from PSUM, tile by tile, and the result is
never made::

    fill t = 0                          per tile of PSUM:
    t[m, n] += w[k, m] * x[k, n]   -->    psum = w * x
    y[m, n] = relu(t[m, n] + b[m])        y = relu(psum + b)

The contraction then runs where the elementwise nest, its *epilogue*, was. All of them have to be point nests of one
block; a contraction over a part of the sums, in a loop over the others, is not among them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from torch_mlir import ir

from polystage.analysis.implementation import Implementation, MalformedImplementationError, implementation_of
from polystage.analysis.nest_reader import read_nest
from polystage.analysis.nests import Access, Constant, Linear, Load, Nest, NotANestError, NotLinearError, with_forms
from polystage.analysis.reductions import reduction_of
from polystage.analysis.selection import NotSelectableError, is_float
from polystage.dialects import npu
from polystage.dialects.npu import scalars
from polystage.machine import Machine
from polystage.passes.lowering.composition import Physical
from polystage.passes.lowering.contraction import Accumulators
from polystage.passes.lowering.emission import Emitter, Part
from polystage.passes.lowering.layouts import plain_parts
from polystage.passes.lowering.reduction import reduced_at_once
from polystage.passes.nests.load_function import inner_operations
from polystage.passes.staging.tiled_nests import KIND

Piece = tuple[Nest, Implementation]
Pieces = Sequence[Piece]


@dataclass(frozen=True)
class Paired:
    """One physical piece of a contraction and the piece of its epilogue that reads what it stores.

    ``loops`` gives, for each loop of the epilogue's piece, the loop of the contraction's that it is; None where it has
    one iteration.
    """

    contraction: tuple[Nest, Implementation]
    epilogue: tuple[Nest, Implementation]
    loops: tuple[int | None, ...]


@dataclass(frozen=True)
class Finished:
    """A contraction that finds zeros in its result, as ``pieces`` on physical arrays, each of which sums up all of what
    it stores; ``pairs`` are those pieces with those of the ``epilogue``.
    """

    contraction: ir.Operation
    pieces: Pieces
    epilogue: ir.Operation | None = None
    pairs: tuple[Paired, ...] = ()


@dataclass(frozen=True)
class Schedule:
    """``finished`` contractions by the operation in whose place they are written; nests that are written ``elsewhere``,
    and fills that nobody needs.
    """

    finished: Mapping[ir.Operation, Finished]
    elsewhere: frozenset[ir.Operation]


# ---- policy and legality


def finished_in(
    block: ir.Block,
    ivs: Sequence[ir.Value],
    physical: Physical,
    machine: Machine,
    *,
    epilogues: bool,
) -> Schedule:
    """The contractions of a block that find zeros, with their epilogues if those are asked for."""
    view = _View(block, ivs)
    found: dict[ir.Operation, Finished] = {}
    filled: dict[ir.Operation, int] = {}
    taken = set[ir.Operation]()
    for op in reversed(view.ops):
        nest = view.nests.get(op)
        implementation = None if nest is None else _chosen(nest)
        if nest is None or implementation is None or implementation.kind not in ("contraction", "reduce"):
            continue
        if npu.memory_of(nest.store.array.type) == "psum":
            continue  # products are added to it where it lies
        fill, pieces = view.fill_of(op, nest), _pieces(nest, implementation, physical, machine)
        if fill is None or pieces is None or not _complete(nest, pieces, machine):
            continue
        filled[fill] = filled.get(fill, 0) + _elements(nest)
        plan = Finished(op, pieces)
        sinks = epilogues and implementation.kind == "contraction"
        epilogue = view.epilogue_of(op, nest) if sinks else None
        if epilogue is not None and epilogue not in taken:
            other = view.nests[epilogue]
            pairs = _paired(pieces, other, physical, machine)
            if pairs is not None:
                taken.add(epilogue)
                plan = replace(plan, epilogue=epilogue, pairs=pairs)
        found[plan.epilogue or op] = plan
    gone = {fill for fill, elements in filled.items() if elements == _elements(view.nests[fill])}
    return Schedule(found, frozenset({*gone, *(each.contraction for each in found.values() if each.epilogue)}))


def _complete(nest: Nest, pieces: Pieces, machine: Machine) -> bool:
    """Whether every result of a nest comes from one piece, and there from one sum or one instruction."""
    lanes = [ir.MemRefType(piece.store.array.type).shape[0] if how.replicated else 1 for piece, how in pieces]
    whole = sum(_elements(piece) // count for (piece, _), count in zip(pieces, lanes, strict=True))
    direct = (reduced_at_once(piece, how, machine) for piece, how in pieces if how.kind == "reduce")
    return whole == _elements(nest) and all(direct)


def _starts_at(nest: Nest, value: float | int) -> bool:
    """Whether a reduction that finds ``value`` in its result is as if it found nothing."""
    reduction = reduction_of(nest)
    type_ = nest.nodes[nest.store.value].type
    name = None if reduction is None else scalars.instruction_op(reduction.combine, None, str(type_))
    try:
        return name is not None and value == scalars.reduction_identity(name, "float" if is_float(type_) else "int")
    except KeyError:
        return False


def _chosen(nest: Nest) -> Implementation | None:
    """The same, None where it is malformed."""
    try:
        return implementation_of(nest, "map-banks and stage")
    except MalformedImplementationError:
        return None


class _View:
    """The operations of a block, what they touch, and those that are point nests as values."""

    def __init__(self, block: ir.Block, ivs: Sequence[ir.Value]) -> None:
        self.block, self.ivs = block, ivs
        self.ops = [each.operation for each in block.operations]
        self.place = {op: k for k, op in enumerate(self.ops)}
        self.nests: dict[ir.Operation, Nest] = {}
        compute = ir.StringAttr.get("compute")
        for op in self.ops:
            if op.name == "affine.for" and KIND in op.attributes and op.attributes[KIND] == compute:
                try:
                    self.nests[op] = read_nest(op, ivs)
                except (NotANestError, NotLinearError):
                    continue

    def near(self, array: ir.Value) -> tuple[list[ir.Operation], bool]:
        """The operations of the block that touch an array, in order, and whether those are all."""
        found = [self.holder(use.owner.operation) for use in array.uses]
        own = dict.fromkeys(op for op in found if op is not None)
        return sorted(own, key=self.place.__getitem__), all(op is not None for op in found)

    def holder(self, op: ir.Operation) -> ir.Operation | None:
        """The operation of the block that is ``op`` or has it inside."""
        outer: ir.Operation | None = op
        while outer is not None and outer not in self.place:
            outer = outer.parent.operation if outer.parent is not None else None
        return outer

    def fill_of(self, op: ir.Operation, nest: Nest) -> ir.Operation | None:
        """The nest that filled what a reduction adds to with its identity, if nothing came between."""
        target = nest.store.access
        near, _ = self.near(target.array)
        for before in reversed([each for each in near if self.place[each] < self.place[op]]):
            other = self.nests.get(before)
            if other is None:
                return None
            if other.store.array == target.array and not other.store.indirect and not other.loads:
                value = other.nodes[other.store.value]
                if _within(_box(target, nest), _box(other.store.access, other)):
                    return before if isinstance(value, Constant) and _starts_at(nest, value.value) else None
            if not all(_apart(_box(target, nest), _box(each, other)) for each in _touched(other, target.array)):
                return None
        return None

    def epilogue_of(self, op: ir.Operation, nest: Nest) -> ir.Operation | None:
        """The elementwise nest that alone reads what a contraction stores, if the contraction may run there."""
        target = nest.store.access
        users, all_of_them = self.near(target.array)
        if not all_of_them or npu.memory_of(target.array.type) != "sbuf":
            return None
        box = _box(target, nest)
        readers: list[ir.Operation] = []
        for user in users:
            other = self.nests.get(user)
            if other is None:
                return None
            if self.place[user] > self.place[op] and not all(
                _apart(box, _box(each, other)) for each in _touched(other, target.array)
            ):
                readers.append(user)
        if len(readers) != 1:
            return None
        other = self.nests[readers[0]]
        loads = {access for access in other.loads if access.array == target.array}
        if other.store.array == target.array or len(loads) != 1 or other.reduced or other.store.indirect:
            return None
        return readers[0] if self.may_sink(op, nest, readers[0]) else None

    def may_sink(self, op: ir.Operation, nest: Nest, to: ir.Operation) -> bool:
        """Whether nothing from ``op`` to ``to``, itself included, writes what the contraction reads."""
        reads = {access.array for access in nest.loads if access.array != nest.store.array}
        between = self.ops[self.place[op] + 1 : self.place[to] + 1]
        return not any(array in reads for each in between for array in _written(each))


def _written(op: ir.Operation) -> Iterator[ir.Value]:
    for each in (op, *inner_operations(op)):
        if each.name in ("affine.store", "memref.store"):
            yield each.operands[1]


def _touched(nest: Nest, array: ir.Value) -> Iterator[Access]:
    stored = [] if nest.store.indirect else [nest.store.access]
    return (access for access in (*nest.loads, *stored) if access.array == array)


Box = tuple[tuple[int, int, tuple[int, ...]], ...]
"""Per index of an array: least and greatest value, and what loops around add to both."""


def _box(access: Access, nest: Nest) -> Box:
    return tuple((*index.span(nest.extents), index.symbols) for index in access.indices)


def _apart(a: Box, b: Box) -> bool:
    return any(x[2] == y[2] and (x[1] < y[0] or y[1] < x[0]) for x, y in zip(a, b, strict=True))


def _within(a: Box, b: Box) -> bool:
    return all(x[2] == y[2] and y[0] <= x[0] and x[1] <= y[1] for x, y in zip(a, b, strict=True))


def _elements(nest: Nest) -> int:
    return prod(nest.extents[loop] for loop in nest.parallel)


def _pieces(nest: Nest, implementation: Implementation, physical: Physical, machine: Machine) -> Pieces | None:
    """A nest on physical arrays; None where a piece of it runs in loops of the nest or no instruction takes it."""
    try:
        return plain_parts(nest, implementation, physical, machine)
    except (NotLinearError, NotSelectableError):
        return None


def _paired(mine: Pieces, other: Nest, physical: Physical, machine: Machine) -> tuple[Paired, ...] | None:
    """The pieces of a contraction, each with that of the nest that reads its result; None where they do not match."""
    epilogue = _chosen(other)
    if epilogue is None or epilogue.kind != "elementwise":
        return None
    theirs = _pieces(other, epilogue, physical, machine)
    found: list[Paired] = []
    for each in theirs or ():
        pairs = [pair for one in mine if (pair := _pair(one, each, machine)) is not None]
        if sum(_elements(pair.epilogue[0]) for pair in pairs) != _elements(each[0]):
            return None
        found += pairs
    return tuple(found) if found and len(found) == len(mine) else None


@dataclass(frozen=True)
class _Cut:
    """The iterations of a loop that are those of loop ``of`` (None: one iteration): ``start + step * k``."""

    start: int
    step: int
    size: int
    of: int | None


def _pair(one: Piece, other: Piece, machine: Machine) -> Paired | None:
    """The iterations of an epilogue's piece that read what a contraction's piece stores; None where it does not read
    all of that, or in another form.
    """
    (nest, implementation), (reader, epilogue) = one, other
    (loaded,) = {access for access in reader.loads if access.array == nest.store.array}
    cuts: dict[int, _Cut] = {}
    for mine, theirs in zip(nest.store.access.indices, loaded.indices, strict=True):
        if _symbols(mine, nest) != _symbols(theirs, reader):
            return None
        a = [(k, f) for k, f in enumerate(mine.dims) if f and nest.extents[k] > 1]
        b = [(k, f) for k, f in enumerate(theirs.dims) if f and reader.extents[k] > 1]
        start = mine.const - theirs.const
        if not a and not b and start == 0:
            continue
        if len(a) > 1 or len(b) != 1 or b[0][1] != 1 or b[0][0] in cuts:
            return None
        of, step = a[0] if a else (None, 1)
        cut = _Cut(start, step, 1 if of is None else nest.extents[of], of)
        if start < 0 or step < 1 or start + step * (cut.size - 1) >= reader.extents[b[0][0]]:
            return None
        cuts[b[0][0]] = cut
    if sorted(cuts) != [k for k, extent in enumerate(reader.extents) if extent > 1]:
        return None
    loops = [cut.of for cut in cuts.values() if cut.of is not None]
    rows = implementation.rows if implementation.rows is not None and nest.extents[implementation.rows] > 1 else None
    lane = cuts[epilogue.lane] if epilogue.lane in cuts else _Cut(0, 1, 1, None)
    if len(set(loops)) != len(loops) or lane.of != rows or not _lanes_start(reader, epilogue, lane, machine):
        return None
    of = tuple(cuts[k].of if k in cuts else None for k in range(len(reader.extents)))
    return Paired(one, (_cut(reader, cuts), epilogue), of)


def _lanes_start(nest: Nest, implementation: Implementation, lane: _Cut, machine: Machine) -> bool:
    """Whether operands of a nest may start where that part of its lane loop does."""
    if implementation.lane is None or lane.size == nest.extents[implementation.lane]:
        return True
    multiple = machine.start_multiple(lane.size)
    indices = [access.indices[0] for access in (*nest.loads, nest.store.access)]
    starts = [(index.const + index.dims[implementation.lane] * lane.start, *index.symbols) for index in indices]
    return lane.step == 1 and not any(value % multiple for each in starts for value in each)


def _cut(nest: Nest, cuts: Mapping[int, _Cut]) -> Nest:
    """Those iterations of a nest."""
    whole = [cuts.get(k, _Cut(0, 1, extent, None)) for k, extent in enumerate(nest.extents)]

    def form(old: Linear) -> Linear:
        const = old.const + sum(factor * cut.start for factor, cut in zip(old.dims, whole, strict=True))
        dims = tuple(factor * cut.step for factor, cut in zip(old.dims, whole, strict=True))
        return Linear(const, dims, old.symbols)

    return with_forms(nest, tuple(cut.size for cut in whole), nest.symbols, form)


def _symbols(form: Linear, nest: Nest) -> dict[ir.Value, int]:
    return {value: factor for value, factor in zip(nest.symbols, form.symbols, strict=False) if factor}


# ---- mechanism


def epilogue_on(pair: Paired, emitter: Emitter, psum: Accumulators) -> tuple[Nest, Implementation]:
    """The iterations of an epilogue that a finished tile is for, as a nest that reads the tile."""
    nest, implementation = pair.epilogue
    target = pair.contraction[0].store.array
    parts = [Part(0, 1) if loop is None else emitter.parts[loop] for loop in pair.loops]
    kept = [k for k, part in enumerate(parts) if part.size > 1]
    symbols = tuple(dict.fromkeys([*nest.symbols, *emitter.symbols()]))
    place = {value: k for k, value in enumerate(symbols)}

    def form(old: Linear) -> Linear:
        const, factors = old.const, [*old.symbols, *([0] * (len(symbols) - len(old.symbols)))]
        for factor, part in zip(old.dims, parts, strict=True):
            const += factor * part.start
            if part.iv is not None:
                factors[place[part.iv]] += factor * part.step
        return Linear(const, tuple(old.dims[k] for k in kept) or (0,), tuple(factors))

    extents = tuple(parts[k].size for k in kept) or (1,)
    moved = with_forms(nest, extents, symbols, form)
    zero = Linear(0, (0,) * len(extents), (0,) * len(symbols))

    def along(loop: int | None) -> Linear:
        own = next((at for at, k in enumerate(kept) if loop is not None and pair.loops[k] == loop), None)
        return zero if own is None else replace(zero, dims=tuple(int(k == own) for k in range(len(extents))))

    turn = zero
    if psum.turn is not None:
        turn = replace(zero, symbols=tuple(int(value == psum.turn) for value in symbols))
    tile = psum.access(along(pair.contraction[1].rows), [along(loop) for loop, _ in psum.columns], turn)
    nodes = tuple(
        replace(node, access=tile) if isinstance(node, Load) and node.access.array == target else node
        for node in moved.nodes
    )
    lane = next((at for at, k in enumerate(kept) if k == implementation.lane), None)
    return replace(moved, nodes=nodes), replace(implementation, lane=lane)
