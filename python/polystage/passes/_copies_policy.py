"""What copy elimination decides: which loads are forwarded, which domains are cut, which arrays share storage, when."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from torch_mlir import ir

from ._body import Load, loads_of
from ._copies_coalesce import absorb, absorption, on_region
from ._copies_content import Contents, copied
from ._copies_forward import Resolved, Straddling, cut, forwarded, resolve
from ._copies_program import Nest, Program, loads_from

WIDENING = frozenset(("arith.extf", "arith.extsi", "arith.extui"))
MOST_CUTS = 8
"""Nests that one computing nest may become."""
MOST_COPY_CUTS = 64


@dataclass(slots=True)
class Eliminator:
    """The worklist; ``how`` says of each copy nest that went, by origin, which move did it, ``why`` why one stayed."""

    program: Program
    coalescing: bool = True
    keep: frozenset[str] = frozenset()
    contents: Contents = field(init=False)
    how: dict[str, str] = field(default_factory=dict)
    why: dict[Nest, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.contents = Contents(self.program)

    def run(self) -> None:
        """To a fixpoint. Each step removes a nest or an array, or moves a load towards where values are computed."""
        while True:
            self.forward(cutting=False)
            if self.coalescing and self.coalesce():
                continue
            if not self.forward(cutting=True):
                return

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
                if load.array == nest.target or self._kept(load.array):
                    continue
                found = resolve(self.contents, nest, load, nest.body.extents)
                if isinstance(found, Resolved) and self.may_forward(nest, load, found):
                    sources[load] = found
                elif isinstance(found, Straddling) and cutting and self.may_cut(nest, load, found):
                    return self.program.replace(nest, cut(nest.body, found))
            if not sources:
                return [nest]
            (nest,) = self.program.replace(nest, [forwarded(nest.body, sources)])

    def _kept(self, array: ir.Value) -> bool:
        return self.program.arrays[array].name in self.keep

    def may_forward(self, nest: Nest, load: Load, found: Resolved) -> bool:
        """Whether the load may become what it resolves to."""
        if nest.witness:
            return True
        piece = found.piece
        if piece.source == nest.target:
            return False
        moves = copied(nest.body) is not None
        if not piece.is_copy:
            return moves or not any(True for _ in loads_from(nest, nest.target))
        return moves or all(name in WIDENING for name, _, _ in piece.casts)

    def may_cut(self, nest: Nest, load: Load, found: Straddling) -> bool:
        """Whether the domain may be cut: not into many, and not where iterations depend on each other."""
        limit = MOST_COPY_CUTS if nest.witness or copied(nest.body) is not None else MOST_CUTS
        parts = found.modulus or len(found.starts)
        siblings = sum(other.origin == nest.origin for other in self.program.writers.get(nest.target, {}))
        if not nest.witness and siblings + parts > limit:
            return False
        own = nest.body.result().indices
        return all(other.indices == own for other in loads_from(nest, nest.target))

    def sweep_dead(self, how: str) -> None:
        """Remove what nobody reads; copies leave a witness."""
        changed = True
        while changed:
            changed = False
            for array in list(self.program.writers):
                writers = self.program.writers_of(array)
                info = self.program.arrays[array]
                if not writers or info.kind != "alloc" or set(self.program.readers_of(array)) - set(writers):
                    continue
                witnesses = list(self._witnesses(array, how))
                for writer in writers:
                    self.program.remove(writer)
                    self.how.setdefault(writer.origin, how)
                for witness in witnesses:
                    self.program.add(witness)
                changed = True

    def _witnesses(self, array: ir.Value, how: str) -> Iterator[Nest]:
        """What the copies into an array left there, while it is there to be asked."""
        for writer, piece in self.contents.visible(array) or ():
            if copied(writer.body) is not None:
                yield Nest(writer.order, on_region(writer, piece.region), writer.location, writer.origin, None, how)

    def coalesce(self) -> bool:
        """Absorb sources of copies, those of the largest target first; whether any was."""
        changed = progress = False
        self.why.clear()
        while True:
            for nest in self._copies():
                if nest not in self.program.nests:
                    continue
                plan = absorption(self.program, nest)
                if isinstance(plan, str):
                    self.why[nest] = plan
                else:
                    absorb(self.program, plan)
                    self.how[nest.origin] = "coalesce"
                    changed = progress = True
            if not progress:
                return changed
            progress = False

    def _copies(self) -> list[Nest]:
        arrays = self.program.arrays
        found = [n for n in self.program.code() if (move := copied(n.body)) and isinstance(move.source, Load)]
        found = [n for n in found if arrays[n.target].name not in self.keep]
        return sorted(found, key=lambda n: (-arrays[n.target].bytes, n.order))
