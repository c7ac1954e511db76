"""Random moves between layouts on chip put every element where a transfer would, on every target, with legal
instructions.
"""

import re
from dataclasses import dataclass

import ml_dtypes
import numpy as np
import pytest
from flow import Flow, execute, parse
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from torch_mlir import ir

from polystage.analysis.layouts import Layout
from polystage.analysis.nests import main_function
from polystage.analysis.traffic import instructions
from polystage.dialects import npu
from polystage.machine import load
from polystage.report.relayout import relayouts

DTYPES = {"f32": np.float32, "bf16": ml_dtypes.bfloat16, "f16": np.float16, "i32": np.int32, "i8": np.int8}


@dataclass(frozen=True)
class Case:
    """An array in one layout, moved into another; ``copies`` more of it along a loop that only the target has."""

    target: str
    element: str
    shape: tuple[int, ...]
    source: int | None
    wanted: int | None
    order: tuple[int, ...]
    copies: int

    @property
    def moved(self) -> tuple[int, ...]:
        """Extents of the target: the dimensions of the source in another order, the copies first."""
        return (*((self.copies,) if self.copies else ()), *(self.shape[d] for d in self.order))

    def program(self) -> str:
        """Load, move, store."""
        lanes = load(self.target).lanes
        x, a = (
            self.type(self.shape),
            self.type(self.shape, Layout(self.source, lanes if self.source is not None else 0)),
        )
        y, b = (
            self.type(self.moved),
            self.type(self.moved, Layout(self.wanted, lanes if self.wanted is not None else 0)),
        )
        ivs = [f"%i{d}" for d in range(len(self.shape))]
        target = [*(["%c"] if self.copies else []), *(ivs[d] for d in self.order)]
        loops = [*zip(ivs, self.shape, strict=True), *([("%c", self.copies)] if self.copies else [])]
        final = list(zip(target, self.moved, strict=True))
        return "\n".join(
            [
                f'func.func @main(%x: {x} {{polystage.name = "x", polystage.kind = "input"}}, '
                f'%y: {y} {{polystage.name = "y", polystage.kind = "output"}}) {{',
                f'%a = memref.alloc() {{polystage.name = "a"}} : {a}',
                f'%b = memref.alloc() {{polystage.name = "b"}} : {b}',
                nest(loops[: len(ivs)], "%x", x, ivs, "%a", a, ivs),
                nest(loops, "%a", a, ivs, "%b", b, target),
                nest(final, "%b", b, target, "%y", y, target),
                "return\n}",
            ]
        )

    def type(self, shape: tuple[int, ...], layout: Layout | None = None) -> str:
        """The memref type in DRAM, or on chip in a layout."""
        extents = "x".join(map(str, shape))
        if layout is None:
            return f"memref<{extents}x{self.element}>"
        with ir.Context():
            return f"memref<{extents}x{self.element}, affine_map<{layout.affine_map(shape)}>, #npu.sbuf>"


def nest(
    loops: list[tuple[str, int]],
    source: str,
    source_type: str,
    load_at: list[str],
    target: str,
    type_: str,
    at: list[str],
) -> str:
    """A transfer nest."""
    attribute = ' {npu.nest = "transfer"}'
    begin = "".join(f"affine.for {iv} = 0 to {extent} {{\n" for iv, extent in loops)
    return (
        f"{begin}%0 = affine.load {source}[{', '.join(load_at)}] : {source_type}\n"
        f"affine.store %0, {target}[{', '.join(at)}] : {type_}\n" + "}\n" * (len(loops) - 1) + "}" + attribute
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Shapes around the number of lanes and the blocks of matrix engines, in layouts that fit into a lane."""
    target = draw(st.sampled_from(("tiny", "edge", "trainium1")))
    lanes = load(target).lanes
    rank = draw(st.integers(1, 3))
    small = st.integers(1, 6)
    large = st.sampled_from((lanes, lanes // 2, lanes + 2, 2 * lanes, lanes - 1, 3 * lanes // 2))
    shape = tuple(draw(large if (draw(st.booleans()) and target != "tiny") or d == 0 else small) for d in range(rank))
    copies = draw(st.sampled_from((0, 0, 0, lanes, 3)))
    order = tuple(draw(st.permutations(range(rank))))
    source = draw(st.sampled_from((None, *range(rank))))
    wanted = draw(st.sampled_from((None, *range(rank + bool(copies)))))
    return Case(target, draw(st.sampled_from(tuple(DTYPES))), shape, source, wanted, order, copies)


def fits(case: Case) -> bool:
    """Whether both arrays fit into a lane."""
    machine, total = load(case.target), 64
    for dim, shape in ((case.source, case.shape), (case.wanted, case.moved)):
        layout = Layout(dim, machine.lanes if dim is not None else 0)
        total += int(np.prod(layout.physical_shape(shape)[1:])) * 4
    return total <= machine.usable_bytes_per_lane


def check(case: Case) -> None:
    """The program moves what it should, every element once, and says so."""
    module = Flow(case.target).run(
        parse(case.program()), f"set-target{{name={case.target}}}", "lower-to-npu", "allocate"
    )
    x = np.random.default_rng(0).integers(-99, 99, case.shape).astype(DTYPES[case.element])
    y = np.zeros(case.moved, x.dtype)
    got = execute(module, [x, y])[1]
    np.testing.assert_array_equal(got, np.broadcast_to(x.transpose(case.order), case.moved))
    assert relayouts(module.operation).bytes == got.nbytes


@settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.filter_too_much),
    phases=(Phase.explicit, Phase.generate),
)
@given(cases().filter(fits))
def test_moves_put_every_element_where_it_belongs(case: Case) -> None:
    check(case)


@pytest.mark.parametrize(
    ("case", "wanted"),
    [
        (Case("trainium1", "bf16", (128, 12, 128), 0, 0, (2, 1, 0), 0), {"transpose": 12, "tensor_copy": 2}),
        (Case("trainium1", "f32", (128,), None, 0, (0,), 128), {"matmul": 1, "tensor_copy": 1, "memset": 1}),
        (Case("edge", "i32", (16, 3, 4), 0, 0, (0, 2, 1), 0), {"tensor_copy": 1}),
        (Case("trainium1", "i32", (128, 128), 0, 0, (1, 0), 0), {}),
        (Case("edge", "f32", (2000,), None, None, (0,), 0), {}),
    ],
    ids=["transposes", "broadcast", "copy", "no-product-of-integers", "long-row-faster-by-dma"],
)
def test_engines_move_what_they_can(case: Case, wanted: dict[str, int]) -> None:
    module = Flow(case.target).run(parse(case.program()), f"set-target{{name={case.target}}}", "lower-to-npu")
    found: dict[str, int] = {}
    for op, trips in instructions(main_function(module.operation).regions[0].blocks[0], 1):
        name = npu.decode(op).op
        if not re.fullmatch("dma_.*", name):
            found[name] = found.get(name, 0) + trips
    assert found == wanted
