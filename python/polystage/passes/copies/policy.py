"""What copy elimination decides: which loads are forwarded, which domains are cut, which arrays share storage, when."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod

from torch_mlir import ir

from polystage.dialects import npu
from polystage.passes.copies.coalesce import absorb, absorption
from polystage.passes.copies.content import Contents, Piece, copied, witness
from polystage.passes.copies.forward import Resolved, Straddling, cut, forwarded, resolve
from polystage.passes.copies.initialise import (
    NO_ACCUMULATOR,
    add_afterwards,
    add_in_readers,
    cheap_to_add,
    initialisation,
)
from polystage.passes.copies.program import Nest, Program, loads_from
from polystage.passes.copies.region import disjoint, hull, size
from polystage.passes.nests.body import Body, Load, loads_of
from polystage.passes.nests.factors import summed_factors
from polystage.passes.nests.quasi import Quasi, ivs_of

WIDENING = frozenset(("arith.extf", "arith.extsi", "arith.extui"))
MOST_CUTS = 8
"""Nests that one computing nest may become."""
MOST_COPY_CUTS = 64


@dataclass(slots=True)
class Eliminator:
    """The worklist. ``how`` says of each copy nest that went, by origin, which move did it."""

    program: Program
    coalescing: bool = True
    keep: frozenset[str] = frozenset()
    contents: Contents = field(init=False)
    how: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.contents = Contents(self.program)

    def run(self) -> None:
        """To a fixpoint. Each step removes a nest or an array, or moves a load towards where values are computed."""
        while True:
            self.forward(cutting=False)
            if self.coalescing and self.coalesce():
                continue
            if not (self.coalescing and self.forward(cutting=True)):
                break
        if self.coalescing:
            self.initialise()

    def forward(self, *, cutting: bool) -> bool:
        """One sweep in program order; whether a domain was cut."""
        pending = sorted(self.program.nests, key=lambda n: n.order, reverse=True)
        has_cut = False
        while pending:
            nest = pending.pop()
            new = self._forward_nest(nest, cutting=cutting or bool(nest.witness))
            if len(new) > 1:
                has_cut |= not nest.witness
                pending.extend(reversed(new))
        self.sweep_dead("split" if cutting else "forward")
        return has_cut

    def _forward_nest(self, nest: Nest, *, cutting: bool) -> list[Nest]:
        """The nests in its place; more than one where its domain was cut."""
        while True:
            sources: dict[Load, Resolved] = {}
            for load in loads_of(nest.body):
                if load.array == nest.target or self.kept(load.array):
                    continue
                found = resolve(self.contents, nest, load, nest.body.extents)
                if isinstance(found, Resolved) and self.may_forward(nest, found):
                    sources[load] = found
                elif isinstance(found, Straddling) and cutting and self.may_cut(nest, load, found):
                    return self.program.replace(nest, cut(nest.body, found))
            if not keeps_one_factor_type(nest.body, sources):
                sources = {load: found for load, found in sources.items() if not found.piece.casts}
            if not sources:
                return [nest]
            (nest,) = self.program.replace(nest, [forwarded(nest.body, sources)])

    def kept(self, array: ir.Value) -> bool:
        """Whether the copies into the array were asked to stay."""
        return self.program.arrays[array].name in self.keep

    def may_forward(self, nest: Nest, found: Resolved) -> bool:
        """Whether the load may become what it resolves to.

        Not where the nest would then load from the array that it stores to; constants only into bodies without a
        reduction; casts that lose precision, and so read more bytes than before, only into copies.
        """
        if nest.witness:
            return True
        piece = found.piece
        if piece.source == nest.target:
            return False
        if copied(nest.body) is not None:
            return True
        if not piece.is_copy:
            return not any(True for _ in loads_from(nest, nest.target))
        return all(name in WIDENING for name, _, _ in piece.casts)

    def may_cut(self, nest: Nest, load: Load, found: Straddling) -> bool:
        """Whether the domain may be cut: not into many, not where iterations depend on each other, and along a
        reduction only if reading and writing the accumulator again moves less than the copies do.
        """
        if nest.witness:
            return True
        moves = copied(nest.body) is not None
        parts = found.modulus or len(found.starts)
        siblings = sum(other.origin == nest.origin for other in self.program.writers.get(nest.target, {}))
        if siblings + parts > (MOST_COPY_CUTS if moves else MOST_CUTS):
            return False
        own = nest.body.result().indices
        if not all(other.indices == own for other in loads_from(nest, nest.target)):
            return False
        parallel = {d for index in own if isinstance(index, Quasi) for d in ivs_of(index)}
        if moves or found.depth in parallel:
            return True
        sums = prod(extent for d, extent in enumerate(nest.body.extents) if d in parallel)
        extra = (parts - 1) * sums * npu.element_bytes(self.program.arrays[nest.target].element)
        return extra <= self.program.arrays[load.array].bytes

    def sweep_dead(self, how: str) -> None:
        """Remove what nobody reads; copies leave a witness."""
        changed = True
        while changed:
            changed = False
            for array in list(self.program.writers):
                writers = self._dead_writers(array)
                if writers:
                    self._settle(array)
                    writers = self._dead_writers(array, with_witnesses=True)
                if not writers:
                    continue
                witnesses = list(self._witnesses(array, set(writers), how))
                self.program.gone.setdefault(array, []).extend(writers)
                for writer in writers:
                    self.program.remove(writer)
                    self.how.setdefault(writer.origin, witnesses[0].witness if witnesses else how)
                for each in witnesses:
                    self.program.add(each)
                changed = True

    def _settle(self, array: ir.Value) -> None:
        """Let witnesses that read an array say where its elements come from, while it is there to be asked."""
        pending = sorted((n for n in self.program.readers.get(array, {}) if n.witness), key=lambda n: n.order)
        while pending:
            new = self._forward_nest(pending.pop(), cutting=True)
            pending.extend(new if len(new) > 1 else ())

    def _dead_writers(self, array: ir.Value, *, with_witnesses: bool = False) -> list[Nest]:
        """The nests whose stores to an array no code reads; in an array that lives on, nor any witness."""
        writers = self.program.writers_of(array)
        if not writers or self.program.arrays[array].kind != "alloc":
            return []
        if set(self.program.readers_of(array)) - set(writers):
            return list(self._unread(array, with_witnesses)) if len(writers) > 1 else []
        return writers

    def _unread(self, array: ir.Value, with_witnesses: bool) -> Iterator[Nest]:
        """Copies into an array that is read, but nowhere where they write."""
        shape = self.program.arrays[array].shape
        boxes = [
            hull(load.indices, reader.body.extents, shape)
            for reader in self.program.readers.get(array, {})
            if with_witnesses or not reader.witness
            for load in loads_from(reader, array)
        ]
        for writer in self.program.writers_of(array):
            if copied(writer.body) is not None and writer.image is not None:
                region = writer.image.region
                if all(disjoint(region, box) for box in boxes):
                    yield writer

    def _witnesses(self, array: ir.Value, writers: set[Nest], how: str) -> Iterator[Nest]:
        """What the copies into an array left there, in as few pieces as it takes."""
        visible = [(w, p) for w, p in self.contents.visible(array) or () if w in writers and p.source is not None]
        pieces: list[Piece] = [p for p in self.contents.of(array) or () if p.source is not None]
        if sum(size(p.region) for p in pieces) != sum(size(p.region) for _, p in visible):
            pieces = [p for _, p in visible]
        if how == "forward" and len(pieces) < len(visible):
            how = "join"
        by_time = {w.order: w for w, _ in visible}
        for piece in pieces:
            yield witness(piece, self.program.arrays[array], by_time[piece.time], how)

    def coalesce(self) -> bool:
        """Absorb sources of copies, those of the largest target first; whether any was."""
        changed, progress = False, True
        while progress:
            progress = False
            for nest in self.copies():
                if nest not in self.program.nests:
                    continue
                plan = absorption(self.program, nest)
                if not isinstance(plan, str):
                    absorb(self.program, plan)
                    self.how[nest.origin] = "coalesce"
                    changed = progress = True
        return changed

    def initialise(self) -> None:
        """Turn copies that an accumulation starts from into additions."""
        for nest in self.copies():
            plan = initialisation(self.program, self.contents, nest)
            if isinstance(plan, str):
                continue
            if cheap_to_add(self.program, plan):
                add_in_readers(self.program, plan)
            else:
                add_afterwards(self.program, plan, self.program.fresh_name())
            self.how[nest.origin] = "initialise"

    def copies(self) -> list[Nest]:
        """The copies that are not kept on demand, those into large arrays first."""
        arrays = self.program.arrays
        found = [n for n in self.program.code() if (move := copied(n.body)) and isinstance(move.source, Load)]
        found = [n for n in found if not self.kept(n.target)]
        return sorted(found, key=lambda n: (-arrays[n.target].bytes, n.order))

    def reason(self, nest: Nest) -> str:
        """Why a copy is still there."""
        if self.kept(nest.target):
            return "kept on demand"
        if not self.coalescing:
            return "its readers touch more than one piece, and strategy 'load-forward' moves no storage"
        initial = initialisation(self.program, self.contents, nest)
        plan = absorption(self.program, nest)
        if isinstance(initial, str) and initial != NO_ACCUMULATOR:
            return initial
        return f"{plan if isinstance(plan, str) else 'undecided'}, and readers touch more than one piece"


def keeps_one_factor_type(body: Body, sources: Mapping[Load, Resolved]) -> bool:
    """Whether a contraction whose factors have one element type, as the matrix engine takes them, still has.

    A load that becomes one of what was widened has the type from before the cast.
    """
    pair = summed_factors(body)
    if pair is None or pair[0].type != pair[1].type:
        return True
    return len({_type_read(load, sources.get(load)) for load in pair}) == 1


def _type_read(load: Load, found: Resolved | None) -> ir.Type:
    if found is None or not isinstance(found.piece.source, ir.Value):
        return load.type
    return ir.MemRefType(found.piece.source.type).element_type
