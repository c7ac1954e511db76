"""npu programs for the tests of the executor: text with the boilerplate left out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch_mlir import ir

from polystage import dialects, machine
from polystage.dialects.npu import SIGNATURES
from polystage.interp import npu
from polystage.interp.core import Listener
from polystage.interp.memory import DTYPES

Array = np.ndarray[Any, np.dtype[Any]]

Argument = tuple[str, str, Sequence[int], str]
"""name, kind, shape, element type."""


def memref(shape: Sequence[int], element: str, memory: str = "dram") -> str:
    """A memref type."""
    space = "" if memory == "dram" else f", #npu.{memory}"
    return f"memref<{''.join(f'{size}x' for size in shape)}{element}{space}>"


def parse(
    body: str,
    arguments: Sequence[Argument] = (),
    *,
    target: str = "edge",
    limits: bool = True,
    constants: str = "",
) -> ir.Module:
    """``@main`` with the given arguments (``%name``) and body, after ``constants`` (``memref.global``).

    Without ``limits`` the verifier does not know the machine, so that instructions too large for it get through.
    """
    signature = ", ".join(
        f'%{name}: {memref(shape, element)} {{polystage.name = "{name}", polystage.kind = "{kind}"}}'
        for name, kind, shape, element in arguments
    )
    function = f"{constants}func.func @main({signature}) {{\n{body}\nreturn\n}}"
    context = ir.Context()
    dialects.register(context)
    with context:
        described = machine.to_attribute(machine.load(target))
        if limits:
            return ir.Module.parse(f"module attributes {{polystage.target = {described}}} {{\n{function}\n}}")
        module = ir.Module.parse(function)
        module.operation.attributes["polystage.target"] = described
        return module


def run(
    body: str,
    arguments: Sequence[Argument] = (),
    arrays: Sequence[Array] = (),
    *,
    target: str = "edge",
    limits: bool = True,
    listeners: Sequence[Listener] = (),
    shadow: bool = True,
    constants: str = "",
) -> None:
    """Parse and execute."""
    module = parse(body, arguments, target=target, limits=limits, constants=constants)
    npu.execute(module, arrays, listeners=listeners, shadow=shadow)


def alloc(name: str, shape: Sequence[int], element: str = "f32", memory: str = "sbuf", address: int = 0) -> str:
    """``%name = memref.alloc()`` at an address."""
    marks = f'{{npu.address = {address} : i64, polystage.name = "{name}"}}'
    return f"%{name} = memref.alloc() {marks} : {memref(shape, element, memory)}"


def identity(rank: int, symbols: int = 0) -> str:
    """The identity map on ``rank`` dims."""
    dims = ", ".join(f"d{i}" for i in range(rank))
    names = ", ".join(f"s{i}" for i in range(symbols))
    return f"affine_map<({dims})[{names}] -> ({dims})>"


def instruction(
    op: str,
    operands: Sequence[tuple[str, str]],
    sizes: Sequence[int],
    maps: Sequence[str] = (),
    indices: Sequence[str] = (),
    /,
    **attributes: str,
) -> str:
    """One instruction; ``operands`` are pairs of name and type, ``maps`` default to the identity."""
    maps = maps or [identity(len(sizes), len(indices))] * len(operands)
    names = [f"%{name}" for name, _ in operands] + [f"%{index}" for index in indices]
    types = [type_ for _, type_ in operands] + ["index"] * len(indices)
    marks = [f"sizes = array<i64: {', '.join(map(str, sizes))}>", f"maps = [{', '.join(maps)}]"]
    signature = SIGNATURES[f"npu.{op}"]
    if signature.optional:
        segments = signature.segments(len(operands), len(indices))
        marks.append(f"operandSegmentSizes = array<i32: {', '.join(map(str, segments))}>")
    marks += [f"{key} = {value}" for key, value in attributes.items()]
    return f'"npu.{op}"({", ".join(names)}) {{{", ".join(marks)}}} : ({", ".join(types)}) -> ()'


def transfer(
    source: tuple[str, str],
    target: tuple[str, str],
    sizes: Sequence[int],
    maps: Sequence[str] = (),
    indices: Sequence[str] = (),
    *,
    token: str = "",
    cause: str = "test",
    op: str = "dma_start",
    extra: Sequence[tuple[str, str]] = (),
) -> str:
    """A transfer and, unless ``token`` names its token, its wait."""
    text = instruction(op, [source, target, *extra], sizes, maps, indices, cause=f'"{cause}"')
    name = token or f"token_{source[0]}_{target[0]}"
    start = f"%{name} = {text.removesuffix('()')}!npu.token"
    return start if token else f"{start}\n{wait(name)}"


def wait(token: str) -> str:
    """``dma_wait``."""
    return f'"npu.dma_wait"(%{token}) : (!npu.token) -> ()'


def random_array(rng: np.random.Generator, shape: Sequence[int], element: str) -> Array:
    """Numbers of moderate size; truth values for i1."""
    if element == "i1":
        return rng.integers(0, 2, shape).astype(np.bool_)
    if element.startswith("i"):
        return rng.integers(-100, 100, shape).astype(DTYPES[element])
    return rng.standard_normal(shape).astype(np.float32).astype(DTYPES[element])
