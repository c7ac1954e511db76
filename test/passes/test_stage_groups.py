"""Random small models staged as a whole, on chips that hold all, part or hardly any of them, compute the same."""

import re
from dataclasses import dataclass
from itertools import combinations

import pytest
from flow import LEVER, REGISTRY, assembly, assert_same, execute, interpret, parse, settled
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from random_chains import chains
from random_program import Program
from torch_mlir import ir

from polystage.analysis.nests import main_function
from polystage.dialects.npu.planned import planned_offset
from polystage.machine import load
from polystage.passes.allocate import lifetimes
from polystage.pipeline import PassFailure, run_pipeline

CHECKS = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
ARRAY = re.compile(r"memref.alloc\(\).*memref<([\dx]+)x(f32|bf16)>")


@dataclass(frozen=True)
class Chip:
    """A target whose SBUF holds ``part`` of the intermediates of a program, how hard a plan is searched, and how free.

    Where groups are short, or windows keep nothing, more arrays stay in part, or come and go between nests. As programs
    are small, much of them may be computed again.
    """

    target: str
    part: float
    effort: int
    windows: str
    recompute: float

    def sbuf(self, text: str) -> int:
        """Bytes of SBUF for a program."""
        machine = load(self.target)
        total = 0
        for shape, element in ARRAY.findall(text):
            size = 4 if element == "f32" else 2
            for extent in shape.split("x"):
                size *= int(extent)
            total += size
        per_lane = int(total * self.part / machine.lanes) // machine.alignment * machine.alignment
        return machine.lanes * max(machine.smallest_bytes_per_lane, per_lane)


chips = st.builds(
    Chip,
    st.sampled_from(("tiny", "edge")),
    st.sampled_from((0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 2.0)),
    st.sampled_from((0, 1, 2, 2, 3)),
    st.sampled_from(("sliding", "sliding", "apart")),
    st.sampled_from((0.02, 0.3, 3.0)),
)


def staged(text: str, chip: Chip, sbuf: int) -> ir.Module:
    """The program staged; on a chip that is too small with the capacity that the error names."""
    module = parse(text)
    options = f"effort={chip.effort} windows={chip.windows} recompute={chip.recompute}"
    passes = f"refine-domains,shrink-fills,split-arrays,map-banks,stage{{{options}}}"
    try:
        run_pipeline(module.operation, f"set-target{{name={chip.target} sbuf={sbuf}}},{passes}", REGISTRY)
    except PassFailure as failure:
        named = [int(match[1]) for each in failure.diagnostics if (match := LEVER.search(each.message))]
        if not named or max(named) <= sbuf:
            raise
        return staged(text, chip, max(named))
    return module


def check(program: Program, chip: Chip) -> None:
    """The staged program and its instructions compute what the plain one does, and move the bytes predicted."""
    text = settled(program.text)
    wanted = interpret(parse(text), program.args)
    module = staged(text, chip, chip.sbuf(text))
    assert_same(interpret(module, program.args), wanted, tolerance=program.tolerance)
    run_pipeline(module.operation, "lower-to-npu", REGISTRY)
    assert_lie_apart(module)
    run_pipeline(module.operation, "skew-loops,pipeline-dma,allocate", REGISTRY)
    assert_same(execute(parse(assembly(module)), program.args), wanted, tolerance=program.tolerance)


def assert_lie_apart(module: ir.Module) -> None:
    """Buffers that are live together are planned to lie beside one another: lives are those that were packed."""
    lives = [(live, planned_offset(live.op)) for live in lifetimes(main_function(module.operation))]
    for (one, low), (other, high) in combinations([(live, at) for live, at in lives if at is not None], 2):
        together = one.lower < other.upper and other.lower < one.upper
        assert not together or low + one.bytes <= high or high + other.bytes <= low, (str(one.op), str(other.op))


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=CHECKS,
    phases=(Phase.explicit, Phase.generate),  # shrinking takes minutes; the long run does it
)
@given(chains(), chips)
def test_staged_models_compute_the_same(program: Program, chip: Chip) -> None:
    check(program, chip)


@pytest.mark.long
@settings(max_examples=2000, deadline=None, suppress_health_check=CHECKS)
@given(chains(layers=8), chips)
def test_many_staged_models_compute_the_same(program: Program, chip: Chip) -> None:
    check(program, chip)
