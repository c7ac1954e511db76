"""Compulsory traffic and arithmetic, on programs whose figures are written down by hand."""

from collections.abc import Iterator

import pytest
from torch_mlir import ir

from polystage.analysis.compulsory import Compulsory, compulsory, macs, nest_count


@pytest.fixture(autouse=True)
def mlir_context() -> Iterator[None]:
    with ir.Context():
        yield


def module(arguments: str, body: str) -> ir.Module:
    return ir.Module.parse(f"func.func @main({arguments}) {{\n{body}\nreturn\n}}")


LINEAR = """
  %zero = arith.constant 0.0 : f32
  affine.for %i = 0 to 4 {
    affine.for %j = 0 to 5 {
      affine.store %zero, %y[%i, %j] : memref<4x5xf32>
    }
  }
  affine.for %i = 0 to 4 {
    affine.for %j = 0 to 5 {
      affine.for %k = 0 to 6 {
        %0 = affine.load %x[%i, %k] : memref<4x6xf32>
        %1 = affine.load %w[%j, %k] : memref<5x6xf32>
        %2 = affine.load %y[%i, %j] : memref<4x5xf32>
        %3 = arith.mulf %0, %1 : f32
        %4 = arith.addf %3, %2 : f32
        affine.store %4, %y[%i, %j] : memref<4x5xf32>
      }
    }
  }
"""
X = '%x: memref<4x6xf32> {polystage.name = "x", polystage.kind = "input"}'
W = '%w: memref<5x6xf32> {polystage.name = "w", polystage.kind = "parameter"}'
Y = '%y: memref<4x5xf32> {polystage.name = "y", polystage.kind = "output"}'


def test_linear_layer() -> None:
    program = module(f"{X}, {W}, {Y}", LINEAR)
    assert compulsory(program.operation) == Compulsory(inputs=96, weights=120, outputs=80)
    assert compulsory(program.operation).total == 296
    assert (macs(program.operation), nest_count(program.operation)) == (120, 2)


@pytest.mark.parametrize("kind", ["buffer", "constant"])
def test_unread_arguments_cost_nothing(kind: str) -> None:
    unread = f'%u: memref<1000xf32> {{polystage.name = "u", polystage.kind = "{kind}"}}'
    assert compulsory(module(f"{X}, {W}, {unread}, {Y}", LINEAR).operation).weights == 120


def read(source: str, maps: list[tuple[str, tuple[int, int]]]) -> int:
    """Compulsory input bytes of a program that reads ``source`` through ``maps`` over boxes of the given extents."""
    nests = "".join(
        f"""affine.for %i = 0 to {rows} {{ affine.for %j = 0 to {columns} {{
            %0 = affine.load %x[{text}] : memref<{source}>
            affine.store %0, %y[%i, %j] : memref<99x99xf32>
        }} }}
        """
        for text, (rows, columns) in maps
    )
    output = '%y: memref<99x99xf32> {polystage.kind = "output"}'
    return compulsory(module(f'%x: memref<{source}> {{polystage.kind = "input"}}, {output}', nests).operation).inputs


def test_slices_count_once_where_they_overlap() -> None:
    assert read("10x10xf32", [("%i, %j", (4, 10))]) == 160
    assert read("10x10xf32", [("%i, %j", (4, 10)), ("%i + 2, %j", (4, 10))]) == 240
    assert read("10x10xf32", [("%i, %j", (4, 10)), ("%i + 6, %j", (4, 5))]) == 240
    assert read("10x10xf32", [("%i, 3", (4, 10))]) == 16


def test_what_is_no_box_counts_whole() -> None:
    assert read("10x10xf32", [("%i * 2, %j", (5, 10))]) == 400
    assert read("10x10xf32", [("%i, %j", (4, 10)), ("%i + %j, 0", (4, 4))]) == 400


GATHER = """
  affine.for %i = 0 to {indices} {{
    affine.for %j = 0 to 8 {{
      %0 = affine.load %which[%i] : memref<{indices}xi32>
      %1 = arith.index_cast %0 : i32 to index
      %2 = memref.load %table[%1, %j] : memref<50x8xf32>
      affine.store %2, %y[%i, %j] : memref<{indices}x8xf32>
    }}
  }} {{polystage.indirect}}
"""


@pytest.mark.parametrize(("indices", "rows"), [(3, 3), (70, 50)])
def test_a_gathered_table_counts_its_rows(indices: int, rows: int) -> None:
    arguments = f"""%table: memref<50x8xf32> {{polystage.kind = "parameter"}},
    %which: memref<{indices}xi32> {{polystage.kind = "input"}},
    %y: memref<{indices}x8xf32> {{polystage.kind = "output"}}"""
    counted = compulsory(module(arguments, GATHER.format(indices=indices)).operation)
    assert counted == Compulsory(inputs=4 * indices, weights=32 * rows, outputs=32 * indices)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("%p = arith.mulf %a, %b : f32\n%s = arith.addf %c, %p : f32", 6),
        ("%p = arith.mulf %a, %b : f32\n%s = arith.addf %p, %c : f32", 6),
        ("%p = arith.mulf %a, %a : f32\n%s = arith.addf %c, %p : f32", 6),
        ("%s = arith.addf %a, %c : f32", 0),
        ("%d = arith.subf %a, %b : f32\n%p = arith.mulf %d, %d : f32\n%s = arith.addf %c, %p : f32", 0),
        ("%p = arith.mulf %a, %b : f32\n%s = arith.maximumf %c, %p : f32", 0),
        ("%p = arith.mulf %a, %c : f32\n%s = arith.addf %b, %p : f32", 0),
    ],
)
def test_what_counts_as_multiply_accumulate(body: str, expected: int) -> None:
    program = module(
        "%x: memref<6xf32>, %w: memref<6xf32>, %y: memref<f32>",
        f"""affine.for %i = 0 to 6 {{
          %a = affine.load %x[%i] : memref<6xf32>
          %b = affine.load %w[%i] : memref<6xf32>
          %c = affine.load %y[] : memref<f32>
          {body}
          affine.store %s, %y[] : memref<f32>
        }}""",
    )
    assert macs(program.operation) == expected


def test_mixed_precision_products_count() -> None:
    program = module(
        "%x: memref<6xbf16>, %w: memref<6xbf16>, %y: memref<f32>",
        """affine.for %i = 0 to 6 {
          %a = affine.load %x[%i] : memref<6xbf16>
          %b = affine.load %w[%i] : memref<6xbf16>
          %c = affine.load %y[] : memref<f32>
          %d = arith.extf %a : bf16 to f32
          %e = arith.extf %b : bf16 to f32
          %p = arith.mulf %d, %e : f32
          %s = arith.addf %c, %p : f32
          affine.store %s, %y[] : memref<f32>
        }""",
    )
    assert macs(program.operation) == 6
