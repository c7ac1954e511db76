"""split-results: a structured operation with several results becomes one operation for each."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch_mlir import ir

from polystage.passes.nests.arg_extremum import index_of_extremum, match_arg_extremum
from polystage.passes.nests.ir import NotSupportedError, reported, walk
from polystage.passes.nests.linalg import (
    clone_slice,
    generic,
    is_parallel,
    maps_of,
    needed_arguments,
    segments,
    yielded,
)
from polystage.pipeline import Pass, PassContext


@dataclass(frozen=True)
class SplitResults(Pass):
    """Give every result of a ``linalg.generic`` an operation of its own, so that every nest has one store.

    Results that nobody uses disappear. A result that is computed from the accumulator of another one can be split
    in two cases: all loops are parallel (the accumulator is the initial value), and the running position of a
    running maximum or minimum, which becomes the least position where the *final* extremum stands (the greatest
    one, if the comparison lets later equal elements win). Where the extremum is NaN the position is the first one.

    Before:
    ```mlir
    %max, %arg = linalg.generic ... ins(%x) outs(%minus_inf, %zero) {
    ^bb0(%in: f32, %m: f32, %k: i64):
      %i = linalg.index 1
      %0 = arith.index_cast %i : index to i64
      %1 = arith.maximumf %in, %m : f32
      %2 = arith.cmpf ogt, %in, %m : f32
      %3 = arith.select %2, %0, %k : i64
      linalg.yield %1, %3 : f32, i64
    }
    ```
    After (n is the extent of dimension 1):
    ```mlir
    %max = linalg.generic ... ins(%x) outs(%minus_inf) { maximumf }
    %arg = linalg.generic ... ins(%x, %max) outs(%fill_n) {
    ^bb0(%in: f32, %m: f32, %k: i64):
      %i = linalg.index 1
      %0 = arith.index_cast %i : index to i64
      %1 = arith.cmpf ueq, %in, %m : f32
      %2 = arith.select %1, %0, %n : i64
      %3 = arith.minsi %k, %2 : i64
      linalg.yield %3 : i64
    }
    ```

    Requires: linalg on tensors, named operations generalized.
    Refuses: results that depend on each other in any other way.
    Statistics: split (operations), arg-extrema (positions of a maximum or minimum).
    """

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Split every ``linalg.generic``."""
        with op.context, reported(ctx):
            for inner in walk(op):
                if inner.name == "linalg.generic" and len(inner.results) > 1:
                    _split(inner, ctx)
                    ctx.statistic("split")


def _split(op: ir.Operation, ctx: PassContext) -> None:
    made: dict[int, ir.Value] = {}
    with ir.InsertionPoint(op), op.location:
        for position, result in enumerate(op.results):
            if any(True for _ in result.uses):
                result.replace_all_uses_with(_single(op, position, made, ctx))
    op.erase()


def _single(op: ir.Operation, position: int, made: dict[int, ir.Value], ctx: PassContext) -> ir.Value:
    """Result ``position``, computed alone; ``made`` are the results that are."""
    if position in made:
        return made[position]
    made[position] = _computed(op, position, made, ctx)
    return made[position]


def _computed(op: ir.Operation, position: int, made: dict[int, ir.Value], ctx: PassContext) -> ir.Value:
    inputs, _ = segments(op)
    others = {k for k in needed_arguments(yielded(op)[position], op.regions[0].blocks[0]) if k >= inputs}
    others.discard(inputs + position)
    if not others or is_parallel(op):
        return _restricted(op, position, sorted(others))
    pattern = match_arg_extremum(op, position)
    if pattern is None:
        message = "results of this operation depend on each other in a way that cannot be split"
        raise NotSupportedError(op.location, message)
    ctx.statistic("arg-extrema")
    return index_of_extremum(op, pattern, _single(op, pattern.value, made, ctx))


def _restricted(op: ir.Operation, position: int, others: Sequence[int]) -> ir.Value:
    """``op`` with result ``position`` alone; the outputs ``others`` (operand numbers) become inputs."""
    inputs, _ = segments(op)
    block, maps, operands = op.regions[0].blocks[0], maps_of(op), list(op.operands)
    chosen = [*range(inputs), *others, inputs + position]

    def body(arguments: Sequence[ir.Value]) -> Sequence[ir.Value]:
        known = {block.arguments[k]: new for k, new in zip(chosen, arguments, strict=True)}
        return clone_slice([yielded(op)[position]], block, known)

    values = [operands[k] for k in chosen]
    return generic((values[:-1], values[-1:]), [maps[k] for k in chosen], op.attributes["iterator_types"], body).result
