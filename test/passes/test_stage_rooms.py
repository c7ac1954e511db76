"""Tiles for what lies at lanes where an instruction cannot start are in the room that a plan leaves to a nest."""

import ml_dtypes
import numpy as np
import pytest
from flow import REGISTRY, Array, assert_same, execute, interpret, parse

from polystage.pipeline import run_pipeline

SHAPES = {
    "x": (5, 8, 8), "m": (5, 8), "y": (5, 8, 8), "n": (5, 8), "o": (5, 8), "a": (5, 4), "b": (5,), "c": (5, 4),
    "d": (5, 8, 8), "e": (5,), "f": (5, 4), "g": (5,), "h": (5, 4),
}  # fmt: skip
RESULTS = ("y", "c", "d", "e", "h")
LINES = (
    "m[5x8] = low", "m[5x8x8] max x", "y[5x8x8] = sub x m", "n[5x8] = clamp m", "o[5x8] = add n n", "a[5x4] = cut o",
    "b[5] = low", "b[5x4] max a", "c[5x4] = sub a b", "d[5x8x8] = clamp y", "e[5] = clamp b", "f[5x4] = clamp c",
    "g[5] = low", "g[5x4] max f", "h[5x4] = sub f g",
)  # fmt: skip
"""Rows have their maximum taken away; columns 1 to 4 of what that was once more: lanes 1 and 3 are starts."""


def _type(name: str) -> str:
    return f"memref<{'x'.join(map(str, SHAPES[name]))}xbf16>"


def _at(name: str, shift: str = "") -> str:
    indices = [f"%i{d}" for d in range(len(SHAPES[name]))]
    return f"%{name}[{', '.join(indices)}{shift}] : {_type(name)}"


def _nest(line: str) -> str:
    target, extents = line.split("]")[0].split("[")
    word, *rest = line.split("] ")[1].removeprefix("= ").split()
    loads = {
        "max": [_at(target), *map(_at, rest)],
        "cut": [_at(source, " + 1") for source in rest],
    }.get(word, [*map(_at, rest)])
    body = [f"%v{k} = affine.load {load}" for k, load in enumerate(loads)]
    body += {
        "max": ["%r = arith.maximumf %v0, %v1 : bf16"],
        "sub": ["%r = arith.subf %v0, %v1 : bf16"],
        "add": ["%r = arith.addf %v0, %v1 : bf16"],
        "clamp": ["%l = arith.maximumf %v0, %least : bf16", "%r = arith.minimumf %l, %most : bf16"],
    }.get(word, [])
    value = {"low": "%low", "cut": "%v0"}.get(word, "%r")
    sizes = extents.split("x")
    loops = [f"affine.for %i{d} = 0 to {size} {{" for d, size in enumerate(sizes)]
    return "\n".join([*loops, *body, f"affine.store {value}, {_at(target)}", "}" * len(sizes)])


def program() -> str:
    kinds = {"x": "input", **dict.fromkeys(RESULTS, "output")}
    arguments = [
        f'%{name}: {_type(name)} {{polystage.name = "{name}", polystage.kind = "{kind}"}}'
        for name, kind in kinds.items()
    ]
    allocs = [
        f'%{name} = memref.alloc() {{polystage.name = "{name}"}} : {_type(name)}'
        for name in SHAPES
        if name not in kinds
    ]
    constants = [
        f"%{name} = arith.constant {value} : bf16" for name, value in (("low", -16.0), ("least", -4.0), ("most", 4.0))
    ]
    lines = [f"func.func @main({', '.join(arguments)}) {{", *constants, *allocs, *map(_nest, LINES), "return", "}"]
    return "\n".join(lines)


@pytest.mark.parametrize("sbuf", [128, 144, 160, 192])
def test_what_is_planned_can_be_allocated(sbuf: int) -> None:
    numbers = (np.arange(320) * 7 % 11 - 5).reshape(5, 8, 8)
    arguments: list[Array] = [numbers.astype(ml_dtypes.bfloat16)]
    arguments += [np.full(SHAPES[name], 77).astype(ml_dtypes.bfloat16) for name in RESULTS]
    wanted = interpret(parse(program()), arguments)
    module = parse(program())
    passes = "refine-domains,shrink-fills,split-arrays,map-banks,stage,lower-to-npu,allocate"
    run_pipeline(module.operation, f"set-target{{name=tiny sbuf={sbuf}}},{passes}", REGISTRY)
    assert_same(execute(module, arguments), wanted, tolerance=0)
