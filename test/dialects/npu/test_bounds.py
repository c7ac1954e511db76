"""Accesses stay inside their memrefs: the verifier's interval arithmetic against every point of every iteration."""

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st
from one_instruction import problem, program

ID = "d0, d1"
SMALL = st.integers(-2, 2)
LOOP = st.tuples(st.integers(-1, 2), st.integers(1, 6), st.integers(1, 2)).map(lambda t: (t[0], t[0] + t[1], t[2]))


def test_box_past_the_end() -> None:
    text = program("memset", ["8x4xf32@sbuf"], ["d0, d1 + 1"], [8, 4], "value = 0.0 : f32")
    assert problem(text).endswith(
        "dst: index 1 runs over [1, 4], memref<8x4xf32, #npu.sbuf> has [0, 3] there; shrink the box or correct the map"
    )


def test_before_the_start() -> None:
    text = program("memset", ["8x4xf32@sbuf"], ["d0, 3 - d1"], [8, 5], "value = 0.0 : f32")
    assert "dst: index 1 runs over [-1, 3]" in problem(text)


def test_loop_carries_it_out() -> None:
    arguments = ("dma_start", ["30x4xf32", "8x4xf32@sbuf"], ["d0 + 8 * s0, d1", ID], [8, 4], "")
    assert problem(program(*arguments, loops=[(0, 3, 1)])) == ""
    assert "src: index 0 runs over [0, 31]" in problem(program(*arguments, loops=[(0, 4, 1)]))


def test_gathered_axis_is_left_to_the_executor_but_not_the_others() -> None:
    memrefs = ["3x4xf32", "8x5xf32@sbuf", "8x1xi32@sbuf"]
    assert "src: index 1 runs over [0, 4]" in problem(program("gather", memrefs, ["e0, d1", ID, "d0, 0"], [8, 5]))


def test_index_computed_from_the_loop() -> None:
    body = """
    func.func @main(%a: memref<8x20xf32, #npu.sbuf>) {{
      affine.for %i = 0 to {trips} {{
        %0 = affine.apply affine_map<(d0) -> (d0 * 4 + 1)>(%i)
        "npu.memset"(%a, %0) {{value = 0.0 : f32, sizes = array<i64: 8, 3>,
                               maps = [affine_map<(d0, d1)[s0] -> (d0, d1 + s0)>]}}
          : (memref<8x20xf32, #npu.sbuf>, index) -> ()
      }}
      return
    }}"""
    assert problem(body.format(trips=5)) == ""
    assert "dst: index 1 runs over [1, 23]" in problem(body.format(trips=6))


def test_unknown_index_is_not_an_error() -> None:
    text = """
    func.func @main(%a: memref<8x4xf32, #npu.sbuf>, %i: index) {
      "npu.memset"(%a, %i) {value = 0.0 : f32, sizes = array<i64: 8, 4>,
                            maps = [affine_map<(d0, d1)[s0] -> (d0, d1 + s0)>]}
        : (memref<8x4xf32, #npu.sbuf>, index) -> ()
      return
    }"""
    assert problem(text) == ""


@settings(max_examples=60, deadline=None)
@given(
    dims=st.tuples(SMALL, SMALL),
    symbols=st.tuples(SMALL, SMALL),
    const=st.integers(-3, 6),
    sizes=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    loops=st.tuples(LOOP, LOOP),
    extent=st.integers(1, 12),
)
def test_against_every_point(
    dims: tuple[int, int],
    symbols: tuple[int, int],
    const: int,
    sizes: tuple[int, int],
    loops: tuple[tuple[int, int, int], tuple[int, int, int]],
    extent: int,
) -> None:
    terms = [f"{dims[0]} * d0", f"{dims[1]} * d1", f"{symbols[0]} * s0", f"{symbols[1]} * s1", str(const)]
    source = f"{extent}xf32"
    text = program(
        "dma_start", [source, "3x3xf32@sbuf"], [" + ".join(terms).replace("+ -", "- "), ID], sizes, loops=loops
    )
    axes = [*(range(size) for size in sizes), *(range(*loop) for loop in loops)]
    values = [
        const + sum(factor * at for factor, at in zip((*dims, *symbols), point, strict=True))
        for point in product(*axes)
    ]
    inside = min(values) >= 0 and max(values) < extent
    found = problem(text)
    assert (found == "") == inside, found
    if not inside:
        assert f"runs over [{min(values)}, {max(values)}]" in found
