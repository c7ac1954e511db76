"""fuse-nests: a value is computed where it is used."""

from dataclasses import dataclass, replace
from math import prod

from torch_mlir import ir

from polystage.dialects import npu
from polystage.machine import Machine, of_module
from polystage.passes.copies.program import Nest, Program, read_program, write_program
from polystage.passes.copies.region import size
from polystage.passes.fusion.capacity import Demands
from polystage.passes.fusion.legality import Fusion, fusion
from polystage.passes.fusion.merge import merged, operations
from polystage.passes.fusion.policy import suits
from polystage.passes.nests.ir import reported
from polystage.pipeline import Pass, PassContext, option

TARGET = "polystage.target"


@dataclass(frozen=True)
class FuseNests(Pass):
    """Merge elementwise nests into the nests that use their results.

    The expression of a nest that stores each element once takes the place of the loads that read it, its accesses
    composed, and its array disappears. Work is never multiplied: all reads together touch each element at most once
    (equal loads of one body count once), so a value that is broadcast, or used by two nests, stays stored. A nest that
    only widens floats is free to compute and is merged everywhere. Reductions take in what they reduce, and nests that
    update an array in place take in what was there before.

    A contraction keeps plain loads as factors, which is what the matrix engine takes. A nest that uses the result of a
    contraction or reduction stays a nest of its own: in normal form an accumulator is stored by every step, so there
    is no last step to merge with.

    Before:
    ```mlir
    affine.for %i = 0 to 64 { affine.for %j = 0 to 32 {
      ... %t[%i, %j] = exp(%x[%i, %j] - %max[%i])
    affine.for %i = 0 to 64 { affine.for %j = 0 to 32 {
      ... %sum[%i] = %sum[%i] + %t[%i, %j]
    ```
    After:
    ```mlir
    affine.for %i = 0 to 64 { affine.for %j = 0 to 32 {
      ... %sum[%i] = %sum[%i] + exp(%x[%i, %j] - %max[%i])
    ```

    A merge is not done when it would take the nest off its engine, make accesses non-linear that were linear, let more
    elements be moved one by one, or need more operations than `max-ops` or more SBUF than the target has for the
    smallest tile (the remark says so).

    Requires: affine normal form; `polystage.target` is used where it is set.
    Statistics: fused (nests that went), arrays (that went), bytes (not written and read any more), operations-before,
    operations-after (scalar operations executed, widening casts apart).
    """

    strategy: str = option("greedy", choices=("off", "greedy"), help="off: nothing; greedy: last nest to first")
    max_ops: int = option(64, help="most scalar operations in one body", unit="operations")
    max_operations: int = option(1_000_000, help="bound on the work of one polyhedral question", unit="isl operations")

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Read, merge from the last nest to the first, write."""
        if self.strategy == "off":
            return
        machine = of_module(op) if TARGET in op.attributes else None
        with op.context, ir.Location.unknown(), reported(ctx):
            program = read_program(op, self.max_operations)
            ctx.statistic("operations-before", work(program))
            fuser = _Fuser(program, self.max_ops, machine, ctx)
            for nest in reversed(program.code()):  # what reads a nest has taken in all it can
                fuser.visit(nest)
            ctx.statistic("operations-after", work(program))
            if fuser.fused:
                write_program(program)


def work(program: Program) -> int:
    """Scalar operations that the program executes."""
    return sum(prod(nest.body.extents) * operations(nest.body) for nest in program.code())


class _Fuser:
    """Merges one nest at a time; all of its readers take it in, or none."""

    def __init__(self, program: Program, max_ops: int, machine: Machine | None, ctx: PassContext) -> None:
        self.program, self.max_ops, self.ctx = program, max_ops, ctx
        self.demands = None if machine is None else Demands(program.func, machine)
        self.fused = 0

    def visit(self, producer: Nest) -> None:
        plan = fusion(self.program, producer)
        if plan is None:
            return
        after = [
            replace(reader, body=merged(producer, reader.body, loads), cached=False) for reader, loads in plan.readers
        ]
        if not all(suits(producer, before, new) for (before, _), new in zip(plan.readers, after, strict=True)):
            return
        for new in after:
            if (problem := self.too_large(new)) is not None:
                self.ctx.remark(producer.location, f"not merged into the nest that reads it: {problem}")
                return
        self.count(plan)
        for (before, _), new in zip(plan.readers, after, strict=True):
            self.program.replace(before, [new.body])
        self.program.remove(producer)

    def too_large(self, nest: Nest) -> str | None:
        count = operations(nest.body)
        if count > self.max_ops:
            return f"the body would have {count} operations, max-ops is {self.max_ops}"
        if self.demands is not None:
            machine = self.demands.machine
            needed, there = self.demands(nest), machine.usable_bytes_per_lane
            if needed > there:
                return f"its smallest tile would need {needed:,} bytes per lane, {machine.name} has {there:,}"
        return None

    def count(self, plan: Fusion) -> None:
        producer = plan.producer
        assert producer.image is not None
        elements = size(producer.image.region)
        read = sum(min(prod(nest.body.extents), elements) for nest, loads in plan.readers for _ in loads)
        element = npu.element_bytes(self.program.arrays[producer.target].element)
        self.fused += 1
        self.ctx.statistic("fused")
        self.ctx.statistic("arrays", int(len(self.program.writers_of(producer.target)) == 1))
        self.ctx.statistic("bytes", (elements + read) * element)
