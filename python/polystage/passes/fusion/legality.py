"""Legality of ``fuse-nests``: who may take over the expression of a nest, so that nothing is computed twice.

A nest can go when every read of what it stores is served by its expression, evaluated where it is read:

- its store has an inverse, so that an element tells the iteration that computes it (no accumulation, no scatter);
- all reads of its region stay inside of the region, and no element is read twice: each read is injective on the
  iterations of its nest, and different reads touch different elements. Loads of one element in one body count once.
  A nest without any operation but widening casts is free to compute: its elements may be read any number of times;
- what the expression reads is not overwritten before it is evaluated;
- the stored array is the function's own, or the one reader overwrites the region in place.
"""

from dataclasses import dataclass

from torch_mlir import ir

from polystage import poly
from polystage.analysis.reductions import WIDENING
from polystage.passes.copies.content import copied
from polystage.passes.copies.program import Nest, Program, loads_from
from polystage.passes.copies.region import Region, disjoint, hull, image
from polystage.passes.fusion.merge import iterations
from polystage.passes.nests import quasi as q
from polystage.passes.nests.body import Body, Load, Scalar, loads_of
from polystage.passes.nests.quasi import Quasi

MOST_READS = 16
"""Different reads of one array that are compared with each other."""


@dataclass(frozen=True, slots=True)
class Fusion:
    """``producer`` goes; each reader gets its expression in the place of some loads."""

    producer: Nest
    readers: tuple[tuple[Nest, tuple[Load, ...]], ...]


def fusion(program: Program, producer: Nest) -> Fusion | None:
    """How ``producer`` can be merged into all that read it, or None."""
    found = producer.image
    if found is None or _moves_only(producer.body) or _recurs(producer):
        return None
    readers = _readers(program, producer, found.region)
    if not readers or not _computed_once(program, producer, readers):
        return None
    if not all(_stable(program, producer, reader) for reader, _ in readers):
        return None
    return Fusion(producer, tuple(readers))


def is_free(body: Body) -> bool:
    """Whether the body only casts a load to a wider float, which engines do while they read."""
    used = [node for node, live in zip(body.nodes, body.live(), strict=True) if live]
    return all(isinstance(node, Load) or (isinstance(node, Scalar) and node.name in WIDENING) for node in used)


def _moves_only(body: Body) -> bool:
    """Copies and fills, which are the business of ``eliminate-copies``."""
    move = copied(body)
    return move is not None and not move.casts


def _recurs(nest: Nest) -> bool:
    """Whether an iteration reads what another one may have stored."""
    own = nest.body.result()
    return any(load.indices != own.indices for load in loads_from(nest, own.array))


def _readers(program: Program, producer: Nest, region: Region) -> list[tuple[Nest, tuple[Load, ...]]] | None:
    """All reads of what the producer leaves in its region; None where they cannot be told or another nest sees it."""
    array = program.arrays[producer.target]
    last = _overwriter(program, producer, region)
    if last is None and array.kind != "alloc":
        return None
    found: list[tuple[Nest, tuple[Load, ...]]] = []
    for reader in program.readers_of(array.value):
        if reader.order <= producer.order or (last is not None and reader.order > last.order):
            continue
        loads = list(loads_from(reader, array.value))
        near = [load for load in loads if not disjoint(hull(load.indices, reader.body.extents, array.shape), region)]
        if near:
            found.append((reader, tuple(near)))
    if last is not None and (
        [reader for reader, _ in found] != [last] or last.image is None or last.image.region != region
    ):
        return None
    return found


def _overwriter(program: Program, producer: Nest, region: Region) -> Nest | None:
    """The first later nest that stores to the region."""
    for writer in program.writers_of(producer.target):
        if writer.order > producer.order and (writer.image is None or not disjoint(writer.image.region, region)):
            return writer
    return None


def _computed_once(program: Program, producer: Nest, readers: list[tuple[Nest, tuple[Load, ...]]]) -> bool:
    reads = [(reader.body.extents, load) for reader, loads in readers for load in loads]
    if any(iterations(producer, load, extents) is None for extents, load in reads):
        return False
    if is_free(producer.body):
        return True
    if len(reads) > MOST_READS or not all(injective(load, extents, program.operations) for extents, load in reads):
        return False
    regions = [_touched(load, extents) for extents, load in reads]
    return all(disjoint(a, b) for k, a in enumerate(regions) for b in regions[:k])


def injective(load: Load, extents: tuple[int, ...], operations: int) -> bool:
    """Whether no two iterations read the same element; isl is asked, within ``operations``, where it is not plain."""
    if all(isinstance(i, Quasi) and all(isinstance(atom, int) for atom, _ in i.terms) for i in load.indices):
        found = image(load.indices, extents)
        if found is not None:
            return all(iv is not None or extent == 1 for iv, extent in zip(found.ivs, extents, strict=True))
    exprs = [index for index in load.indices if isinstance(index, Quasi)]
    used = set[int]().union(*(q.ivs_of(expr) for expr in exprs))
    if len(exprs) < len(load.indices) or any(extent > 1 and d not in used for d, extent in enumerate(extents)):
        return False
    access = ir.AffineMap.get(len(extents), 0, [q.to_affine(expr, range(len(extents))) for expr in exprs])
    domain = poly.Domain.box([f"i{depth}" for depth in range(len(extents))], list(extents))
    try:
        with poly.bounded(operations):
            return poly.injective(poly.from_affine_map(access, "a", domain))
    except poly.OperationBoundError:
        return False


def _touched(load: Load, extents: tuple[int, ...]) -> Region:
    found = image(load.indices, extents)
    spans = [q.span(index, extents) for index in load.indices if isinstance(index, Quasi)]
    return found.region if found is not None else hull(load.indices, extents, [high + 1 for _, high in spans])


def _stable(program: Program, producer: Nest, reader: Nest) -> bool:
    """Whether what the producer reads is still there when the reader runs, and while it runs."""
    for load in loads_of(producer.body):
        array = program.arrays[load.array]
        touched = hull(load.indices, producer.body.extents, array.shape)
        for writer in program.writers_of(load.array):
            if producer.order < writer.order < reader.order and (
                writer.image is None or not disjoint(writer.image.region, touched)
            ):
                return False
    return not _clobbers(producer, reader)


def _clobbers(producer: Nest, reader: Nest) -> bool:
    """Whether an iteration of the reader may overwrite what a later one would read for the producer's expression."""
    if not any(load.array == reader.target for load in loads_of(producer.body)):
        return False
    if accumulates(reader):
        return True
    own = reader.body.result().indices
    for load in loads_from(reader, producer.target):
        values = iterations(producer, load, reader.body.extents)
        for read in loads_from(producer, reader.target):
            moved = [q.substitute(i, values or (), reader.body.extents) for i in read.indices if isinstance(i, Quasi)]
            if values is None or tuple(moved) != own:
                return True
    return False


def accumulates(nest: Nest) -> bool:
    """Whether several iterations store, or may store, to one element."""
    found = nest.image
    return found is None or any(
        iv is None and extent > 1 for iv, extent in zip(found.ivs, nest.body.extents, strict=True)
    )
