"""What the elements of an array hold: regions that are a constant, or elements of another array (content relation).

Arrays are single-assignment but for initialisations and later slices; a later writer hides an earlier one. Pieces with
one closed form join: a roll is ``(i + 3) mod 56``, a repetition ``i mod 8``, an interleaving ``i floordiv 2``. Each
join is checked: on each of its pieces the closed form simplifies to what the piece said.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from torch_mlir import ir

from polystage.passes.copies.program import Array, Nest, Program
from polystage.passes.copies.region import Range, Region, at, disjoint, elements, hull, loops, stretched, subtract
from polystage.passes.nests import fold
from polystage.passes.nests import quasi as q
from polystage.passes.nests.body import Body, Constant, Index, Load, Scalar, Store
from polystage.passes.nests.quasi import Quasi

Cast = tuple[str, tuple[tuple[str, ir.Attribute], ...], ir.Type]
CASTS = frozenset(
    ("arith.extf", "arith.truncf", "arith.extsi", "arith.extui", "arith.trunci", "arith.sitofp", "arith.uitofp")
)
MOST_PIECES = 512


@dataclass(frozen=True, slots=True)
class Copied:
    """A body that only moves data: what it loads (or the constant that it stores) and the casts after that."""

    source: "Load | Constant | Index"
    casts: tuple[Cast, ...]


def copied(body: Body) -> Copied | None:
    """The body as a copy, cast or fill; None if it computes something or chooses elements by data."""
    if body.predicate is not None or any(isinstance(i, int) for i in body.result().indices):
        return None
    casts: list[Cast] = []
    node = body.nodes[body.result().value]
    while isinstance(node, Scalar) and node.name in CASTS:
        casts.append((node.name, node.attributes, node.type))
        node = body.nodes[node.operands[0]]
    if isinstance(node, Load):
        fine = all(isinstance(i, Quasi) for i in node.indices) and node.array != body.result().array
    else:
        fine = isinstance(node, Constant) or (isinstance(node, Index) and node.value.is_const)
    return Copied(node, tuple(reversed(casts))) if fine and not isinstance(node, Scalar) else None


@dataclass(frozen=True, slots=True)
class Piece:
    """Elements of ``region`` hold ``source[indices]``, ``indices`` in the positions x of the region, after ``casts``.

    A constant has no indices; ``source`` None: computed by the writer. ``time``: the earliest of the copies behind it.
    """

    region: Region
    source: "ir.Value | Constant | Index | None"
    indices: tuple[Quasi, ...]
    casts: tuple[Cast, ...]
    time: tuple[int, ...]

    @property
    def extents(self) -> list[int]:
        """Of the positions."""
        return [r.extent for r in self.region]

    @property
    def is_copy(self) -> bool:
        """Whether it holds elements of another array."""
        return isinstance(self.source, ir.Value)

    def on(self, part: Region) -> "Piece":
        """The piece on a part of its region."""
        values, extents = at(part, self.region), [r.extent for r in part]
        indices = tuple(q.substitute(i, values, extents) for i in self.indices)
        return Piece(part, self.source, indices, self.casts, self.time)


@dataclass(slots=True)
class Contents:
    """The contents of the arrays of a program, computed when asked for and kept until writers change."""

    program: Program
    known: dict[ir.Value, tuple[int, tuple[Piece, ...] | None]] = field(default_factory=dict)

    def of(self, array: ir.Value) -> tuple[Piece, ...] | None:
        """The pieces of an array after its last writer, disjoint; None where that is not expressible."""
        stamp = self.program.stamp(array)
        if array not in self.known or self.known[array][0] != stamp:
            self.known[array] = stamp, self._compute(array)
        return self.known[array][1]

    def _compute(self, array: ir.Value) -> tuple[Piece, ...] | None:
        visible = self.visible(array)
        return None if visible is None else tuple(joined([piece for _, piece in visible]))

    def visible(self, array: ir.Value) -> list[tuple[Nest, Piece]] | None:
        """What each writer leaves in the end, as disjoint pieces."""
        found: list[tuple[Nest, Piece]] = []
        gone = self.program.gone.get(array, [])
        for writer in sorted((*self.program.writers_of(array), *gone), key=lambda n: n.order):
            piece = piece_of(writer)
            if piece is None:
                return None
            if writer in gone:
                piece = Piece(piece.region, None, (), (), writer.order)
            rest: list[tuple[Nest, Piece]] = []
            for nest, old in found:
                if (parts := subtract(old.region, piece.region)) is None:
                    return None
                rest += [(nest, old)] if parts == [old.region] else [(nest, old.on(part)) for part in parts]
            found = [*rest, (writer, piece)]
            if len(found) > MOST_PIECES:
                return None
        return found

    def stable(self, piece: Piece, until: tuple[int, ...]) -> bool:
        """Whether what the piece's copies read is still there at ``until``."""
        if not isinstance(piece.source, ir.Value):
            return True
        shape = self.program.arrays[piece.source].shape
        touched = hull(piece.indices, piece.extents, shape)
        for writer in self.program.writers.get(piece.source, {}):
            if piece.time < writer.order < until:
                covered = writer.image
                if covered is None or not disjoint(covered.region, touched):
                    return False
        return True


def piece_of(writer: Nest) -> Piece | None:
    """What one nest writes."""
    image = writer.image
    if image is None:
        return None
    copy = copied(writer.body)
    unused = any(v is None for v, extent in zip(image.ivs, writer.body.extents, strict=True) if extent > 1)
    if copy is None or unused:
        return Piece(image.region, None, (), (), writer.order)
    if not isinstance(copy.source, Load):
        return Piece(image.region, copy.source, (), copy.casts, writer.order)
    values, extents = [v or q.ZERO for v in image.ivs], [r.extent for r in image.region]
    indices = tuple(q.substitute(i, values, extents) for i in copy.source.indices if isinstance(i, Quasi))
    return Piece(image.region, copy.source.array, indices, copy.casts, writer.order)


def joined(pieces: Sequence[Piece]) -> list[Piece]:
    """The same content in fewer pieces."""
    current = [p for p in pieces if p.source is not None]
    computed = [p for p in pieces if p.source is None]
    changed = len(current) > 1
    while changed:
        changed = False
        for dim in range(len(current[0].region)):
            fewer = [p for family in _families(current, dim) for p in _join_family(family, dim)]
            changed |= len(fewer) < len(current)
            current = fewer
    return sorted((*current, *computed), key=lambda p: tuple(r.low for r in p.region))


def _families(pieces: Sequence[Piece], dim: int) -> list[list[Piece]]:
    """Pieces of one source that differ along one dimension, in its order."""
    families: dict[object, list[Piece]] = {}
    for p in pieces:
        others = (*p.region[:dim], *p.region[dim + 1 :])
        families.setdefault((p.source, p.casts, others, p.region[dim].step), []).append(p)
    return [sorted(family, key=lambda p: p.region[dim].low) for family in families.values()]


def _join_family(family: list[Piece], dim: int) -> list[Piece]:
    if len(family) < 2:
        return family
    for form in (_as_blocks, _as_strides):
        whole_family = form(family, dim)
        if whole_family is not None:
            return [whole_family]
    result = [family[0]]
    for piece in family[1:]:
        pair = _as_neighbours(result[-1], piece, dim)
        if pair is None:
            result.append(piece)
        else:
            result[-1] = pair
    return result


def _union(family: Sequence[Piece], dim: int, one: Range) -> Region:
    return (*family[0].region[:dim], one, *family[0].region[dim + 1 :])


def _checked(family: Sequence[Piece], region: Region, indices: Sequence[Quasi]) -> Piece | None:
    """The union of the family as one piece, if the closed form is right on each member."""
    union = Piece(region, family[0].source, tuple(indices), family[0].casts, min(p.time for p in family))
    return union if all(union.on(p.region).indices == p.indices for p in family) else None


def _as_neighbours(a: Piece, b: Piece, dim: int) -> Piece | None:
    """Two pieces side by side whose indices are one form, or one form modulo its length (a roll)."""
    ra, rb = a.region[dim], b.region[dim]
    if ra.high + ra.step != rb.low:
        return None
    region = _union((a, b), dim, stretched(ra, rb))
    extents = [r.extent for r in region]
    back = [q.iv(k) if k != dim else Quasi(-ra.extent, ((dim, 1),)) for k in range(len(region))]
    indices: list[Quasi] = []
    for ia, ib in zip(a.indices, b.indices, strict=True):
        shifted = q.substitute(ib, back, extents)
        gap = q.subtract(ia, shifted, extents)
        if not gap.is_const:
            return None
        if gap.const > 0:
            ia = q.mod(ia, gap.const, extents)
        elif gap.const < 0:
            ia = q.mod(Quasi(ia.const - gap.const, ia.terms), -gap.const, extents)
        indices.append(ia)
    return _checked((a, b), region, indices)


def _as_blocks(family: Sequence[Piece], dim: int) -> Piece | None:
    """Blocks of one length, one after another, whose indices differ by a fixed step: ``f(i mod n) + c * (i / n)``."""
    first = family[0].region[dim]
    if any(p.region[dim].extent != first.extent for p in family):
        return None
    if any(a.region[dim].high + first.step != b.region[dim].low for a, b in pairwise(family)):
        return None
    region = _union(family, dim, stretched(first, family[-1].region[dim]))

    def digit(extents: Sequence[int]) -> tuple[Quasi, Quasi]:
        return q.mod(q.iv(dim), first.extent, extents), q.floordiv(q.iv(dim), first.extent, extents)

    return _progression(family, dim, region, digit)


def _as_strides(family: Sequence[Piece], dim: int) -> Piece | None:
    """Interleaved pieces whose indices differ by a fixed step: ``f(i / n) + c * (i mod n)``."""
    count = family[0].region[dim].step
    lows = [p.region[dim].low for p in family]
    if count != len(family) or lows != list(range(lows[0], lows[0] + count)):
        return None
    if any(p.region[dim].extent != family[0].region[dim].extent for p in family):
        return None
    region = _union(family, dim, Range(lows[0], count * family[0].region[dim].extent))

    def digit(extents: Sequence[int]) -> tuple[Quasi, Quasi]:
        return q.floordiv(q.iv(dim), count, extents), q.mod(q.iv(dim), count, extents)

    return _progression(family, dim, region, digit)


def _progression(
    family: Sequence[Piece], dim: int, region: Region, digit: Callable[[Sequence[int]], tuple[Quasi, Quasi]]
) -> Piece | None:
    extents = [r.extent for r in region]
    inner, number = digit(extents)
    values = [inner if k == dim else q.iv(k) for k in range(len(region))]
    indices: list[Quasi] = []
    for i0, i1 in zip(family[0].indices, family[1].indices, strict=True):
        step = q.subtract(i1, i0, family[0].extents)
        if not step.is_const:
            return None
        indices.append(q.add(q.substitute(i0, values, extents), q.scale(number, step.const), extents))
    return _checked(family, region, indices)


def witness(piece: Piece, array: Array, copy: Nest, how: str) -> Nest:
    """The record that the piece's part of an eliminated array is where the piece says; ``copy`` gives its place."""
    extents, own = loops(piece.region)
    body = Body(extents)
    if isinstance(piece.source, ir.Value):
        indices = tuple(q.substitute(i, own, body.extents) for i in piece.indices)
        element = ir.MemRefType(piece.source.type).element_type
        number = body.add(Load(piece.source, indices, element), copy.location)
    else:
        assert piece.source is not None
        number = body.add(piece.source, copy.location)
    for name, attributes, type_ in piece.casts:
        number = fold.scalar(body, name, (number,), attributes, type_, copy.location)
    body.store = Store(array.value, elements(own, piece.region), number, copy.location)
    return Nest(copy.order, body, copy.location, copy.origin, None, how)
