"""Split iteration domains until every access is a linear function of the induction variables."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from torch_mlir import ir

from polystage import poly
from polystage.analysis.nests import (
    Linear,
    NotANestError,
    NotLinearError,
    constant_trip,
    main_function,
    top_nests,
)
from polystage.analysis.reductions import COMBINING
from polystage.analysis.values import array_name
from polystage.dialects import affine
from polystage.passes.nests.boxes import MAX_PIECES, Piece, TooManyPiecesError, evaluate_expr, refine, whole_box
from polystage.pipeline import Pass, PassContext

_LOADS = ("affine.load", "memref.load")
_STORES = ("affine.store", "memref.store")


@dataclass(frozen=True)
class RefineDomains(Pass):
    """Split iteration domains until every access is a linear function of the induction variables.

    Folded reshapes, rolls and interleaves leave `mod` and `floordiv` in access maps. No instruction sees one: a
    loop is split into digits at the divisor (`d = k * d1 + d0`, a ragged extent gives a remainder nest), and where
    the sum of the low digits still crosses a multiple of the divisor the domain is cut there.

    Before:

    ```mlir
    affine.for %i = 0 to 56 {
      %0 = affine.load %a[(%i + 3) mod 56] : memref<56xf32>
      affine.store %0, %b[%i floordiv 7, %i mod 7] : memref<8x7xf32>
    }
    ```

    After: nests over ``%i1 in 0..7, %i0 in 0..7``, and pieces of the last row, with
    ``%a[7 * %i1 + %i0 + 3]`` and ``%a[7 * %i1 + %i0 - 53]``.

    Pieces run one after another. Loops whose iterations depend on their order (of a recurrence, of a fold that is no
    reduction) stay whole: what is loaded through a division of them is first copied into an array indexed by them.

    Requires: affine normal form.

    Refuses: a nest that would fall into more than 4096 pieces; a loop that has to stay whole and is divided where the
    nest stores, or where it loads what it stores.

    Statistics:
        split: nests that were split
        pieces: nests that they became
        unfolded: copies made for loops that stay whole
    """

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Rewrite every nest with a quasi-affine access."""
        pending = list(top_nests(main_function(op)))
        for loop in pending:
            try:
                pending += _refine(loop, ctx)
            except (NotANestError, NotLinearError) as problem:
                ctx.error(loop, f"domain cannot be split: {problem}; run lower-to-affine first")
            except TooManyPiecesError:
                ctx.error(
                    loop,
                    f"nest falls into more than {MAX_PIECES} pieces with linear accesses; "
                    "simplify its index arithmetic",
                )


def _refine(loop: ir.Operation, ctx: PassContext) -> Sequence[ir.Operation]:
    """Split one nest, or make it linear otherwise; new nests that have to be split as well."""
    body = _Body.of(loop)
    if body.linear:
        return ()
    whole = body.whole
    copies = body.unfold(whole)
    ctx.statistic("unfolded", len(copies))
    body = _Body.of(loop)
    if any(not _is_linear(access) and whole & set(operands) for _, access, operands in body.accesses):
        ctx.error(
            loop,
            "nest depends on the order of its iterations and accesses what it stores through mod or floordiv; "
            "use a loop for each digit",
        )
        return copies
    if body.linear:
        return copies
    pieces = list(refine(whole_box(body.extents), body.evaluate))
    with ir.InsertionPoint(loop), loop.location:
        for piece in pieces:
            body.emit(piece)
    loop.erase()
    ctx.statistic("split", 1)
    ctx.statistic("pieces", len(pieces))
    return copies


@dataclass(frozen=True)
class _Body:
    """The innermost block of a nest, and what is needed to write it again over another domain."""

    loop: ir.Operation
    extents: tuple[int, ...]
    ivs: tuple[ir.Value, ...]
    ops: tuple[ir.Operation, ...]

    @classmethod
    def of(cls, loop: ir.Operation) -> "_Body":
        """The body of a nest; NotANestError where an access depends on anything but its induction variables."""
        extents, ivs, current = list[int](), list[ir.Value](), loop
        while True:
            extents.append(constant_trip(current))
            block = current.regions[0].blocks[0]
            ivs.append(block.arguments[0])
            ops = [op.operation for op in block.operations][:-1]
            if len(ops) != 1 or ops[0].name != "affine.for":
                break
            current = ops[0]
        mapped = [operand for op in ops if "map" in op.attributes for operand in list(op.operands)[_first_index(op) :]]
        if any(operand not in ivs for operand in mapped):
            raise NotANestError("an index is computed outside of the access maps")
        if sum(op.name in _STORES for op in ops) != 1:
            raise NotANestError("a nest has one store")
        return cls(loop, tuple(extents), tuple(ivs), tuple(ops))

    @property
    def store(self) -> ir.Operation:
        """The one store."""
        return next(op for op in self.ops if op.name in _STORES)

    @property
    def whole(self) -> frozenset[int]:
        """Loops that must not be cut into pieces that run one after another."""
        store, everything = self.store, frozenset(range(len(self.extents)))
        own = [op for op in self.ops if op.name in _LOADS and op.operands[0] == store.operands[1] and self.meets(op)]
        if store.name == "memref.store":
            return everything if own else frozenset()
        target = (store.attributes["map"], *list(store.operands)[2:])
        same = [
            load
            for load in own
            if load.name == "affine.load" and (load.attributes["map"], *list(load.operands)[1:]) == target
        ]
        if len(same) < len(own):
            return everything
        if len(own) == 1 and _is_reduction(own[0].results[0], store.operands[0]):
            return frozenset()
        if own and not poly.injective(self.polyhedral[store]):
            return everything
        used = next(operands for op, _, operands in self.accesses if op == store)
        return frozenset(loop for loop in everything - set(used) if self.extents[loop] > 1)

    @cached_property
    def polyhedral(self) -> Mapping[ir.Operation, poly.Access]:
        """The accesses as functions on the box of the loops that they depend on."""
        found: dict[ir.Operation, poly.Access] = {}
        for op, access, operands in self.accesses:
            domain = poly.Domain.box([f"d{k}" for k in range(len(operands))], [self.extents[d] for d in operands])
            found[op] = poly.from_affine_map(access, "", domain)
        return found

    def meets(self, load: ir.Operation) -> bool:
        """Whether a load of the stored array may touch what the nest stores."""
        if load not in self.polyhedral or self.store not in self.polyhedral:
            return True
        ranges = zip(poly.bounds(self.polyhedral[load]), poly.bounds(self.polyhedral[self.store]), strict=True)
        return all(low <= greatest and least <= high for (low, high), (least, greatest) in ranges)

    def unfold(self, whole: frozenset[int]) -> list[ir.Operation]:
        """Copy what is loaded through a division of loops in ``whole`` into arrays indexed by loops; the copies."""
        copies, stored = list[ir.Operation](), self.store.operands[1]
        for op, access, operands in list(self.accesses):
            folded = op.name == "affine.load" and not _is_linear(access) and bool(whole & set(operands))
            if not folded or op.operands[0] == stored:
                continue
            array, loops = op.operands[0], sorted(set(operands))
            element = ir.MemRefType(array.type).element_type
            type_ = ir.MemRefType.get([self.extents[loop] for loop in loops], element)
            with ir.InsertionPoint(self.loop), op.location:
                copy = affine.alloc(type_, _fresh_name(self.loop, f"{array_name(array)}.unfolded"))
                with affine.nest(type_.shape) as ivs:
                    moved = dict(zip(loops, ivs, strict=True))
                    value = affine.load(array, access, [moved[loop] for loop in operands])
                    affine.store(value, copy, ir.AffineMap.get_identity(len(loops)), ivs)
                copies.append(_loop_of(ivs[0]))
            with ir.InsertionPoint(op), op.location:
                own = affine.load(copy, ir.AffineMap.get_identity(len(loops)), [self.ivs[loop] for loop in loops])
            op.results[0].replace_all_uses_with(own)
            op.erase()
        return copies

    @property
    def accesses(self) -> Iterator[tuple[ir.Operation, ir.AffineMap, list[int]]]:
        """Operations with an affine map: the map, and which induction variables it is applied to."""
        position = {iv: k for k, iv in enumerate(self.ivs)}
        for op in self.ops:
            if "map" in op.attributes:
                operands = list(op.operands)[_first_index(op) :]
                yield op, ir.AffineMapAttr(op.attributes["map"]).value, [position[v] for v in operands]

    @property
    def linear(self) -> bool:
        """Whether no access has a ``mod`` or a division."""
        return all(_is_linear(access) for _, access, _ in self.accesses)

    def evaluate(self, piece: Piece) -> list[tuple[Linear, ...]]:
        """All accesses as linear forms over the piece."""
        return [
            tuple(evaluate_expr(expr, [piece.ivs[k] for k in operands], piece.extents) for expr in access.results)
            for _, access, operands in self.accesses
        ]

    def emit(self, piece: Piece) -> None:
        """Write the nest over one piece of its domain; loops of one trip are promoted."""
        kept = [d for d, extent in enumerate(piece.extents) if extent > 1]
        attributes = {
            name: self.loop.attributes[name] for name in ("polystage.indirect",) if name in self.loop.attributes
        }
        maps = {op: _to_map(forms, kept) for (op, _, _), forms in zip(self.accesses, self.evaluate(piece), strict=True)}
        with affine.nest([piece.extents[d] for d in kept], attributes) as ivs:
            values = {
                old: affine.apply(_to_map((form,), kept), ivs)
                for old, form in zip(self.ivs, piece.ivs, strict=True)
                if _used_as_data(old)
            }
            for op in self.ops:
                clone = op.clone()
                if op in maps:
                    first = _first_index(op)
                    operands = [values.get(v, v) for v in list(op.operands)[:first]] + ivs
                    results = [r.type for r in op.results]
                    clone.erase()
                    clone = ir.Operation.create(op.name, results, operands, {"map": ir.AffineMapAttr.get(maps[op])})
                else:
                    for k, value in enumerate(op.operands):
                        clone.operands[k] = values.get(value, value)
                values.update(zip(op.results, clone.results, strict=True))


def _first_index(op: ir.Operation) -> int:
    return {"affine.load": 1, "affine.store": 2, "affine.apply": 0}[op.name]


def _is_linear(access: ir.AffineMap) -> bool:
    return not any(word in str(access) for word in ("mod", "div"))


def _is_reduction(accumulator: ir.Value, total: ir.Value) -> bool:
    """Whether ``total`` is the accumulator combined with something else, in any order."""
    root = total.owner
    if isinstance(root, ir.Block) or root.name not in COMBINING:
        return False
    return [use.owner for use in accumulator.uses] == [root]


def _fresh_name(loop: ir.Operation, stem: str) -> str:
    """``stem`` and a number that makes it the name of no array allocated beside ``loop``."""
    taken = [op.operation for op in loop.block.operations if op.operation.name == "memref.alloc"]
    names = {array_name(op.results[0]) for op in taken}
    return next(name for name in (f"{stem}{k}" for k in itertools.count()) if name not in names)


def _loop_of(iv: ir.Value) -> ir.Operation:
    block = iv.owner
    assert isinstance(block, ir.Block)
    return block.owner.operation


def _used_as_data(iv: ir.Value) -> bool:
    return any("map" not in use.owner.attributes for use in iv.uses)


def _to_map(forms: Sequence[Linear], kept: Sequence[int]) -> ir.AffineMap:
    return ir.AffineMap.get(len(kept), 0, [_to_expr(form, kept) for form in forms])


def _to_expr(form: Linear, kept: Sequence[int]) -> ir.AffineExpr:
    expr: ir.AffineExpr = ir.AffineExpr.get_constant(form.const)
    for position, dim in enumerate(kept):
        if form.dims[dim]:
            expr = expr + ir.AffineExpr.get_dim(position) * form.dims[dim]
    return expr
