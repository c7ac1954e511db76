"""Load forwarding: a load from a copy becomes a load from what was copied.

Legality: the reader comes after the last writer of the copy, and no writer in between changes what the copy read.
A load that touches several pieces of the content is served by cutting the reader's domain where one induction variable
separates them (index-set splitting); what may be cut is the caller's decision.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch_mlir import ir

from polystage.passes.copies.content import Contents, Piece
from polystage.passes.copies.program import Nest, Program
from polystage.passes.copies.region import Range, disjoint, hull, positions
from polystage.passes.nests import fold
from polystage.passes.nests import quasi as q
from polystage.passes.nests.body import Body, Load, Store
from polystage.passes.nests.quasi import Quasi

MOST_UNROLLED = 16
"""Longest loop that is taken apart value by value."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The load touches one piece only, at ``positions`` of it."""

    piece: Piece
    positions: "tuple[Quasi | int, ...]"


@dataclass(frozen=True, slots=True)
class Straddling:
    """The load touches several pieces; cut loop ``depth`` at ``starts`` (first 0), or by residues ``modulus``."""

    depth: int
    starts: tuple[int, ...]
    modulus: int = 0


def resolve(contents: Contents, nest: Nest, load: Load, extents: Sequence[int]) -> "Resolved | Straddling | None":
    """Where the elements that ``load`` touches come from; None: from no copy, or not to be told apart."""
    pieces = contents.of(load.array)
    if not pieces or not any(p.source is not None for p in pieces):
        return None
    if not _final(contents.program, nest, load.array):
        return None
    box = hull(load.indices, extents, contents.program.arrays[load.array].shape)
    near = [p for p in pieces if not disjoint(p.region, box)]
    for piece in near:
        where = positions(load.indices, piece.region, extents)
        if where is not None:
            usable = piece.source is not None and _data_indices_pass(contents, piece, load.array, where)
            return Resolved(piece, tuple(where)) if usable and contents.stable(piece, _time(nest)) else None
    if len(near) <= 1:
        return None
    return _cut(load, near, extents) or (_unrolled(load, near, extents) if nest.witness else None)


def _time(nest: Nest) -> tuple[int, ...]:
    """When the nest reads; a witness speaks of the end."""
    return (1 << 60,) if nest.witness else nest.order


def _final(program: Program, nest: Nest, array: ir.Value) -> bool:
    """Whether the nest comes after the last writer of the array."""
    return bool(nest.witness) or all(writer.order < nest.order for writer in program.writers.get(array, {}))


def _data_indices_pass(contents: Contents, piece: Piece, array: ir.Value, where: "Sequence[Quasi | int]") -> bool:
    """Whether each data-dependent index is an index of the source unchanged."""
    shape = contents.program.arrays[array].shape
    for k, position in enumerate(where):
        if isinstance(position, int) and (
            piece.region[k] != Range(0, shape[k]) or any(k in q.ivs_of(i) and i != q.iv(k) for i in piece.indices)
        ):
            return False
    return True


def _cut(load: Load, near: Sequence[Piece], extents: Sequence[int]) -> Straddling | None:
    """The cut that separates the pieces along one dimension of the array."""
    for dim, index in enumerate(load.indices):
        ranges = {p.region[dim] for p in near}
        if len(ranges) < 2 or not isinstance(index, Quasi) or len(index.terms) != 1:
            continue
        atom, factor = index.terms[0]
        if not isinstance(atom, int):
            continue
        if any(r.step > 1 and r.extent > 1 for r in ranges):
            modulus = max(r.step for r in ranges)
            if factor == 1 and 1 < modulus < extents[atom]:
                return Straddling(atom, (), modulus)
            continue
        starts = _starts(index.const, factor, extents[atom], ranges)
        if len(starts) > 1:
            return Straddling(atom, starts)
    return None


def _unrolled(load: Load, near: Sequence[Piece], extents: Sequence[int]) -> Straddling | None:
    """Each value of the shortest loop that an index which separates the pieces depends on, for a last resort."""
    depths = {
        depth
        for dim, index in enumerate(load.indices)
        if isinstance(index, Quasi) and len({p.region[dim] for p in near}) > 1
        for depth in q.ivs_of(index)
    }
    shortest = min(depths, key=lambda d: (extents[d], d), default=None)
    if shortest is None or extents[shortest] > MOST_UNROLLED:
        return None
    return Straddling(shortest, tuple(range(extents[shortest])))


def _starts(const: int, factor: int, extent: int, ranges: "set[Range]") -> tuple[int, ...]:
    """Values of an induction variable at which ``const + factor * iv`` enters another range."""
    bounds = {r.low for r in ranges} | {r.high + 1 for r in ranges}
    starts = {-((const - b) // factor) if factor > 0 else (const - b) // -factor + 1 for b in bounds}
    return tuple(sorted({0} | {s for s in starts if 0 < s < extent}))


def cut(body: Body, at: Straddling) -> list[Body]:
    """The body on the parts of its domain, in order."""
    extent = body.extents[at.depth]
    if at.modulus:
        parts = [(r, at.modulus, -(-(extent - r) // at.modulus)) for r in range(at.modulus)]
    else:
        ends = (*at.starts[1:], extent)
        parts = [(start, 1, end - start) for start, end in zip(at.starts, ends, strict=True)]
    return [_on_part(body, at.depth, *part) for part in parts]


def _on_part(body: Body, depth: int, start: int, stride: int, count: int) -> Body:
    """The body where iv ``depth`` is ``start + stride * i`` for i < count; a loop of one trip goes away."""
    kept = [d for d in range(len(body.extents)) if d != depth or count > 1]
    values: list[Quasi] = []
    for d in range(len(body.extents)):
        if d != depth:
            values.append(q.iv(kept.index(d)))
        else:
            values.append(Quasi(start, ((kept.index(d), stride),)) if count > 1 else Quasi(start))
    return fold.rewritten(body, values, tuple(count if d == depth else body.extents[d] for d in kept))


def forwarded(body: Body, sources: "dict[Load, Resolved]") -> Body:
    """The body with loads replaced by what they resolve to."""
    new, numbers = Body(body.extents), list[int]()
    values = [q.iv(d) for d in range(len(body.extents))]
    for node, location, used in zip(body.nodes, body.locations, body.live(), strict=True):
        if not used:
            numbers.append(-1)
        elif isinstance(node, Load) and node in sources:
            numbers.append(_source(new, sources[node], numbers, node, location))
        else:
            numbers.append(fold.replay(new, node, numbers, values, location))
    store = body.result()
    indices = tuple(i if isinstance(i, Quasi) else new.index(numbers[i]) for i in store.indices)
    new.store = Store(store.array, indices, numbers[store.value], store.location)
    return new


def _source(body: Body, found: Resolved, numbers: list[int], load: Load, location: ir.Location) -> int:
    piece = found.piece
    if isinstance(piece.source, ir.Value):
        data = {k: numbers[p] for k, p in enumerate(found.positions) if isinstance(p, int)}
        values = [p if isinstance(p, Quasi) else q.ZERO for p in found.positions]
        indices: list[Quasi | int] = []
        for index in piece.indices:
            (k,) = q.ivs_of(index) or (-1,) if len(q.ivs_of(index)) < 2 else (-1,)
            indices.append(body.index(data[k]) if k in data else q.substitute(index, values, body.extents))
        element = ir.MemRefType(piece.source.type).element_type
        number = body.add(Load(piece.source, tuple(indices), element), location)
    else:
        assert piece.source is not None
        number = body.add(piece.source, location)
    for name, attributes, type_ in piece.casts:
        number = fold.scalar(body, name, (number,), attributes, type_, location)
    return number
