"""Groups alike are worked out once, and come out as if each were worked out by itself."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest
from torch_mlir import ir

from polystage import dialects, machine
from polystage.analysis.groups import Tile
from polystage.analysis.implementation import Implementation
from polystage.analysis.nest_reader import read_nest
from polystage.analysis.nests import main_function, top_nests
from polystage.analysis.values import array_name
from polystage.passes.staging.group_search import GroupSearch, Reach
from polystage.passes.staging.outlines import Outlines, Way
from polystage.passes.staging.patterns import Patterns
from polystage.passes.staging.program import Program
from polystage.passes.staging.schedule import Step
from polystage.passes.staging.streams import Streams
from polystage.passes.staging.sums import Sums

ROWS = 64
LAYERS = 5


def program_text() -> str:
    """Layers of two nests, `b = a + a` and `c = b * b`; the last one stores the result."""
    type_ = f"memref<8x{ROWS}xf32>"
    arrays = ["in", *(f"t{k}" for k in range(2 * LAYERS - 1)), "out"]
    allocs = [f'%{name} = memref.alloc() {{polystage.name = "{name}"}} : {type_}' for name in arrays[1:-1]]
    nests = [
        f"""affine.for %i = 0 to 8 {{ affine.for %j = 0 to {ROWS} {{
          %x = affine.load %{before}[%i, %j] : {type_}
          %y = arith.{"mulf" if k % 2 else "addf"} %x, %x : f32
          affine.store %y, %{after}[%i, %j] : {type_}
        }} }}"""
        for k, (before, after) in enumerate(pairwise(arrays))
    ]
    kinds = [f'{{polystage.kind = "{kind}", polystage.name = "{name}"}}' for kind, name in _ARGUMENTS]
    arguments = f"%in: {type_} {kinds[0]}, %out: {type_} {kinds[1]}"
    return "\n".join([f"func.func @main({arguments}) {{", *allocs, *nests, "return }"])


_ARGUMENTS = (("input", "in"), ("output", "out"))


@pytest.fixture(scope="module")
def steps() -> Iterator[Sequence[Step]]:
    context = ir.Context()
    dialects.register(context)
    with context, ir.Location.unknown():
        module = ir.Module.parse(program_text())
        loops = top_nests(main_function(module.operation))
        yield [Step(read_nest(loop), Implementation("elementwise", 0)) for loop in loops]


def outlines(steps: Sequence[Step]) -> Outlines:
    target = machine.load("tiny")
    program = Program(steps, target)
    patterns = Patterns(steps, program.uses, program.needs)
    return Outlines(program.uses, patterns, Streams(steps, target, program.needs), Sums(steps, target))


def test_patterns_tell_groups_apart_by_what_they_are_given_and_leave(steps: Sequence[Step]) -> None:
    patterns = outlines(steps).patterns
    assert patterns.of(2, 3) == patterns.of(4, 5)
    assert patterns.of(2, 5) == patterns.of(4, 7)
    assert patterns.of(2, 3) == patterns.of(2 * LAYERS - 2, 2 * LAYERS - 1)  # both leave what is used after them
    assert len({patterns.of(0, 1), patterns.of(2, 3), patterns.of(3, 4)}) == 3
    assert [array_name(array) for array in patterns.arrays_of(2, 3)] == ["t1", "t2", "t3"]


@pytest.mark.parametrize("tiles", [(Tile(1, 8),), (Tile(0, 4), Tile(1, 16))])
def test_a_group_alike_is_as_if_worked_out_by_itself(steps: Sequence[Step], tiles: tuple[Tile, ...]) -> None:
    shared = outlines(steps)
    shared.outline(2, 3, Way(tiles))
    spent = shared.spent
    found = shared.outline(6, 7, Way(tiles))
    assert shared.spent == spent
    assert found == outlines(steps).outline(6, 7, Way(tiles))
    assert {array_name(array) for array, moved in found.moved.items() if moved} == {"t5", "t7"}


def stencils() -> str:
    """`t = x + x` one row further, `y = t + t` one row and one column further: tiles of both loops repeat rows of t."""
    types = [f"memref<{size}x{size}xf32>" for size in (34, 33, 32)]

    def nest(before: str, after: str, k: int) -> str:
        return f"""affine.for %i = 0 to {33 - k} {{ affine.for %j = 0 to {33 - k} {{
          %a = affine.load %{before}[%i, %j] : {types[k]}
          %b = affine.load %{before}[%i + 1, %j + 1] : {types[k]}
          %c = arith.addf %a, %b : f32
          affine.store %c, %{after}[%i, %j] : {types[k + 1]}
        }} }}"""

    kinds = [f'{{polystage.kind = "{kind}", polystage.name = "{name}"}}' for kind, name in _ARGUMENTS]
    alloc = f'%t = memref.alloc() {{polystage.name = "t"}} : {types[1]}'
    arguments = f"%x: {types[0]} {kinds[0]}, %y: {types[2]} {kinds[1]}"
    return "\n".join([f"func.func @main({arguments}) {{", alloc, nest("x", "t", 0), nest("t", "y", 1), "return }"])


def test_tiles_that_repeat_are_not_tried_with_longer_groups() -> None:
    context = ir.Context()
    dialects.register(context)
    with context, ir.Location.unknown():
        module = ir.Module.parse(stencils())
        loops = top_nests(main_function(module.operation))
        known = outlines([Step(read_nest(loop), Implementation("elementwise", 0)) for loop in loops])
        search = GroupSearch(known.uses.steps, machine.load("tiny"), 1 << 20, known, frozenset())
        both, rows = Way((Tile(1, 8), Tile(0, 8))), Way((Tile(0, 8),))
        assert known.find(0, 1, both) is None and known.repeats(0, 1, both)
        assert known.find(0, 1, rows) is not None and not known.repeats(0, 1, rows)
        reach = Reach({1: list[Way](), 0: list[Way]()})
        search.probe(1, both, reach)
        search.probe(1, rows, reach)
        spent = known.spent
        assert search.again(0, 1, both, reach) is None and known.spent == spent
        assert search.again(0, 1, rows, reach) is not None


def test_what_is_used_later_has_to_move_later(steps: Sequence[Step]) -> None:
    program = Program(steps, machine.load("tiny"))
    size = 4 * 8 * ROWS
    assert program.compulsory == 2 * size
    assert program.later == [2 * size, *[size] * (len(steps) - 1), 0]
