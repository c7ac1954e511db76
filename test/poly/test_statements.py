"""Extraction of statements from affine IR, and dependences between them."""

from collections.abc import Callable
from itertools import product

import islpy as isl
import pytest
from torch_mlir import ir

from polystage import poly

MATMUL = """
func.func @main(%a: memref<4x6xf32> {polystage.name = "a"}, %b: memref<6x5xf32> {polystage.name = "b"},
                %c: memref<4x5xf32> {polystage.name = "c"}) {
  %zero = arith.constant 0.0 : f32
  affine.for %i = 0 to 4 {
    affine.for %j = 0 to 5 {
      affine.store %zero, %c[%i, %j] : memref<4x5xf32>
    }
  }
  affine.for %i = 0 to 4 {
    affine.for %j = 0 to 5 {
      affine.for %k = 0 to 6 {
        %0 = affine.load %a[%i, %k] : memref<4x6xf32>
        %1 = affine.load %b[%k, %j] : memref<6x5xf32>
        %2 = affine.load %c[%i, %j] : memref<4x5xf32>
        %3 = arith.mulf %0, %1 : f32
        %4 = arith.addf %2, %3 : f32
        affine.store %4, %c[%i, %j] : memref<4x5xf32>
      }
    }
  }
  return
}
"""

STAGED = """
func.func @main(%a: memref<10xf32> {polystage.name = "a"}, %b: memref<10xf32> {polystage.name = "b"}) {
  affine.for %t = 0 to 3 {
    %buffer = memref.alloc() {polystage.name = "tile"} : memref<4xf32>
    affine.for %i = 0 to min affine_map<(d0) -> (4, 10 - d0 * 4)>(%t) {
      %0 = affine.load %a[%t * 4 + %i] : memref<10xf32>
      affine.store %0, %buffer[%i] : memref<4xf32>
    }
    affine.for %i = 0 to min affine_map<(d0) -> (4, 10 - d0 * 4)>(%t) {
      %0 = affine.load %buffer[%i] : memref<4xf32>
      affine.store %0, %b[%t * 4 + %i] : memref<10xf32>
    }
  }
  return
}
"""

GATHER = """
func.func @main(%table: memref<50x8xf32> {polystage.name = "table"}, %which: memref<3xi32> {polystage.name = "which"},
                %out: memref<3x8xf32> {polystage.name = "out"}) {
  affine.for %i = 0 to 3 {
    affine.for %j = 0 to 8 {
      %0 = affine.load %which[%i] : memref<3xi32>
      %1 = arith.index_cast %0 : i32 to index
      %2 = affine.apply affine_map<(d0) -> (7 - d0)>(%j)
      %3 = memref.load %table[%1, %2] : memref<50x8xf32>
      affine.store %3, %out[%i, %j] : memref<3x8xf32>
    }
  } {polystage.indirect}
  return
}
"""


Statements = Callable[[str], tuple[poly.Statement, ...]]


@pytest.fixture
def statements() -> Statements:
    """Parse and extract; a parsed operation lives only as long as its Python object."""
    alive: list[ir.OpView] = []

    def extract(text: str) -> tuple[poly.Statement, ...]:
        alive.append(ir.Operation.parse(text))
        return poly.statements(alive[-1].operation)

    return extract


def pairs(relation: isl.Map) -> set[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The pairs of a finite relation, by enumeration."""
    found: set[tuple[tuple[int, ...], tuple[int, ...]]] = set()
    count = relation.dim(isl.dim_type.in_)

    def add(point: isl.Point) -> None:
        total = count + relation.dim(isl.dim_type.out)
        values = [int(point.get_coordinate_val(isl.dim_type.set, i).to_python()) for i in range(total)]
        found.add((tuple(values[:count]), tuple(values[count:])))

    relation.wrap().flatten().foreach_point(add)
    return found


def test_statements_of_a_product(statements: Statements) -> None:
    fill, product_ = statements(MATMUL)
    assert (fill.position, product_.position) == ((1, 1, 0), (3, 1, 1, 0))
    assert [str(r.access) for r in product_.reads] == [
        "{ [d0, d1, d2] -> a[(d0), (d2)] }",
        "{ [d0, d1, d2] -> b[(d2), (d1)] }",
        "{ [d0, d1, d2] -> c[(d0), (d1)] }",
    ]
    assert [str(w.access) for w in fill.writes] == ["{ [d0, d1] -> c[(d0), (d1)] }"]
    assert product_.domain.extents == (4, 5, 6)
    assert [op.name for op in product_.body][-2:] == ["affine.store", "affine.yield"]


def test_ragged_tiles_are_exact(statements: Statements) -> None:
    load, store = statements(STAGED)
    assert poly.count(load.domain) == 10
    assert load.domain.extents == (3, 4)
    assert not load.domain.is_box
    assert load.writes[0].access.array == "tile"
    assert poly.image(store.writes[0].access).bounds == ((0, 9),)
    assert poly.in_bounds(store.writes[0].access, (10,))


def test_loaded_indices_are_dimensions_of_their_own(statements: Statements) -> None:
    (gather,) = statements(GATHER)
    which, table = (read.access for read in gather.reads)
    assert (which.loaded, table.loaded) == (0, 1)
    assert str(table) == "{ [d0, d1, l0] -> table[(l0), (7 - d1)] }"
    assert table.domain.extents == (3, 8, 50)
    assert poly.count(poly.image(table)) == 400


def test_names_of_arrays() -> None:
    func = ir.Operation.parse(
        "func.func @main(%x: memref<2xf32>) { %y = memref.alloc() : memref<2xf32> return }"
    ).operation
    assert list(poly.array_names(func).values()) == ["arg0", "t1"]


def test_dependences_of_an_initialised_sum(statements: Statements) -> None:
    found = {(d.kind, d.source, d.sink): pairs(d.relation) for d in poly.dependences(statements(MATMUL), "c")}
    cells = list(product(range(4), range(5)))
    first = {((i, j), (i, j, 0)) for i, j in cells}
    chain = {((i, j, k), (i, j, k + 1)) for i, j in cells for k in range(5)}
    assert found == {
        ("RAW", 0, 1): first,
        ("RAW", 1, 1): chain,
        ("WAW", 0, 1): first,
        ("WAW", 1, 1): chain,
        ("WAR", 1, 1): chain,
    }


def test_dependences_of_a_reused_tile(statements: Statements) -> None:
    found = {(d.kind, d.source, d.sink): pairs(d.relation) for d in poly.dependences(statements(STAGED), "tile")}
    filled = {t: range(min(4, 10 - 4 * t)) for t in range(3)}
    assert found[("RAW", 0, 1)] == {((t, i), (t, i)) for t in filled for i in filled[t]}
    assert found[("WAR", 1, 0)] == {((t - 1, i), (t, i)) for t in (1, 2) for i in filled[t]}
    assert found[("WAW", 0, 0)] == found[("WAR", 1, 0)]
    assert set(found) == {("RAW", 0, 1), ("WAR", 1, 0), ("WAW", 0, 0)}


def test_a_data_dependent_write_hides_nothing(statements: Statements) -> None:
    scatter = """
    func.func @main(%i: memref<2xi32> {polystage.name = "i"}, %x: memref<4xf32> {polystage.name = "x"}) {
      %one = arith.constant 1.0 : f32
      affine.for %p = 0 to 4 {
        affine.store %one, %x[%p] : memref<4xf32>
      }
      affine.for %p = 0 to 2 {
        %0 = affine.load %i[%p] : memref<2xi32>
        %1 = arith.index_cast %0 : i32 to index
        memref.store %one, %x[%1] : memref<4xf32>
      } {polystage.indirect}
      affine.for %p = 0 to 4 {
        %0 = affine.load %x[%p] : memref<4xf32>
        affine.store %0, %x[%p] : memref<4xf32>
      }
      return
    }"""
    flow = {
        (d.source, d.sink): pairs(d.relation) for d in poly.dependences(statements(scatter), "x") if d.kind == "RAW"
    }
    assert flow == {
        (0, 2): {((p,), (p,)) for p in range(4)},
        (1, 2): {((q,), (p,)) for q in range(2) for p in range(4)},
    }


@pytest.mark.parametrize("text", [MATMUL, STAGED])
def test_no_dependences_through_what_is_only_read(statements: Statements, text: str) -> None:
    assert poly.dependences(statements(text), "a") == ()
