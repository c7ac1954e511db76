"""What leaves the chip behind a group is made completely by it, even where the group itself uses less."""

from collections.abc import Iterator

import pytest
from torch_mlir import ir

from polystage import dialects, machine
from polystage.analysis.implementation import Implementation
from polystage.analysis.index_boxes import whole
from polystage.analysis.layouts import Layout
from polystage.analysis.nest_reader import read_nest
from polystage.analysis.nests import main_function, top_nests
from polystage.passes.staging.groups import Arrays
from polystage.passes.staging.schedule import Resident, Step

# the second nest reads all of %copy but its last row
PROGRAM = """
func.func @main(%x: memref<8x64xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<8x64xf32> {polystage.kind = "output", polystage.name = "y"}) {
  %t = memref.alloc() {polystage.name = "t"} : memref<8x64xf32>
  %copy = memref.alloc() {polystage.name = "t.resident"} : memref<8x64xf32>
  affine.for %i = 0 to 8 { affine.for %j = 0 to 64 {
    %0 = affine.load %x[%i, %j] : memref<8x64xf32>
    affine.store %0, %copy[%i, %j] : memref<8x64xf32>
  } }
  affine.for %i = 0 to 8 { affine.for %j = 0 to 63 {
    %0 = affine.load %copy[%i, %j] : memref<8x64xf32>
    affine.store %0, %y[%i, %j] : memref<8x64xf32>
  } }
  return
}
"""


@pytest.fixture
def module() -> Iterator[ir.Module]:
    context = ir.Context()
    dialects.register(context)
    with context, ir.Location.unknown():
        yield ir.Module.parse(PROGRAM)


@pytest.mark.parametrize("stored", [False, True])
def test_what_is_stored_from_its_place_is_made_completely(module: ir.Module, *, stored: bool) -> None:
    function = main_function(module.operation)
    steps = [Step(read_nest(loop), Implementation("elementwise", 0)) for loop in top_nests(function)]
    array = function.regions[0].blocks[0].operations[0].operation.results[0]
    resident = Resident(array, Layout(0), 256, 0, 1, None, whole(array) if stored else None)
    arrays = Arrays(steps, machine.load("tiny"), {resident: steps[0].nest.store.array})
    assert (0 in arrays.group(0, 1, 1).complete) == stored
