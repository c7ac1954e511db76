"""Instruction selection: which instructions cover an expression, that they are the cheapest, and what they compute."""

import math
from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from torch_mlir import ir

from polystage import dialects, machine
from polystage.analysis.covering import EQUAL_ENGINES, Covering, EngineCosts, Pattern
from polystage.analysis.expressions import Graph
from polystage.analysis.nest_reader import read_nest
from polystage.analysis.nests import Nest, main_function, top_nests
from polystage.analysis.selection import Selection, select
from polystage.interp import affine, npu
from polystage.pipeline import Registry, run_pipeline

REGISTRY = Registry("polystage.passes")
CONSTANTS = {"zero": 0.0, "half": 0.5, "one": 1.0, "three": 3.0, "four": 4.0, "six": 6.0, "ten": 0.1,
             "root": 0.5**0.5, "cubic": 0.044715, "slope": (2 / math.pi) ** 0.5}  # fmt: skip


def module_of(body: str) -> ir.Module:
    """``y[i, j]`` from ``%x`` = x[i, j], ``%z`` = z[i, j] and ``%m`` = m[i]: operations, the last one is stored."""
    lines = [line.strip() for line in body.split(";") if line.strip()]
    constants = "\n".join(f"%{name} = arith.constant {value:.17e} : f32" for name, value in CONSTANTS.items())
    value = lines[-1].split(" = ")[0]
    text = f"""
    func.func @main(%ax: memref<4x6xf32> {{polystage.name = "x", polystage.kind = "input"}},
                    %az: memref<4x6xf32> {{polystage.name = "z", polystage.kind = "input"}},
                    %am: memref<4xf32> {{polystage.name = "m", polystage.kind = "input"}},
                    %ay: memref<4x6xf32> {{polystage.name = "y", polystage.kind = "output"}}) {{
      {constants}
      affine.for %i = 0 to 4 {{
        affine.for %j = 0 to 6 {{
          %x = affine.load %ax[%i, %j] : memref<4x6xf32>
          %z = affine.load %az[%i, %j] : memref<4x6xf32>
          %m = affine.load %am[%i] : memref<4xf32>
          {chr(10).join(lines)}
          affine.store {value}, %ay[%i, %j] : memref<4x6xf32>
        }}
      }}
      return
    }}
    """
    context = ir.Context()
    dialects.register(context)
    return ir.Module.parse(text, context)


def nest_of(module: ir.Module) -> Nest:
    with module.context:
        return read_nest(next(top_nests(main_function(module.operation))))


def selected(module: ir.Module) -> Selection:
    """The instructions with the rows across the lanes."""
    nest = nest_of(module)
    with module.context:
        return select(nest, nest.store.value, lane=0, result=ir.F32Type.get(), loops=frozenset({1}))


SIGMOID = (
    "%n = arith.negf %x : f32; %e = math.exp %n : f32; %a = arith.addf %e, %one : f32; %s = arith.divf %one, %a : f32"
)
GELU = (
    "%v = arith.mulf %x, %root : f32; %e = math.erf %v : f32; %a = arith.addf %e, %one : f32;"
    "%h = arith.mulf %a, %half : f32; %r = arith.mulf %x, %h : f32"
)
FORMS = {
    "scaled activation": ("%a = arith.mulf %x, %half : f32; %b = math.tanh %a : f32", "activation"),
    "activation with a bias per lane": ("%a = arith.addf %x, %m : f32; %b = math.exp %a : f32", "activation"),
    "scaled and shifted": (
        "%a = arith.mulf %x, %half : f32; %b = arith.subf %one, %a : f32; %c = math.exp %b : f32",
        "activation",
    ),
    "difference to a value per lane": (
        "%a = arith.subf %x, %m : f32; %b = math.exp %a : f32",
        "activation activation",  # the first negates one value per lane
    ),
    "squared deviation": ("%a = arith.subf %x, %m : f32; %b = arith.mulf %a, %a : f32", "activation"),
    "division by a power of two": ("%a = arith.divf %x, %four : f32; %b = math.exp %a : f32", "activation"),
    "division by another number": ("%a = arith.divf %x, %three : f32; %b = math.exp %a : f32",
                                   "tensor_scalar activation"),
    "sigmoid": (SIGMOID, "activation"),
    "silu": (f"{SIGMOID}; %r = arith.mulf %x, %s : f32", "activation"),
    "silu as a quotient": (
        "%n = arith.negf %x : f32; %e = math.exp %n : f32; %a = arith.addf %one, %e : f32;"
        "%r = arith.divf %x, %a : f32",
        "activation",
    ),
    "sigmoid with a slope": (
        "%g = arith.mulf %x, %three : f32; %n = arith.negf %g : f32; %e = math.exp %n : f32;"
        "%a = arith.addf %e, %one : f32; %s = arith.divf %one, %a : f32; %r = arith.mulf %x, %s : f32",
        "activation tensor_tensor",  # the sigmoid is of another argument
    ),
    "gelu": (GELU, "activation"),
    "gelu with a bias per lane": (f"%b = arith.addf %z, %m : f32; {GELU.replace('%x', '%b')}", "activation"),
    "gelu of another argument": (GELU.replace("%v = arith.mulf %x", "%v = arith.mulf %z"),
                                 "activation tensor_scalar tensor_tensor"),
    "gelu by tanh": (
        "%q = arith.mulf %x, %x : f32; %c = arith.mulf %x, %q : f32; %k = arith.mulf %cubic, %c : f32;"
        "%t = arith.addf %x, %k : f32; %v = arith.mulf %t, %slope : f32; %w = math.tanh %v : f32;"
        "%a = arith.addf %w, %one : f32; %h = arith.mulf %x, %half : f32; %r = arith.mulf %h, %a : f32",
        "activation",
    ),
    "clamp": ("%a = arith.maximumf %x, %zero : f32; %b = arith.minimumf %a, %six : f32", "tensor_scalar"),
    "clamp by comparing": (
        "%p = arith.cmpf ugt, %x, %zero : f32; %a = arith.select %p, %x, %zero : f32;"
        "%q = arith.cmpf ult, %a, %six : f32; %b = arith.select %q, %a, %six : f32",
        "tensor_scalar",
    ),
    "rectified sum": ("%a = arith.addf %x, %m : f32; %b = arith.maximumf %a, %zero : f32", "activation"),
    "leaky maximum": ("%a = arith.mulf %x, %m : f32; %b = arith.maximumf %a, %z : f32", "scalar_tensor_tensor"),
    "used twice": ("%a = math.exp %x : f32; %b = arith.mulf %a, %z : f32; %c = arith.addf %b, %a : f32",
                   "activation tensor_tensor tensor_tensor"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_expressions_become_few_instructions(name: str) -> None:
    body, wanted = FORMS[name]
    assert [step.op for step in selected(module_of(body)).steps] == wanted.split()


LINEAR = ("%a = arith.mulf %x, %half : f32; %b = arith.addf %a, %m : f32", "%a = arith.subf %x, %m : f32")


@pytest.mark.parametrize("body", LINEAR)
def test_the_engine_that_is_faster_computes_linear_forms(body: str) -> None:
    module = module_of(body)
    nest = nest_of(module)
    with module.context:
        costs = EngineCosts.of(machine.load("trainium1"))
        fast = select(nest, nest.store.value, lane=0, result=ir.F32Type.get(), loops=frozenset({1}), costs=costs)
    assert [step.op for step in selected(module).steps] == ["tensor_scalar"]
    assert {(step.op, step.ops) for step in fast.steps} <= {("activation", ("copy",)), ("activation", ("negate",))}


def test_rounding_to_a_narrow_type_is_part_of_an_instruction() -> None:
    body = "%a = math.exp %x : f32; %b = arith.truncf %a : f32 to bf16; %c = arith.extf %b : bf16 to f32"
    steps = selected(module_of(f"{body}; %d = arith.addf %c, %z : f32")).steps
    assert [step.op for step in steps] == ["activation", "tensor_tensor"]


def coverings(covering: Covering, number: int) -> Iterator[float]:
    """The cost of every way to cover the tree of a node."""
    for pattern in covering.patterns(number):
        own = covering._cost(number, pattern) - sum(map(covering._below, leaves(pattern)))  # pyright: ignore[reportPrivateUsage]
        trees = [leaf for leaf in leaves(pattern) if covering.graph.term(leaf).op and covering.graph.uses[leaf] == 1]
        for costs in product(*(coverings(covering, leaf) for leaf in trees)):
            yield own + sum(costs)


def leaves(pattern: Pattern) -> set[int]:
    """Nodes that the pattern leaves to others."""
    found = set[int]()
    for key, value in vars(pattern).items():
        if key in ("source", "left", "right", "scalar", "other", "lanes"):
            found.add(value)
        elif key in ("steps", "operands"):
            found |= {each[1] if isinstance(each, tuple) else each for each in value}
    return {leaf for leaf in found if type(leaf) is int}


@pytest.mark.parametrize(
    "costs", [EQUAL_ENGINES, EngineCosts.of(machine.load("trainium1"))], ids=["equal", "trainium1"]
)
@pytest.mark.parametrize("name", FORMS)
def test_the_covering_is_the_cheapest_of_all(name: str, costs: EngineCosts) -> None:
    module = module_of(FORMS[name][0])
    nest = nest_of(module)
    with module.context:
        covering = Covering(Graph(nest, [nest.store.value], 0), costs)
        chosen = covering._cost(nest.store.value, covering.best(nest.store.value))  # pyright: ignore[reportPrivateUsage]
        assert chosen == pytest.approx(min(coverings(covering, nest.store.value)))


def both(module: ir.Module) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What the nest computes, and what its instructions compute, on numbers with every special value among them."""
    special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 6.0, 0.5, -3.0, 1e-3, 2.5], np.float32)
    x = np.concatenate([special, special[::-1]]).reshape(4, 6)
    z = np.roll(special, 5).repeat(2).reshape(4, 6)
    m = np.array([0.5, -2.0, 3.0, 0.0], np.float32)
    wanted, got = np.zeros((4, 6), np.float32), np.zeros((4, 6), np.float32)
    affine.run(module.operation, [x, z, m, wanted])
    run_pipeline(
        module.operation, "set-target{name=tiny},refine-domains,map-banks,stage,lower-to-npu,allocate", REGISTRY
    )
    npu.execute(module.operation, [x, z, m, got])
    return wanted, got


@pytest.mark.parametrize("name", FORMS)
def test_instructions_compute_the_expression(name: str) -> None:
    wanted, got = both(module_of(FORMS[name][0]))
    np.testing.assert_allclose(got, wanted, rtol=1e-6)


@pytest.mark.parametrize("predicate", [f"{nan}{order}" for nan in "ou" for order in ("gt", "ge", "lt", "le")])
@pytest.mark.parametrize("compared", ["%x, %one", "%one, %x"])
@pytest.mark.parametrize("chosen", ["%x, %one", "%one, %x"])
def test_choosing_a_compared_value_is_an_extremum(predicate: str, compared: str, chosen: str) -> None:
    body = f"%p = arith.cmpf {predicate}, {compared} : f32; %a = arith.select %p, {chosen} : f32"
    module = module_of(body)
    assert [step.op for step in selected(module).steps] == ["tensor_scalar"]
    wanted, got = both(module)
    np.testing.assert_array_equal(got, wanted)
