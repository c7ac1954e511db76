"""eliminate-copies: values are read where they are computed, and computed where they are needed."""

from dataclasses import dataclass
from math import prod

from torch_mlir import ir

from polystage.dialects import npu
from polystage.pipeline import Pass, PassContext, option

from ._body import Load
from ._copies_content import copied
from ._copies_policy import Eliminator
from ._copies_program import Nest, Program, read_program, write_program
from ._ir import reported


@dataclass(frozen=True)
class EliminateCopies(Pass):
    """Remove nests that only move data.

    Requires: affine normal form.
    """

    strategy: str = option("full", choices=("off", "load-forward", "full"), help="which moves are used")

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Read, eliminate, write."""
        if self.strategy == "off":
            return
        with op.context, ir.Location.unknown(), reported(ctx):
            program = read_program(op)
            found = copies_of(program)
            work = Eliminator(program, self.strategy == "full")
            work.run()
            left = copies_of(program)
            for origin, size in found.items():
                how = "kept" if origin in left else work.how.get(origin, "forward")
                ctx.statistic(how)
                ctx.statistic(f"{how}-bytes", size if how != "kept" else left[origin])
            for nest in program.code():
                if nest.origin in left and is_copy(nest):
                    ctx.remark(nest.location, f"kept copy: {work.why.get(nest, '?')}")
            write_program(program)


def is_copy(nest: Nest) -> bool:
    move = copied(nest.body)
    return move is not None and isinstance(move.source, Load) and not move.casts


def copies_of(program: Program) -> dict[str, int]:
    found: dict[str, int] = {}
    for nest in program.code():
        if is_copy(nest):
            size = prod(nest.body.extents) * npu.element_bytes(program.arrays[nest.target].element)
            found[nest.origin] = found.get(nest.origin, 0) + size
    return found
