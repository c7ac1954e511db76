"""Lower bounds: by hand, against enumeration, and against schedules that exist."""

from itertools import product
from math import isqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parsing import nest_of
from torch_mlir import ir

from polystage import dialects, machine
from polystage.analysis.bounds import Contraction, bounds, communication, contractions, shared_by
from polystage.analysis.nests import Linear, Nest

KIB = 1 << 10


def named(name: str, shape: str, element: str = "f32") -> str:
    return f'%{name}: memref<{shape}x{element}> {{polystage.name = "{name}"}}'


def contraction(left: str, right: str, result: str, extents: str, shapes: tuple[str, str, str]) -> Nest:
    """``c[result] += a[left] * b[right]`` on arguments of these shapes."""
    a, b, c = (f"memref<{shape}xf32>" for shape in shapes)
    body = f"""
      %0 = affine.load %c[{result}] : {c}
      %1 = affine.load %a[{left}] : {a}
      %2 = affine.load %b[{right}] : {b}
      %3 = arith.mulf %1, %2 : f32
      %4 = arith.addf %0, %3 : f32
      affine.store %4, %c[{result}] : {c}"""
    arguments = ", ".join(named(name, shape) for name, shape in zip("abc", shapes, strict=True))
    return nest_of(body, extents, arguments)


def product_of_matrices(rows: int, columns: int, inner: int) -> Nest:
    shapes = f"{rows}x{inner}", f"{inner}x{columns}", f"{rows}x{columns}"
    return contraction("%d0, %d2", "%d2, %d1", "%d0, %d1", f"{rows} x {columns} x {inner}", shapes)


def convolution(channels: int, filters: int, size: int, window: int, stride: int) -> Nest:
    padded = (size - 1) * stride + window
    shapes = f"{channels}x{padded}x{padded}", f"{filters}x{channels}x{window}x{window}", f"{filters}x{size}x{size}"
    image = f"%d3, %d1 * {stride} + %d4, %d2 * {stride} + %d5"
    extents = f"{filters} x {size} x {size} x {channels} x {window} x {window}"
    return contraction(image, "%d0, %d3, %d4, %d5", "%d0, %d1, %d2", extents, shapes)


def test_a_matrix_product() -> None:
    found = communication(product_of_matrices(512, 512, 512), 4 * KIB)
    elements = 2 * 512**3 // 32 - 2 * 1024  # 1024 elements fit
    assert found == Contraction("c", 512**3, 1, 4 * elements, 4 * elements)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(3, 400))
def test_no_blocked_product_moves_less(rows: int, columns: int, inner: int, capacity: int) -> None:
    """A block of c stays on chip while rows of a and columns of b pass by: 2 MNK / block read, MN written."""
    found = communication(product_of_matrices(rows, columns, inner), 4 * capacity)
    block = isqrt(capacity + 1) - 1  # block^2 + 2 block <= capacity
    reads = rows * inner * -(-columns // block) + inner * columns * -(-rows // block)
    assert found is not None
    assert found.bytes <= 4 * (reads + rows * columns)


@pytest.mark.parametrize(("window", "stride", "rho"), [(1, 1, 1), (3, 1, 9), (3, 2, 4), (7, 2, 16), (2, 2, 1)])
def test_windows_that_overlap_reuse_the_image(window: int, stride: int, rho: int) -> None:
    found = communication(convolution(8, 8, 16, window, stride), 256)
    assert found is not None
    assert found.rho == rho
    macs = 8 * 8 * 16 * 16 * window * window
    assert found.bytes == pytest.approx(4 * (2 * macs / (64 * rho) ** 0.5 - 2 * 64), abs=4)


def test_what_fits_on_chip_has_no_communication_bound() -> None:
    found = communication(product_of_matrices(16, 16, 16), 4 * KIB)
    assert found is not None
    assert found.bytes == 0


def test_products_of_a_batch_add_up_in_one_bound() -> None:
    shapes = "4x32x32", "4x32x32", "4x32x32"
    batch = contraction("%d0, %d1, %d3", "%d0, %d3, %d2", "%d0, %d1, %d2", "4 x 32 x 32 x 32", shapes)
    found = communication(batch, 256)
    assert found is not None
    assert found.bytes == 4 * (2 * 4 * 32**3 // 8 - 2 * 64)


def test_a_loop_in_one_access_only_has_no_bound() -> None:
    shapes = "32x32x8", "32x32", "32x32"
    summed = contraction("%d0, %d2, %d3", "%d2, %d1", "%d0, %d1", "32 x 32 x 32 x 8", shapes)
    assert communication(summed, 256) is None


def test_a_sum_has_no_bound() -> None:
    body = """
      %0 = affine.load %c[%d0] : memref<8xf32>
      %1 = affine.load %a[%d0, %d1] : memref<8x8xf32>
      %2 = arith.addf %0, %1 : f32
      affine.store %2, %c[%d0] : memref<8xf32>"""
    assert communication(nest_of(body, "8 x 8", f"{named('a', '8x8')}, {named('c', '8')}"), 64) is None


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 5)), min_size=1, max_size=3))
def test_shared_by_is_an_upper_bound_and_exact_for_two_loops(terms: list[tuple[int, int]]) -> None:
    factors, extents = [factor for factor, _ in terms], [extent for _, extent in terms]
    points = product(*(range(extent) for extent in extents))
    values = [sum(factor * x for factor, x in zip(factors, point, strict=True)) for point in points]
    most = max(values.count(value) for value in values)
    found = shared_by(Linear(0, tuple(factors)), extents)
    assert found == most if len(terms) < 3 else found >= most


def step(left: str, right: str, result: str) -> str:
    type_ = "memref<64x64xf32>"
    return f"""affine.for %i = 0 to 64 {{ affine.for %j = 0 to 64 {{ affine.for %k = 0 to 64 {{
      %0 = affine.load %{result}[%i, %j] : {type_}
      %1 = affine.load %{left}[%i, %k] : {type_}
      %2 = affine.load %{right}[%k, %j] : {type_}
      %3 = arith.mulf %1, %2 : f32
      %4 = arith.addf %0, %3 : f32
      affine.store %4, %{result}[%i, %j] : {type_} }} }} }}"""


def model(weights: tuple[str, ...] = ("w", "v")) -> ir.Operation:
    """h = x w; out = h v, where v is the last of the weights."""
    arguments = ", ".join(named(name, "64x64") for name in ("x", *weights))
    text = f"""func.func @main({arguments},
        %out: memref<64x64xf32> {{polystage.name = "out", polystage.kind = "output"}}) {{
      %h = memref.alloc() {{polystage.name = "h"}} : memref<64x64xf32>
      {step("x", "w", "h")}
      {step("h", weights[-1], "out")}
      return
    }}"""
    with ir.Context() as context, ir.Location.unknown():
        dialects.register(context)
        return ir.Module.parse(text).operation.clone().operation


def test_arrays_inside_a_model_may_stay_on_chip() -> None:
    tiny = machine.load("tiny").with_sbuf(1 * KIB)  # and 1 KiB of PSUM: 512 elements
    first, second = contractions(model(), tiny)
    alone = 4 * (2 * 64**3 / 512**0.5 - 2 * 512)
    assert first.bytes == second.bytes == pytest.approx(alone, abs=4)
    assert first.kept == second.kept == first.bytes - 4 * 64 * 64


def test_the_bounds_of_a_model() -> None:
    tiny = machine.load("tiny").with_sbuf(1 * KIB)
    found = bounds(model(), model(), tiny)
    assert found.compulsory_bytes == 4 * 4 * 64 * 64
    assert found.binding is not None
    assert found.binding.result == "h"
    assert found.bytes == found.communication_bytes == found.binding.kept > found.compulsory_bytes
    assert found.compute_us == pytest.approx(2 * 64**3 / 64 / 1e3)
    assert found.dram_us == found.us == pytest.approx(found.bytes / 1e3)


def test_what_is_folded_at_load_time_is_not_compulsory() -> None:
    folded = model(weights=("w",))
    found = bounds(model(), folded, machine.load("trainium1"))
    assert found.compulsory_bytes == 4 * 3 * 64 * 64


def test_with_much_room_compulsory_traffic_is_the_bound() -> None:
    found = bounds(model(), model(), machine.load("trainium1"))
    assert (found.bytes, found.communication_bytes, found.binding) == (4 * 4 * 64 * 64, 0, None)
