"""Storage coalescing: an array that is copied whole into a part of another lives there from the start.

``B[f(i)] = A[g(i)]`` with g a bijection onto A: element a of A is element f(g^-1(a)) of B, every access of A becomes
one of B, and the copy has nothing left to do. What else was written to that part of B before (a fill) shrinks to the
rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch_mlir import ir

from polystage import poly
from polystage.passes.copies.content import Piece, copied, piece_of, witness
from polystage.passes.copies.program import Array, Nest, Program, loads_from
from polystage.passes.copies.region import Region, at, disjoint, elements, hull, inverse, loops, subtract, whole
from polystage.passes.nests import fold
from polystage.passes.nests import quasi as q
from polystage.passes.nests.body import Body, Load, Store, loads_of
from polystage.passes.nests.quasi import Quasi

OVERLAP = "other values are written to the same place"


@dataclass(frozen=True, slots=True)
class Home:
    """Element ``a`` of ``array`` is element ``indices(a)`` of ``target``."""

    array: Array
    target: Array
    indices: tuple[Quasi, ...]


@dataclass(frozen=True, slots=True)
class Absorption:
    """What to do: give ``home`` to the source of ``copy``, after shrinking ``shrunk`` to what is left of them."""

    copy: Nest
    home: Home
    shrunk: tuple[tuple[Nest, tuple[Region, ...]], ...]


def absorption(program: Program, copy: Nest) -> Absorption | str:
    """How the source of a copy can live in its target, or why it cannot."""
    move = copied(copy.body)
    assert move is not None
    assert isinstance(move.source, Load)
    source, target = program.arrays[move.source.array], program.arrays[copy.target]
    if source.kind != "alloc":
        return f"its source is {'an output' if source.kind == 'output' else 'an argument: staging transfer'}"
    if move.casts:
        return "it changes the element type"
    piece = piece_of(copy)
    if piece is None:
        return "its store is no box of the target"
    try:
        inverted = inverse(piece.indices, piece.extents, source.shape, program.operations)
    except poly.OperationBoundError as bound:
        return str(bound)
    if inverted is None:
        return "it moves a part of its source, or an element to several places"
    if (conflict := _conflict(program, copy, piece, source.value, target.value)) is not None:
        return conflict
    shrunk = _shrunk(program, copy, piece.region)
    if shrunk is None:
        return OVERLAP
    indices = elements(inverted, piece.region)
    home = Home(source, target, indices)
    users = {*program.readers.get(source.value, {}), *program.writers[source.value]}
    if any(_blocked(home, indices_) for user in users for indices_ in _accesses(user, source.value)):
        return "an index of it is data"
    return Absorption(copy, home, shrunk)


def _conflict(program: Program, copy: Nest, piece: Piece, source: ir.Value, target: ir.Value) -> str | None:
    """Why source and target cannot share storage."""
    if any(writer.order > copy.order for writer in program.writers[source]):
        return "its source is written again"
    users = [*program.readers.get(source, {}), *program.writers[source]]
    other = {*program.readers.get(target, {}), *program.writers[target]}
    if any(user in other and user is not copy and not user.witness for user in users):
        return "a nest would read and write one array"
    shape = program.arrays[target].shape
    for reader in program.readers_of(target):
        if reader.order < copy.order:
            touched = (hull(load.indices, reader.body.extents, shape) for load in loads_from(reader, target))
            if not all(disjoint(box, piece.region) for box in touched):
                return "its target is read before"
    return None


def _shrunk(program: Program, copy: Nest, region: Region) -> tuple[tuple[Nest, tuple[Region, ...]], ...] | None:
    """What is left of the other writers of the target outside of ``region``; None where that cannot be said."""
    found: list[tuple[Nest, tuple[Region, ...]]] = []
    for writer in program.writers_of(copy.target):
        if writer is copy:
            continue
        if writer.image is None:
            return None
        if disjoint(writer.image.region, region):
            continue
        rest = subtract(writer.image.region, region)
        if rest is None or writer.order > copy.order or copied(writer.body) is None:
            return None
        found.append((writer, tuple(rest)))
    return tuple(found)


def absorb(program: Program, plan: Absorption) -> None:
    """Do it; a witness records where the source lives."""
    home = plan.home
    program.remove(plan.copy)
    for writer, rest in plan.shrunk:
        program.replace(writer, [on_region(writer, region) for region in rest])
    users = {**program.readers.get(home.array.value, {}), **program.writers.get(home.array.value, {})}
    for user in sorted(users, key=lambda n: n.order):
        program.replace(user, [_moved(user.body, home)])
    region = whole(home.array.shape)
    piece = Piece(region, home.target.value, home.indices, (), plan.copy.order)
    program.add(witness(piece, home.array, plan.copy, "coalesce"))


def on_region(nest: Nest, part: Region) -> Body:
    """The nest for the part of what it writes, its loops in the order of the array's dimensions."""
    image_ = nest.image
    assert image_ is not None
    extents, packed = loops(part)
    places = [q.substitute(x, packed, extents) for x in at(part, image_.region)]
    values = [q.substitute(v, places, extents) if v is not None else q.ZERO for v in image_.ivs]
    return fold.rewritten(nest.body, values, extents)


def _accesses(nest: Nest, array: ir.Value) -> "list[tuple[Quasi | int, ...]]":
    found = [load.indices for load in loads_of(nest.body) if load.array == array]
    return [*found, nest.body.result().indices] if nest.target == array else found


def _blocked(home: Home, indices: "Sequence[Quasi | int]") -> bool:
    """Whether a data-dependent index would be part of an expression."""
    data = {k for k, index in enumerate(indices) if isinstance(index, int)}
    return any(data & q.ivs_of(i) and i != q.iv(next(iter(q.ivs_of(i)))) for i in home.indices)


def _place(home: Home, indices: "Sequence[Quasi | int]", extents: Sequence[int]) -> "tuple[Quasi | int, ...]":
    values = [i if isinstance(i, Quasi) else q.ZERO for i in indices]
    data = {q.iv(k): index for k, index in enumerate(indices) if isinstance(index, int)}
    return tuple(data[i] if i in data else q.substitute(i, values, extents) for i in home.indices)


def _moved(body: Body, home: Home) -> Body:
    """The body with every access of the array at its home."""
    new, numbers = Body(body.extents), list[int]()
    values = [q.iv(d) for d in range(len(body.extents))]
    for node, location, used in zip(body.nodes, body.locations, body.live(), strict=True):
        if not used:
            numbers.append(-1)
        elif isinstance(node, Load) and node.array == home.array.value:
            indices = tuple(i if isinstance(i, Quasi) else new.index(numbers[i]) for i in node.indices)
            numbers.append(new.add(Load(home.target.value, _place(home, indices, body.extents), node.type), location))
        else:
            numbers.append(fold.replay(new, node, numbers, values, location))
    store = body.result()
    indices = tuple(i if isinstance(i, Quasi) else new.index(numbers[i]) for i in store.indices)
    array = store.array
    if array == home.array.value:
        array, indices = home.target.value, _place(home, indices, body.extents)
    new.store = Store(array, indices, numbers[store.value], store.location)
    return new
