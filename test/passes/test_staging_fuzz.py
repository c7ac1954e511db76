"""Random programs compiled to npu instructions compute what the plain interpreter computes, on every target."""

import pytest
from flow import Flow, assert_same, execute, interpret, needed_sbuf, parse, placed, run_pass
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_kinds import programs
from random_program import Program

from polystage.pipeline import PassFailure

CHECKS = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
SIZES = {"tiny": ("1KiB", "2KiB", None), "edge": ("4KiB", "16KiB", None), "trainium1": ("1MiB", None)}


@st.composite
def flows(draw: st.DrawFn) -> Flow:
    target = draw(st.sampled_from(("tiny", "tiny", "edge", "trainium1")))
    sbuf = draw(st.sampled_from(SIZES[target]))
    forced = draw(st.booleans())
    return Flow(target, sbuf, draw(st.integers(0, 7)) == 7, (lambda n: draw(st.integers(0, n - 1))) if forced else None)


def check(program: Program, flow: Flow) -> None:
    """Every level of the program computes the same; a too small SBUF is refused with a size that works."""
    wanted = interpret(parse(program.text), program.args)
    module = placed(program.text, flow)
    assert_same(interpret(module, program.args), wanted, exact=program.exact)
    try:
        module = run_pass(module, "stage", flow.as_text)
    except PassFailure as failure:
        sbuf = needed_sbuf(failure)
        assert sbuf is not None, failure.diagnostics
        if flow.choose is None:
            module = run_pass(placed(program.text, Flow(flow.target, str(sbuf))), "stage", flow.as_text)
        else:
            return
    assert_same(interpret(module, program.args), wanted, exact=program.exact)
    module = run_pass(module, "lower-to-npu", flow.as_text)
    module = run_pass(module, "allocate", flow.as_text)
    assert_same(execute(module, program.args), wanted, exact=program.exact)


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=CHECKS)
@given(programs(), flows())
def test_compiled_programs_compute_the_same(program: Program, flow: Flow) -> None:
    check(program, flow)


@pytest.mark.long
@settings(max_examples=5000, deadline=None, suppress_health_check=CHECKS)
@given(programs(), flows())
def test_many_compiled_programs_compute_the_same(program: Program, flow: Flow) -> None:
    check(program, flow)
