"""Random programs compiled to npu instructions compute what the plain interpreter computes, on every target."""

import pytest
from flow import Flow, assembly, assert_same, execute, interpret, parse, settled
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from random_kinds import programs
from random_program import Program

from polystage.machine import load

CHECKS = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
SIZES = {"tiny": ("512", "1KiB", "2KiB", None), "edge": ("4KiB", "16KiB", None), "trainium1": (None,)}


def smallest(target: str) -> str:
    """The smallest SBUF that a target may have; what a program needs at least, the error then says."""
    machine = load(target)
    return str(machine.smallest_bytes_per_lane * machine.lanes)


@st.composite
def flows(draw: st.DrawFn) -> Flow:
    """A target with an SBUF of some size, chosen or forced implementations, passes in one process or through text."""
    target = draw(st.sampled_from(("tiny", "tiny", "edge", "trainium1")))
    sbuf = draw(st.sampled_from((*SIZES[target], smallest(target))))
    choices = draw(st.lists(st.integers(0, 11), max_size=5).map(tuple))
    return Flow(target, sbuf, draw(st.sampled_from((False, False, False, True))), choices)


def check(program: Program, flow: Flow) -> None:
    """Every level of the program computes the same, and the text after each pass holds all that the next needs."""
    text = settled(program.text)
    wanted = interpret(parse(text), program.args)
    module = flow.placed(text)
    assert_same(interpret(module, program.args), wanted, tolerance=program.tolerance)
    module = flow.staged(text, module)
    assert_same(interpret(module, program.args), wanted, tolerance=program.tolerance)
    module = flow.run(module, "lower-to-npu", "allocate")
    assert_same(execute(module, program.args), wanted, tolerance=program.tolerance)
    if flow.as_text:
        direct = Flow(flow.target, flow.sbuf, False, flow.choices)
        assert assembly(direct.run(direct.staged(text), "lower-to-npu", "allocate")) == assembly(module)


@settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    suppress_health_check=CHECKS,
    phases=(Phase.explicit, Phase.generate),  # shrinking takes minutes; the long run does it
)
@given(programs(), flows())
def test_compiled_programs_compute_the_same(program: Program, flow: Flow) -> None:
    check(program, flow)


@pytest.mark.long
@settings(max_examples=10_000, deadline=None, suppress_health_check=CHECKS)
@given(programs(nests=5), flows())
def test_many_compiled_programs_compute_the_same(program: Program, flow: Flow) -> None:
    check(program, flow)
