"""eliminate-copies: values are read where they are computed, and computed where they are needed."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from torch_mlir import ir

from polystage.dialects import npu
from polystage.passes.copies.certificates import certify
from polystage.passes.copies.content import copied
from polystage.passes.copies.policy import Eliminator
from polystage.passes.copies.program import ORIGIN, Nest, Program, read_program, write_program
from polystage.passes.nests.body import Load
from polystage.passes.nests.ir import reported
from polystage.pipeline import Pass, PassContext, option

KEPT = "polystage.kept"
PAST = {
    "forward": "forwarded",
    "join": "joined",
    "split": "split",
    "coalesce": "coalesced",
    "initialise": "initialised",
    "kept": "kept",
}


@dataclass(frozen=True)
class EliminateCopies(Pass):
    """Remove nests that only move data, over the whole function.

    For each array its *content* is known: which regions of it hold elements of which other array, through which
    access function, or a constant. From that, to a fixpoint:

    - load forwarding: a load from a copy becomes a load from what was copied. Pieces with one closed form are one (a
      roll is `(i + 3) mod 56`), widening casts ride along.
    - storage coalescing: an array that is copied whole into a part of another lives there from the start; a fill of
      the rest shrinks to the rest. Largest target first, ties in program order.
    - index-set splitting: a nest that reads across pieces is cut where they meet, into eight nests at most, along a
      reduced loop only if reading and writing the accumulator again moves less than the copies.
    - initialisation: an accumulation that starts from a loaded value (a bias) starts from zero, the value is added
      where the sum is read, or, where that would be oftener than twice an element or the sum is an output, by a nest.
      The only move that changes the order of floating-point additions, with splitting a reduction.

    Profit: a copy nest reads and writes all its bytes in DRAM itself, so a forwarded load with short runs moves no
    more than the copy did; the limits above are the only gates. A copy that stays says why in a remark.

    Every nest gets `polystage.origin = "<array>#<k>"` (the k-th nest that stored to it before), parts of a cut nest
    share it; a copy that stays gets `polystage.kept`, the reason; the module gets `polystage.certificates`, one
    dictionary for each piece of an eliminated array.

    Before:
    ```mlir
    affine.for %i = 0 to 4 { affine.for %j = 0 to 8 {
      %0 = affine.load %a[%j, %i] : memref<8x4xf32>
      affine.store %0, %t[%i, %j] : memref<4x8xf32>
    } }
    affine.for %i = 0 to 4 { affine.for %j = 0 to 8 {
      %0 = affine.load %t[%i, %j] : memref<4x8xf32>
      %1 = math.exp %0 : f32
      affine.store %1, %b[%i, %j] : memref<4x8xf32>
    } }
    ```
    After:
    ```mlir
    affine.for %i = 0 to 4 { affine.for %j = 0 to 8 {
      %0 = affine.load %a[%j, %i] : memref<8x4xf32>
      %1 = math.exp %0 : f32
      affine.store %1, %b[%i, %j] : memref<4x8xf32>
    } }
    ```

    Requires: affine normal form.

    Refuses: a name in `keep` that no array has.

    Statistics:
        forwarded, joined, split, coalesced, initialised: copy nests that the move removed
        kept: copy nests that stay
        bytes: bytes that the removed copy nests stored
        kept-bytes: bytes that the remaining copy nests store
        certificates: certificates written
    """

    strategy: str = option(
        "full",
        choices=("off", "load-forward", "full"),
        help="off: nothing; load-forward: no storage is shared and no domain cut; full: everything",
    )
    keep: tuple[str, ...] = option((), help="arrays whose copies stay, by polystage.name")
    max_operations: int = option(1_000_000, help="bound on the work of one polyhedral question", unit="isl operations")

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Read, eliminate, write."""
        if self.strategy == "off":
            return
        with op.context, ir.Location.unknown(), reported(ctx):
            program = read_program(op, self.max_operations)
            if not self._known(program, op, ctx):
                return
            found = copies_of(program)
            work = Eliminator(program, self.strategy == "full", frozenset(self.keep))
            work.run()
            kept = _report(program, work, found, ctx)
            ctx.statistic("certificates", certify(op, program))
            write_program(program)
            _note_reasons(program, kept)

    def prove(self, before: ir.Operation, after: ir.Operation, ctx: PassContext) -> None:
        """Have every elimination proved by the checker of `verify-eliminations`."""
        from polystage.certify.eliminations import check  # islpy

        for refusal in check(before, after).refusals:
            ctx.error(refusal.op, str(refusal))

    def _known(self, program: Program, op: ir.Operation, ctx: PassContext) -> bool:
        names = {array.name for array in program.arrays.values()}
        unknown = [name for name in self.keep if name not in names]
        for name in unknown:
            ctx.error(op, f"no array is named '{name}', which keep= lists")
        return not unknown


def is_copy(nest: Nest) -> bool:
    """Whether a nest only moves data of another array."""
    move = copied(nest.body)
    return move is not None and isinstance(move.source, Load) and not move.casts


def copies_of(program: Program) -> dict[str, int]:
    """The bytes that copy nests store, by origin."""
    found: dict[str, int] = {}
    for nest in program.code():
        if is_copy(nest):
            size = prod(nest.body.extents) * npu.element_bytes(program.arrays[nest.target].element)
            found[nest.origin] = found.get(nest.origin, 0) + size
    return found


def _report(program: Program, work: Eliminator, found: Mapping[str, int], ctx: PassContext) -> dict[str, str]:
    """Statistics of what went, and a remark on each copy that stays; the reasons by origin."""
    left = copies_of(program)
    for origin, size in found.items():
        if origin not in left:
            ctx.statistic(PAST[work.how.get(origin, "forward")])
            ctx.statistic("bytes", size)
    for size in left.values():
        ctx.statistic("kept")
        ctx.statistic("kept-bytes", size)
    reasons: dict[str, str] = {}
    for nest in program.code():
        if is_copy(nest):
            names = [program.arrays[array].name for array in (_source(nest), nest.target)]
            reasons[nest.origin] = work.reason(nest)
            ctx.remark(nest.location, f"kept copy: of '{names[0]}' to '{names[1]}': {reasons[nest.origin]}")
    return reasons


def _note_reasons(program: Program, reasons: Mapping[str, str]) -> None:
    """Write why a copy stays on its outermost loop, for the report."""
    for view in program.func.regions[0].blocks[0].operations:
        attributes = view.operation.attributes
        origin = ir.StringAttr(attributes[ORIGIN]).value if ORIGIN in attributes else ""
        if origin in reasons:
            attributes[KEPT] = ir.StringAttr.get(reasons[origin])


def _source(nest: Nest) -> ir.Value:
    move = copied(nest.body)
    assert move is not None
    assert isinstance(move.source, Load)
    return move.source.array
