"""Copy nests: which nests are copies, and of which kind."""

from collections.abc import Iterator

import pytest
from torch_mlir import ir

from polystage.analysis.copies import copy_nests, data_movement


@pytest.fixture(autouse=True)
def mlir_context() -> Iterator[None]:
    with ir.Context():
        yield


def one_nest(source: str, target: str, extents: tuple[int, ...], load: str, store: str) -> ir.OpView:
    """``target[store] = source[load]`` in one nest over i, j, ... of the extents."""
    names = "ijklm"[: len(extents)]
    loops = "".join(f"affine.for %{name} = 0 to {extent} {{ " for name, extent in zip(names, extents, strict=True))
    load, store = (" ".join(f"%{w}" if w in names else w for w in text.split()) for text in (load, store))
    return ir.Operation.parse(f"""
    func.func @main(%s: memref<{source}> {{polystage.name = "s"}}, %t: memref<{target}> {{polystage.name = "t"}}) {{
      {loops}
        %0 = affine.load %s[{load}] : memref<{source}>
        affine.store %0, %t[{store}] : memref<{target}>
      {"}" * len(extents)}
      return
    }}""")


@pytest.mark.parametrize(
    ("source", "target", "extents", "load", "store", "kind"),
    [
        ("4x6xf32", "4x6xf32", (4, 6), "i , j", "i , j", "identity"),
        ("4x6xf32", "4x6xf32", (6, 4), "j , i", "j , i", "identity"),
        ("1x4x6xf32", "4x1x6xf32", (4, 6), "0 , i , j", "i , 0 , j", "identity"),
        ("1x4xf32", "4xf32", (1, 4), "i , j", "j", "identity"),
        ("4x6xf32", "6x4xf32", (4, 6), "i , j", "j , i", "permutation"),
        ("8x6xf32", "4x6xf32", (4, 6), "i + 4 , j", "i , j", "slice"),
        ("8x6xf32", "4x6xf32", (4, 6), "i * 2 , j", "i , j", "slice"),
        ("4x6xf32", "6x8xf32", (4, 6), "i , j", "i + 1 , j + 1", "pad"),
        ("4xf32", "8xf32", (4,), "i", "i * 2", "pad"),
        ("4x6xf32", "4x12xf32", (4, 6), "i , j", "i , j + 6", "pad"),
        ("8xf32", "8xf32", (5,), "i + 3", "i", "pad"),
        ("6xf32", "4x6xf32", (4, 6), "j", "i , j", "broadcast"),
        ("6x1xf32", "6x9xf32", (6, 9), "i , 0", "i , j", "broadcast"),
        ("f32", "6xf32", (6,), "", "i", "broadcast"),
        ("6xf32", "6xf32", (6,), "- i + 5", "i", "general"),
        ("4x6xf32", "24xf32", (24,), "i floordiv 6 , i mod 6", "i", "general"),
        ("4x6xf32", "24xf32", (4, 6), "i , j", "i * 6 + j", "general"),
        ("8xf32", "8xf32", (8,), "( i + 3 ) mod 8", "i", "general"),
        ("6xf32", "6xf32", (6, 2), "i", "i", "general"),
    ],
)
def test_kind(source: str, target: str, extents: tuple[int, ...], load: str, store: str, kind: str) -> None:
    func = one_nest(source, target, extents, load, store)
    (copy,) = copy_nests(func.operation)
    assert (copy.kind, copy.source, copy.target) == (kind, "s", "t")


def test_bytes_are_those_stored() -> None:
    func = one_nest("6xi1", "4x6xi1", (4, 6), "j", "i , j")
    assert [copy.bytes for copy in copy_nests(func.operation)] == [24]


def test_casts_fills_and_the_rest() -> None:
    func = ir.Operation.parse("""
    func.func @main(%s: memref<4xf32>, %h: memref<4xbf16>, %x: memref<4xi32>, %t: memref<4xf32>) {
      %zero = arith.constant 0.0 : f32
      affine.for %i = 0 to 4 {
        affine.store %zero, %t[%i] : memref<4xf32>
      }
      affine.for %i = 0 to 4 {
        %0 = affine.load %s[%i] : memref<4xf32>
        %1 = arith.truncf %0 : f32 to bf16
        affine.store %1, %h[%i] : memref<4xbf16>
      }
      affine.for %i = 0 to 4 {
        %0 = affine.load %s[%i] : memref<4xf32>
        %1 = affine.load %t[%i] : memref<4xf32>
        affine.store %0, %t[%i] : memref<4xf32>
      }
      affine.for %i = 0 to 4 {
        %0 = affine.load %x[%i] : memref<4xi32>
        %1 = arith.index_cast %0 : i32 to index
        %2 = memref.load %s[%1] : memref<4xf32>
        affine.store %2, %t[%i] : memref<4xf32>
      } {polystage.indirect}
      affine.for %i = 0 to 4 {
        %0 = arith.index_cast %i : index to i32
        affine.store %0, %x[%i] : memref<4xi32>
      }
      return
    }""")
    moved = data_movement(func.operation)
    assert moved.copies == ()
    assert [(fill.target, fill.bytes) for fill in moved.fills] == [("arg3", 16)]
    (cast,) = moved.casts
    assert (cast.source, cast.target, cast.kind, cast.bytes) == ("arg0", "arg1", "identity", 8)
