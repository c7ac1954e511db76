from itertools import pairwise

import pytest
from parsing import nest_of
from torch_mlir import ir

from polystage.analysis.nests import Linear, Nest
from polystage.analysis.selection import (
    NotSelectableError,
    Result,
    Selection,
    Slot,
    Temporary,
    Tile,
    select,
)

ARGUMENTS = """%x: memref<8x6xf32>, %h: memref<8x6xbf16>, %n: memref<8x6xi32>, %p: memref<8x6xi1>, %m: memref<8xf32>,
  %y: memref<8x6xf32>, %z: memref<8x6xbf16>, %k: memref<8x6xi32>"""
BEFORE = "%one = arith.constant 1.0 : f32 %two = arith.constant 2 : i32 %true = arith.constant true"
LOADS = """
  %x0 = affine.load %x[%d0, %d1] : memref<8x6xf32>
  %h0 = affine.load %h[%d0, %d1] : memref<8x6xbf16>
  %n0 = affine.load %n[%d0, %d1] : memref<8x6xi32>
  %p0 = affine.load %p[%d0, %d1] : memref<8x6xi1>
  %m0 = affine.load %m[%d0] : memref<8xf32>"""


def body(text: str, array: str = "y") -> Nest:
    types = {"y": "8x6xf32", "z": "8x6xbf16", "k": "8x6xi32"}
    store = f"affine.store %0, %{array}[%d0, %d1] : memref<{types[array]}>"
    return nest_of(f"{LOADS} {text} {store}", "8 x 6", ARGUMENTS, BEFORE)


def selected(text: str, array: str = "y", *, stays: bool = False) -> Selection:
    """The steps with the rows across the lanes; ``stays`` leaves the value where it falls."""
    nest = body(text, array)
    with nest.op.context:
        result = None if stays else ir.MemRefType(nest.store.array.type).element_type
        return select(nest, nest.store.value, lane=0, result=result, loops=frozenset({1}))


def ops(selection: Selection) -> list[str]:
    return [step.op for step in selection.steps]


def test_the_last_step_writes_the_result_and_no_other_does() -> None:
    selection = selected("%1 = math.exp %x0 : f32 %2 = math.tanh %m0 : f32 %0 = arith.addf %1, %2 : f32")
    assert [step.target == Result() for step in selection.steps] == [False, False, True]
    assert selection.value == Result()
    assert [step.loops for step in selection.steps] == [frozenset({1}), frozenset(), frozenset({1})]


@pytest.mark.parametrize(
    ("text", "array", "step"),
    [
        ("%0 = arith.addf %one, %one : f32", "y", "tensor_scalar"),
        ("%0 = arith.extf %h0 : bf16 to f32", "y", "tensor_copy"),
        ("%0 = arith.truncf %x0 : f32 to bf16", "z", "tensor_copy"),
        ("%0 = arith.fptosi %x0 : f32 to i32", "k", "tensor_copy"),
        ("%0 = arith.extui %p0 : i1 to i32", "k", "tensor_copy"),
        ("%0 = arith.subi %two, %n0 : i32", "k", "tensor_scalar"),
        ("%0 = arith.select %p0, %x0, %x0 : f32", "y", "select"),
    ],
)
def test_one_operation_is_one_instruction(text: str, array: str, step: str) -> None:
    selection = selected(text, array)
    assert [op for op in ops(selection) if op != "memset"] == [step]
    assert all(isinstance(source, Tile | Temporary) for source in selection.steps[-1].sources)


def test_a_fill_is_one_memset_of_the_elements_type() -> None:
    (fill,) = selected("%0 = arith.constant 3.0 : f32").steps
    assert (fill.op, fill.target, fill.number) == ("memset", Result(), 3.0)
    (fill,) = selected("%0 = arith.constant 3 : i32", "k").steps
    assert (fill.number, type(fill.number)) == (3, int)


def test_an_induction_variable_as_data_is_an_iota() -> None:
    form = "%i = affine.apply affine_map<(d0, d1) -> (d0 * 6 + d1)>(%d0, %d1) %0 = arith.index_cast %i : index to i32"
    (step,) = selected(form, "k").steps
    assert (step.op, step.target, step.value) == ("iota", Result(), Linear(0, (6, 1)))


def test_values_used_twice_are_computed_once() -> None:
    text = "%1 = math.exp %x0 : f32 %2 = math.tanh %1 : f32 %3 = math.sin %1 : f32 %0 = arith.addf %2, %3 : f32"
    selection = selected(text)
    assert ops(selection) == ["activation", "activation", "activation", "tensor_tensor"]
    first = selection.steps[0].target
    assert sum(first in step.sources for step in selection.steps) == 2


def test_temporaries_share_a_slot_when_their_lives_do_not_meet() -> None:
    text = "%1 = math.exp %x0 : f32 %2 = math.sin %1 : f32 %3 = math.tanh %2 : f32 %0 = math.cos %3 : f32"
    selection = selected(text)
    assert len(selection.slots) == 2
    for before, after in pairwise(selection.steps):
        assert after.target not in after.sources
        assert before.target in after.sources


def test_temporaries_have_the_loops_and_the_type_of_their_value() -> None:
    selection = selected("%1 = math.exp %m0 : f32 %2 = arith.addf %x0, %x0 : f32 %0 = math.powf %2, %1 : f32")
    with selection_context(selection):
        f32 = ir.F32Type.get()
    assert set(selection.slots) == {Slot(f32, frozenset()), Slot(f32, frozenset({1}))}
    assert [slot.bytes((8, 6)) for slot in sorted(selection.slots, key=lambda slot: len(slot.loops))] == [4, 24]


def selection_context(selection: Selection) -> ir.Context:
    return selection.slots[0].type.context


def test_a_plain_load_stays_where_it_is() -> None:
    selection = selected("%0 = arith.addf %x0, %x0 : f32", stays=True)
    assert isinstance(selection.value, Temporary)
    nest = body("%0 = arith.extf %h0 : bf16 to f32")
    with nest.op.context:
        stays = select(nest, nest.store.value, lane=0, result=None, loops=frozenset({1}))
    assert (stays.steps, stays.value) == ((), Tile(1))


def test_what_a_scatter_sends_has_the_element_type_of_the_array() -> None:
    text = f"""{LOADS}
      %i = arith.index_cast %n0 : i32 to index
      %0 = arith.extf %h0 : bf16 to f32
      memref.store %0, %y[%i, %d1] : memref<8x6xf32>"""
    nest = nest_of(text, "8 x 6", ARGUMENTS, BEFORE)
    with nest.op.context:
        selection = select(nest, nest.store.value, lane=0, result=None, loops=frozenset({1}))
    assert ops(selection) == ["tensor_copy"]
    assert isinstance(selection.value, Temporary)
    assert str(selection.slots[selection.value.slot].type) == "f32"
    assert selection.indices == (Tile(2), None)


def test_a_gather_reads_its_indices_from_memory() -> None:
    text = f"""{LOADS}
      %n1 = arith.addi %n0, %two : i32
      %i = arith.index_cast %n1 : i32 to index
      %0 = memref.load %y[%i, %d1] : memref<8x6xf32>
      affine.store %0, %x[%d0, %d1] : memref<8x6xf32>"""
    nest = nest_of(text, "8 x 6", ARGUMENTS, BEFORE)
    with nest.op.context:
        f32 = ir.F32Type.get()
        add, gather = select(nest, nest.store.value, lane=0, result=f32, loops=frozenset({1})).steps
    assert (gather.op, gather.target, gather.sources) == ("gather", Result(), (add.target,))
    assert gather.indices == (0, Linear(0, (0, 1)))


@pytest.mark.parametrize(("predicate", "number"), [("true", 1), ("false", 0)])
def test_a_decided_comparison_is_a_number(predicate: str, number: int) -> None:
    text = f"%1 = arith.cmpf {predicate}, %x0, %m0 : f32 %2 = arith.andi %1, %p0 : i1 %0 = arith.extui %2 : i1 to i32"
    selection = selected(text, "k")
    (step,) = [step for step in selection.steps if step.op in ("tensor_scalar", "tensor_tensor")]
    assert step.scalars == (("and", number, True),) or step.scalars == (("and", number, False),)


@pytest.mark.parametrize(
    "text",
    [
        "%0 = math.fma %x0, %x0, %x0 : f32",
        "%1 = arith.extsi %p0 : i1 to i32 %0 = arith.sitofp %1 : i32 to f32",
        "%0 = arith.sitofp %p0 : i1 to f32",
        "%1 = arith.extsi %n0 : i32 to i64 %0 = arith.sitofp %1 : i64 to f32",
    ],
)
def test_operations_without_an_instruction_are_refused(text: str) -> None:
    with pytest.raises(NotSelectableError, match="has no instruction"):
        selected(text)


def test_numbers_stand_in_the_instruction() -> None:
    (step,) = selected("%0 = arith.maximumf %x0, %one : f32").steps
    assert (step.sources, step.scalars) == ((Tile(0),), (("max", 1.0, False),))
