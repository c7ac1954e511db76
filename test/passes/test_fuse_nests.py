"""Fusion of nests: programs compute the same bits after it, never do more work, and compile on every target."""

from collections.abc import Callable
from math import prod

import pytest
from flow import LEVER, REGISTRY, Flow, assert_same, execute, interpret, parse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_kinds import contraction, elementwise, fill, programs, reduction
from random_nest import Idx, Nest
from random_program import EXACT, POINTS, Builder, Program, Tensor

from polystage.pipeline import PassFailure, run_pipeline

CHECKS = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
ADD = {"i1": "xori", "i8": "addi", "i32": "addi"}
TARGETS = (("tiny", None), ("tiny", "2KiB"), ("edge", "4KiB"), ("trainium1", None))


def reading(builder: Builder) -> tuple[Tensor, Nest, list[Idx], str]:
    """A nest over the elements of an array that the program computes, in any order, and its first value."""
    tensors = [t for t in builder.tensors if t.data is None and t.shape and t.bound * 4 <= EXACT[t.element]]
    tensors = [t for t in tensors if prod(t.shape) <= POINTS]
    if not tensors:
        elementwise(builder)
        tensors = [builder.tensors[-1]]
    tensor = builder.pick(*tensors[-2:])
    order: list[int] = builder.draw(st.permutations(range(len(tensor.shape))))
    nest = Nest(builder, [tensor.shape[d] for d in order])
    indices = [nest.loops[order.index(d)] for d in range(len(tensor.shape))]
    if builder.chance(4):
        where = builder.pick(*range(len(indices)))
        loop = indices[where]
        indices[where] = Idx(f"-{loop.text} + {loop.high}", loop.high - loop.values)
    value = nest.load(tensor, indices)
    if builder.chance(2):
        element = tensor.element
        other = nest.expression(element, builder.pick(0, 1), max(1.0, EXACT[element] / 8), nest.all)
        value = nest.op(f"arith.{ADD.get(element, 'addf')} {value.name}, {other.name} : {element}", element, 1)
        bound = tensor.bound + other.bound
        value = type(value)(value.name, element, bound, other.exact)
    nest.loaded.insert(0, value)
    return tensor, nest, indices, value.name


def chained(builder: Builder) -> None:
    """``t[f(i)] = expression of s[g(i)]``, each element of s read once; sometimes in place."""
    source, nest, indices, name = reading(builder)
    value = next(each for each in nest.loaded if each.name == name)
    once = sum(f"%{source.name}[" in line for line in nest.lines) == 1  # else a recurrence
    if builder.chance(3) and source.element != "i1" and once:
        nest.store(value, source, indices)
        return
    targets = nest.target(nest.all)
    tensor = builder.result([index.high + 1 for index in targets], source.element)
    if prod(tensor.shape) != prod(nest.extents):
        fill(builder, tensor, 1)
    nest.store(value, tensor, targets)
    builder.add(tensor)


def folded(builder: Builder) -> None:
    """``t[i] = combine(t[i], expression of s[i, j])``."""
    source, nest, _, name = reading(builder)
    value = next(each for each in nest.loaded if each.name == name)
    kept = sorted(builder.draw(st.sets(st.sampled_from(nest.all), max_size=len(nest.all) - 1)))
    element = source.element
    tensor = builder.result([nest.extents[d] for d in kept], element)
    count = prod(nest.extents)
    adds = element == "i32" or (element == "f32" and value.bound * count <= EXACT["f32"])
    combine = {"i1": "ori", "i8": "maxsi", "i32": "addi"}.get(element, "addf" if adds else "maximumf")
    fill(builder, tensor, 0)
    old = nest.load(tensor, [nest.loops[d] for d in kept])
    bound = value.bound * (count if adds else 1)
    total = nest.op(f"arith.{combine} {old.name}, {value.name} : {element}", element, bound, value.exact)
    nest.store(total, tensor, [nest.loops[d] for d in kept])
    builder.add(tensor)


CHAINS: tuple[Callable[[Builder], None], ...] = (*[chained] * 5, *[folded] * 2, elementwise, reduction, contraction)


@st.composite
def chains(draw: st.DrawFn) -> Program:
    """Programs whose nests mostly read the one before."""
    builder = Builder(draw)
    elementwise(builder)
    for _ in range(draw(st.integers(1, 4))):
        builder.pick(*CHAINS)(builder)
    return builder.program()


def fused(program: Program, options: str = "") -> tuple[str, dict[str, int]]:
    """The program after fusion, and the statistics."""
    module = parse(program.text)
    result = run_pipeline(module.operation, f"fuse-nests{options}", REGISTRY)
    text = module.operation.get_asm(enable_debug_info=False)
    return text, {each.name: each.value for each in result.statistics}


def check(program: Program) -> None:
    """The same bits, no more operations, and as many nests less as were fused."""
    text, statistics = fused(program)
    assert_same(interpret(parse(text), program.args), interpret(parse(program.text), program.args), tolerance=0)
    assert statistics["operations-after"] <= statistics["operations-before"]
    assert program.text.count("store ") - text.count("store ") == statistics.get("fused", 0)


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=CHECKS)
@given(chains())
def test_fused_chains_compute_the_same(program: Program) -> None:
    check(program)


@pytest.mark.long
@settings(max_examples=5000, deadline=None, suppress_health_check=CHECKS)
@given(st.one_of(chains(), programs(6)))
def test_many_fused_programs_compute_the_same(program: Program) -> None:
    check(program)


def compiles(program: Program, flow: Flow) -> None:
    """The fused program computes the same as npu instructions; what fitted before fits after."""
    passes = ("refine-domains", "map-banks", "stage", "lower-to-npu", "allocate")
    target = f"set-target{{name={flow.target}{f' sbuf={flow.sbuf}' if flow.sbuf else ''}}}"
    module = flow.run(parse(program.text), target, "fuse-nests")
    try:
        module = flow.run(module, *passes)
    except PassFailure as failure:
        assert any(LEVER.search(each.message) for each in failure.diagnostics), failure.diagnostics
        with pytest.raises(PassFailure):
            flow.run(parse(program.text), target, *passes)
        return
    wanted = interpret(parse(program.text), program.args)
    assert_same(execute(module, program.args), wanted, tolerance=program.tolerance)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=CHECKS)
@given(chains(), st.sampled_from(TARGETS))
def test_fused_programs_run_on_every_target(program: Program, target: tuple[str, str | None]) -> None:
    compiles(program, Flow(*target))


@pytest.mark.long
@settings(max_examples=3000, deadline=None, suppress_health_check=CHECKS)
@given(chains(), st.sampled_from(TARGETS))
def test_many_fused_programs_run_on_every_target(program: Program, target: tuple[str, str | None]) -> None:
    compiles(program, Flow(*target))


def test_off_changes_nothing() -> None:
    text = """
    func.func @main(%x: memref<8xf32> {polystage.name = "x", polystage.kind = "input"},
                    %y: memref<8xf32> {polystage.name = "y", polystage.kind = "output"}) {
      %t = memref.alloc() {polystage.name = "t"} : memref<8xf32>
      affine.for %i = 0 to 8 {
        %0 = affine.load %x[%i] : memref<8xf32>
        %1 = math.exp %0 : f32
        affine.store %1, %t[%i] : memref<8xf32>
      }
      affine.for %i = 0 to 8 {
        %0 = affine.load %t[%i] : memref<8xf32>
        %1 = math.sqrt %0 : f32
        affine.store %1, %y[%i] : memref<8xf32>
      }
      return
    }
    """
    program = Program(text, (), 1, exact=True)
    unchanged = parse(text).operation.get_asm(enable_debug_info=False)
    assert fused(program, "{strategy=off}")[0] == unchanged
    assert fused(program)[0] != unchanged
