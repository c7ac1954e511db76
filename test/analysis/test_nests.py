from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parsing import nest_of, nests_of

from polystage.analysis.nests import (
    Constant,
    Gather,
    Index,
    Linear,
    Load,
    NotANestError,
    NotLinearError,
    Scalar,
    signature,
)

A = '%a: memref<9x20xf32> {polystage.name = "a"}, %b: memref<9x20xf32> {polystage.name = "b"}'
STORE = "affine.store %0, %b[%d0, %d1] : memref<9x20xf32>"


def test_indices_are_linear_forms_of_the_loops() -> None:
    nest = nest_of(f"%0 = affine.load %a[-%d0 + 8, %d0 * 2 + %d1 + 1] : memref<9x20xf32> {STORE}", "4 x 5", A)
    assert nest.extents == (4, 5)
    assert nest.loads[0].indices == (Linear(8, (-1, 0)), Linear(1, (2, 1)))
    assert nest.loads[0].support == {0, 1}
    assert nest.store.access.indices == (Linear(0, (1, 0)), Linear(0, (0, 1)))
    assert nest.parallel == {0, 1}
    assert nest.reduced == ()


def test_loops_without_a_trip_more_are_not_reduced() -> None:
    nest = nest_of("%0 = affine.load %a[%d0, %d2] : memref<9x20xf32> affine.store %0, %b[%d0, 0] : memref<9x20xf32>",
                   "4 x 1 x 3", A)  # fmt: skip
    assert nest.parallel == {0}
    assert nest.reduced == (2,)


def test_the_body_is_a_list_of_nodes() -> None:
    body = f"""
      %v = affine.load %a[%d0, %d1] : memref<9x20xf32>
      %i = affine.apply affine_map<(d0) -> (d0 * 3 - 1)>(%d1)
      %n = arith.index_cast %i : index to i32
      %x = arith.sitofp %n : i32 to f32
      %p = arith.cmpf olt, %v, %x : f32
      %q = arith.andi %p, %true : i1
      %0 = arith.select %q, %v, %c : f32
      {STORE}"""
    before = "%c = arith.constant 2.5 : f32 %true = arith.constant true"
    nest = nest_of(body, "4 x 5", A, before)
    kinds = [type(node) for node in nest.nodes]
    assert kinds == [Load, Index, Scalar, Scalar, Constant, Scalar, Constant, Scalar]
    assert isinstance(index := nest.nodes[1], Index)
    assert index.value == Linear(-1, (0, 3))
    assert isinstance(compare := nest.nodes[3], Scalar)
    assert (compare.operands, compare.predicate) == ((0, 2), 4)
    assert isinstance(true := nest.nodes[4], Constant)
    assert true.value == 1  # and not -1, which is how MLIR reads one signed bit
    assert isinstance(root := nest.nodes[nest.store.value], Scalar)
    assert root.name == "arith.select"


def test_a_constant_may_stand_in_the_body() -> None:
    nest = nest_of(f"%0 = arith.constant 4.0 : f32 {STORE}", "4 x 5", A)
    assert isinstance(node := nest.nodes[nest.store.value], Constant)
    assert node.value == 4.0


def test_indices_from_memory_are_nodes() -> None:
    arguments = f"{A}, %i: memref<4xi32>"
    body = f"""
      %i0 = affine.load %i[%d0] : memref<4xi32>
      %i1 = arith.index_cast %i0 : i32 to index
      %0 = memref.load %a[%i1, %d1] : memref<9x20xf32>
      {STORE}"""
    nest = nest_of(body, "4 x 5", arguments)
    assert isinstance(gather := nest.nodes[1], Gather)
    assert gather.indices == (0, Linear(0, (0, 1)))
    body = """
      %i0 = affine.load %i[%d0] : memref<4xi32>
      %i1 = arith.index_cast %i0 : i32 to index
      %0 = affine.load %a[%d0, %d1] : memref<9x20xf32>
      memref.store %0, %b[%i1, %d1] : memref<9x20xf32>"""
    nest = nest_of(body, "4 x 5", arguments)
    assert nest.store.indirect
    assert nest.store.indices == (0, Linear(0, (0, 1)))
    assert nest.parallel == {0, 1}
    with pytest.raises(NotLinearError):
        _ = nest.store.access


LOAD = "%0 = affine.load %a[%d0, %d1] : memref<9x20xf32>"
REFUSED = [
    (LOAD, "4 x 5", "body has 0 stores"),
    (f"{LOAD} {STORE} {STORE}", "4 x 5", "body has 2 stores"),
    (f"{LOAD} {STORE}", "4 x 21", r"index 1 of 'a' runs over \[0, 20\], it has \[0, 19\]"),
    (f"{LOAD} {STORE}", "4 x 0", "loop runs zero times"),
    (f"{LOAD} {STORE}", "4 x affine_map<(d0) -> (d0)>(%d0)", "loop bounds are not constant"),
    (f"{LOAD} {STORE}", "4 x 10 step 2", "does not run from 0 with step 1"),
    (f"%i = arith.addi %d0, %d1 : index {LOAD} {STORE}", "4 x 5", "arith.addi computes with index values"),
    (f"%x = memref.dim %a, %d0 : memref<9x20xf32> {LOAD} {STORE}", "4 x 5", "memref.dim computes with index values"),
    (f"{LOAD} memref.copy %a, %b : memref<9x20xf32> to memref<9x20xf32> {STORE}", "4 x 5", "contains memref.copy"),
    (f"{LOAD} %i = arith.fptosi %0 : f32 to i32 %j = arith.index_cast %i : i32 to index "
     f"%k = arith.index_cast %j : index to i64 {STORE}", "4 x 5", "an index made from i32 is cast to i64"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "extents", "message"), REFUSED)
def test_what_is_no_nest_is_refused(body: str, extents: str, message: str) -> None:
    with pytest.raises(NotANestError, match=message):
        nest_of(body, extents, A)


def test_divisions_are_not_linear() -> None:
    with pytest.raises(NotLinearError):
        nest_of(f"%0 = affine.load %a[%d0 mod 2, %d1] : memref<9x20xf32> {STORE}", "4 x 5", A)


def test_signatures_differ_in_more_than_arrays() -> None:
    def copy(source: str, target: str, extent: int = 5, shift: int = 0, op: str = "math.exp") -> str:
        return f"""affine.for %i = 0 to {extent} {{
          %0 = affine.load %{source}[%i + {shift}] : memref<9xf32>
          %1 = {op} %0 : f32
          affine.store %1, %{target}[%i] : memref<9xf32> }}"""

    cases = [copy("a", "b"), copy("b", "c"), copy("a", "a"), copy("a", "b", 4), copy("a", "b", shift=1),
             copy("a", "b", op="math.tanh")]  # fmt: skip
    arguments = ", ".join(f'%{name}: memref<9xf32> {{polystage.name = "{name}"}}' for name in "abc")
    first, renamed, *others = map(signature, nests_of(f"func.func @main({arguments}) {{ {' '.join(cases)} return }}"))
    assert first == renamed
    assert len({first, *others}) == 1 + len(others)


@given(st.integers(-5, 5), st.lists(st.tuples(st.integers(-4, 4), st.integers(1, 5)), max_size=4))
def test_span_is_the_range_of_a_form(const: int, terms: Sequence[tuple[int, int]]) -> None:
    extents = [extent for _, extent in terms]
    values = [
        const + sum(factor * x for (factor, _), x in zip(terms, point, strict=True))
        for point in product(*map(range, extents))
    ]
    assert Linear(const, tuple(factor for factor, _ in terms)).span(extents) == (min(values), max(values))
