"""Initial values of accumulators that are loaded (a bias): the accumulator starts from zero, the value is added after.

``C[r] = b(r); C[r] += ...`` becomes ``C[r] = 0; C[r] += ...`` and each later load of ``C[r]`` adds ``b(r)``, where all
those loads are in nests without a reduction that together run no oftener than twice an element. Otherwise the sum is
formed in an array of its own, which one nest adds to ``b`` and stores to C: as many bytes as the copy, no more, and a
form that later passes fuse. The order of additions changes, nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from torch_mlir import ir

from polystage.dialects import affine
from polystage.passes.copies.content import Contents, Piece, copied, piece_of, witness
from polystage.passes.copies.program import ARRAYS, Array, Nest, Program, loads_from
from polystage.passes.copies.region import Region, disjoint, elements, hull, loops, positions, size
from polystage.passes.nests import fold
from polystage.passes.nests import quasi as q
from polystage.passes.nests.body import Body, Constant, Index, Load, Scalar, Store
from polystage.passes.nests.quasi import Quasi

AFTER = 1 << 20
"""Last part of the order of a nest that comes after all parts of another."""
NO_ACCUMULATOR = "it initialises no accumulator"
ADDITIONS = frozenset(("arith.addf", "arith.addi"))


@dataclass(frozen=True, slots=True)
class Initialisation:
    """``first`` loads what the accumulations ``steps`` into the same region start from; ``readers`` see the sum."""

    first: Nest
    piece: Piece
    steps: tuple[Nest, ...]
    readers: tuple[Nest, ...]


def initialisation(program: Program, contents: Contents, nest: Nest) -> Initialisation | str:
    """The accumulator that a copy initialises, or why it does not."""
    move, piece = copied(nest.body), piece_of(nest)
    if move is None or not isinstance(move.source, Load) or piece is None:
        return NO_ACCUMULATOR
    region, target = piece.region, nest.target
    shape = program.arrays[target].shape
    steps: list[Nest] = []
    for writer in program.writers_of(target):
        if writer is nest or (writer.image is not None and disjoint(writer.image.region, region)):
            continue
        inside = positions(writer.body.result().indices, region, writer.body.extents)
        if writer.order < nest.order:
            return NO_ACCUMULATOR
        if inside is None or not adds(writer):
            return "what it stores is partly written again"
        steps.append(writer)
    if not steps:
        return NO_ACCUMULATOR
    readers: list[Nest] = []
    for reader in program.readers_of(target):
        boxes = [hull(load.indices, reader.body.extents, shape) for load in loads_from(reader, target)]
        if reader not in steps and not all(disjoint(box, region) for box in boxes):
            if reader.order < steps[-1].order:
                return "its accumulator is read before the sum is complete"
            readers.append(reader)
    if not contents.stable(piece, max((r.order for r in readers), default=steps[-1].order)):
        return "its source is written again"
    return Initialisation(nest, piece, tuple(steps), tuple(readers))


def adds(nest: Nest) -> bool:
    """Whether the nest adds to what it stores to, and uses the old value for nothing else."""
    body = nest.body
    root = body.nodes[body.result().value]
    if not isinstance(root, Scalar) or root.name not in ADDITIONS or root.operands[0] == root.operands[1]:
        return False
    own = [k for k, node in enumerate(body.nodes) if isinstance(node, Load) and node.array == nest.target]
    if len(own) != 1 or own[0] not in root.operands:
        return False
    (number,) = own
    load = body.nodes[number]
    uses = sum(isinstance(node, Scalar) and number in node.operands for node in body.nodes)
    return isinstance(load, Load) and load.indices == body.result().indices and uses == 1


def cheap_to_add(program: Program, plan: Initialisation) -> bool:
    """Whether the readers may add the initial value themselves."""
    target = plan.first.target
    if program.arrays[target].kind != "alloc":
        return False
    work = 0
    for reader in plan.readers:
        if reader.target == target or any(True for _ in loads_from(reader, reader.target)):
            return False
        for load in loads_from(reader, target):
            if any(isinstance(i, int) for i in load.indices):
                return False
            if positions(load.indices, plan.piece.region, reader.body.extents) is None:
                return False
            work += prod(reader.body.extents)
    return work <= 2 * size(plan.piece.region)


def add_in_readers(program: Program, plan: Initialisation) -> None:
    """Start from zero; every load of the sum adds the initial value."""
    for reader in plan.readers:
        program.replace(reader, [_adding(reader.body, plan)])
    program.replace(plan.first, [_zero(plan)])
    program.add(witness(plan.piece, program.arrays[plan.first.target], plan.first, "initialise"))


def add_afterwards(program: Program, plan: Initialisation, name: str) -> None:
    """Form the sum in a new array ``name``, and add the initial value on the way to the old one."""
    old = program.arrays[plan.first.target]
    region = plan.piece.region
    type_ = ir.MemRefType.get([r.extent for r in region], old.element)
    anchor = next(place for place in program.places if place.name not in ("arith.constant", *ARRAYS))
    with ir.InsertionPoint(anchor):
        value = affine.alloc(type_, name)
    array = Array(name, "alloc", tuple(r.extent for r in region), old.element, value)
    program.arrays[value] = array
    last = plan.steps[-1]
    for step in plan.steps:
        program.replace(step, [_retargeted(step.body, old.value, value, region)])
    body = _sum_body(plan, array)
    zero = _zero(plan)
    zero.store = Store(value, loops(region)[1], zero.result().value, plan.first.location)
    program.replace(plan.first, [zero])
    program.add(Nest((*last.order, AFTER), body, last.location, plan.first.origin))
    program.add(witness(plan.piece, old, plan.first, "initialise"))


def _adding(body: Body, plan: Initialisation) -> Body:
    """The body with the initial value added to each load of the accumulator."""
    new, numbers = Body(body.extents), list[int]()
    values = [q.iv(d) for d in range(len(body.extents))]
    for node, location, used in zip(body.nodes, body.locations, body.live(), strict=True):
        number = fold.replay(new, node, numbers, values, location) if used else -1
        if used and isinstance(node, Load) and node.array == plan.first.target:
            touched = hull(node.indices, body.extents, [1 << 40] * len(node.indices))
            if not disjoint(touched, plan.piece.region):
                places = positions(node.indices, plan.piece.region, body.extents)
                assert places is not None
                initial = _initial(new, plan.piece, [p for p in places if isinstance(p, Quasi)], location)
                number = fold.scalar(new, _addition(node.type), (number, initial), (), node.type, location)
        numbers.append(number)
    store = body.result()
    new.store = Store(store.array, store.indices, numbers[store.value], store.location)
    return new


def _initial(body: Body, piece: Piece, places: Sequence[Quasi], location: ir.Location) -> int:
    """The initial value at positions of the region."""
    assert isinstance(piece.source, ir.Value)
    indices = tuple(q.substitute(i, places, body.extents) for i in piece.indices)
    number = body.add(Load(piece.source, indices, ir.MemRefType(piece.source.type).element_type), location)
    for name, attributes, type_ in piece.casts:
        number = fold.scalar(body, name, (number,), attributes, type_, location)
    return number


def _addition(type_: ir.Type) -> str:
    return "arith.addi" if isinstance(type_, ir.IntegerType) else "arith.addf"


def _zero(plan: Initialisation) -> Body:
    """A fill of the region with zero."""
    type_ = ir.MemRefType(plan.first.target.type).element_type
    is_integer = isinstance(type_, ir.IntegerType)
    node = Index(q.ZERO, type_) if is_integer else Constant(ir.FloatAttr.get(type_, 0.0), type_)
    region = plan.piece.region
    extents, own = loops(region)
    body = Body(extents)
    number = body.add(node, plan.first.location)
    body.store = Store(plan.first.target, elements(own, region), number, plan.first.location)
    return body


def _retargeted(body: Body, old: ir.Value, new: ir.Value, region: Region) -> Body:
    """An accumulation with its accumulator in another array, at the positions of the region."""
    result, numbers = Body(body.extents), list[int]()
    values = [q.iv(d) for d in range(len(body.extents))]
    store = body.result()
    places = positions(store.indices, region, body.extents)
    assert places is not None
    for node, location, used in zip(body.nodes, body.locations, body.live(), strict=True):
        if used and isinstance(node, Load) and node.array == old:
            numbers.append(result.add(Load(new, tuple(places), node.type), location))
        else:
            numbers.append(fold.replay(result, node, numbers, values, location) if used else -1)
    result.store = Store(new, tuple(places), numbers[store.value], store.location)
    return result


def _sum_body(plan: Initialisation, array: Array) -> Body:
    """``C = sum + initial value`` over the region."""
    region, location = plan.piece.region, plan.first.location
    extents, own = loops(region)
    body = Body(extents)
    total = body.add(Load(array.value, own, array.element), location)
    initial = _initial(body, plan.piece, own, location)
    number = fold.scalar(body, _addition(array.element), (total, initial), (), array.element, location)
    body.store = Store(plan.first.target, elements(own, region), number, location)
    return body
